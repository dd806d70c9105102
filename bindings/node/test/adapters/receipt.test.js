'use strict'

// Receipts, in every framework.

const assert = require('node:assert/strict')
const { after, before } = require('node:test')
const { Domain, ask, askForTrailers, lines, raw } = require('./support.js')
const { PIECES } = require('./frameworks.js')
const { everywhere, publish, receiptOf, receipts } = require('./site.js')

let domain

before(async () => {
  domain = await Domain.open()
})

after(async () => {
  await domain?.close()
})

everywhere({
  async 'an application that fails after the verdict'(t, framework) {
    const site = await publish(t, framework, receipts())
    const answer = await ask(site.origin, '/throw', { identity: domain.identity })
    assert.equal(answer.status, 500)
    assert.equal(answer.headers.get('x-imagxp-provenance'), null)
    assert.equal(answer.headers.get('x-imagxp-content-origin'), 'HYBRID')
    assert.equal(site.record.error?.message, 'of the application')
    await assert.rejects(
      ask(site.origin, '/late', { identity: domain.identity }),
      TypeError,
      'the connection breaks off',
    )
    assert.equal((await ask(site.origin, '/a', { identity: domain.identity })).status, 200)
    assert.deepEqual(site.record.errors, [])
  },

  async 'receipts for bodies of one piece'(t, framework) {
    const site = await publish(t, framework, receipts())
    const answer = await ask(site.origin, '/a?b=1', { identity: domain.identity })
    const receipt = receiptOf(Object.fromEntries(answer.headers), {
      url: `${site.origin}/a?b=1`,
      bytes: answer.bytes,
      agentId: domain.identity.agentId,
    })
    assert.deepEqual([receipt.origin, answer.headers.get('x-imagxp-content-origin')], ['HYBRID', 'HYBRID'])
    assert.equal(answer.headers.get('content-length'), String(answer.bytes.length))
    assert.equal(
      (await ask(site.origin, '/missing', { identity: domain.identity })).headers.get('x-imagxp-provenance'),
      null,
    )
    assert.equal(
      (await ask(site.origin, '/empty', { identity: domain.identity })).headers.get('x-imagxp-provenance'),
      null,
    )
  },

  async 'receipts for unsigned visitors, on our own host only'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'allow', ...receipts() })
    const answer = await ask(site.origin, '/x')
    assert.equal(
      receiptOf(Object.fromEntries(answer.headers), { url: `${site.origin}/x`, bytes: answer.bytes }).agentId,
      null,
    )
    const elsewhere = await raw(site.origin, 'GET /x HTTP/1.1\nHost: evil.example\nConnection: close\n\n')
    assert.equal(elsewhere.status, 200)
    assert.doesNotMatch(elsewhere.text, /x-imagxp-provenance/i)
  },

  async 'receipts for streams are trailers'(t, framework) {
    const site = await publish(t, framework, receipts())
    const url = `${site.origin}/stream`
    const answer = await askForTrailers(site.origin, '/stream', await domain.identity.sign('GET', url, 'RAG_RETRIEVAL'))
    assert.equal(answer.bytes.toString(), PIECES.join(''))
    assert.equal(answer.headers['x-imagxp-provenance'], undefined)
    assert.equal(answer.headers.trailer, 'x-imagxp-provenance, x-imagxp-provenance-sig')
    receiptOf(answer.trailers, { url, bytes: answer.bytes, agentId: domain.identity.agentId })
    // HTTP/1.0 has no trailers.
    const signed = await lines(domain.identity, 'GET', url)
    const old = await raw(site.origin, `GET /stream HTTP/1.0\nHost: x\n${signed}\n`)
    assert.ok(old.text.endsWith(PIECES.join('')), old.text)
    assert.doesNotMatch(old.text, /provenance/i)
  },

  async 'receipts for bodies whose length is known are headers'(t, framework) {
    const site = await publish(t, framework, receipts())
    const answer = await ask(site.origin, '/length', { identity: domain.identity })
    assert.equal(answer.text, PIECES.join(''))
    receiptOf(Object.fromEntries(answer.headers), {
      url: `${site.origin}/length`,
      bytes: answer.bytes,
      agentId: domain.identity.agentId,
    })
    // Not for one that is longer than may wait.
    const short = await publish(t, framework, receipts({ maxReceiptBody: 600 }))
    const long = await ask(short.origin, '/length', { identity: domain.identity })
    assert.equal(long.text, PIECES.join(''))
    assert.equal(long.headers.get('x-imagxp-provenance'), null)
  },
})
