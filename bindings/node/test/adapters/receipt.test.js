'use strict'

// Receipts, in every framework.

const assert = require('node:assert/strict')
const { mkdtemp, rm, writeFile } = require('node:fs/promises')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { after, before, test } = require('node:test')
const { gunzipSync } = require('node:zlib')
const { Hono } = require('hono')
const { Identity, Policy, PrivateKey, Publisher, SignedReceipt, manifestUrl } = require('imagxp')
const { imagxp } = require('imagxp/hono')
const { Domain, ask, askForTrailers, lines, raw } = require('./support.js')
const { PIECES } = require('./frameworks.js')
const { everywhere, publish, receiptOf, receipts } = require('./site.js')

/** An identity whose key is elsewhere, and cannot be reached. */
function failing(agentId, options) {
  const sign = () => {
    throw new Error('the KMS is down')
  }
  return Identity.external(agentId, PrivateKey.generate().publicKey, sign, options)
}

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
  },

  async 'no receipt without success, without a body, or for a part of one'(t, framework) {
    const site = await publish(t, framework, receipts())
    for (const [path, status] of [
      ['/missing', 404],
      ['/empty', 204],
      ['/part', 206],
    ]) {
      const answer = await ask(site.origin, path, { identity: domain.identity })
      assert.deepEqual([answer.status, answer.headers.get('x-imagxp-provenance')], [status, null], path)
    }
  },

  async 'a signer that fails: the answer goes out without a receipt'(t, framework) {
    const site = await publish(t, framework, {
      ...receipts(),
      options: (listener) => ({ identity: failing(listener.address, { allowLoopback: true }), maxReceiptBody: 1000 }),
    })
    for (const path of ['/length', '/stream']) {
      const signed = await domain.identity.sign('GET', site.origin + path, 'RAG_RETRIEVAL')
      const answer = await askForTrailers(site.origin, path, signed)
      assert.deepEqual([answer.status, answer.bytes.toString()], [200, PIECES.join('')])
      assert.doesNotMatch(Object.keys({ ...answer.headers, ...answer.trailers }).join(), /provenance/)
    }
    assert.deepEqual(
      site.record.errors.map(({ code }) => code),
      ['usage.signer', 'usage.signer'],
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

everywhere({
  async 'with resource_match off a receipt is for what is served'(t, framework) {
    const site = await publish(t, framework, { resource_match: 'off', ...receipts() })
    for (const claimed of [`${site.origin}/other`, 'https://other.example/a', `${site.origin}/a?b`]) {
      const signed = await domain.identity.sign('GET', claimed, 'RAG_RETRIEVAL')
      const answer = await ask(site.origin, '/a?b', { headers: Object.fromEntries(signed) })
      assert.equal(answer.status, 200, answer.text)
      const { agentId } = domain.identity
      receiptOf(Object.fromEntries(answer.headers), { url: `${site.origin}/a?b`, bytes: answer.bytes, agentId })
    }
  },
})

/** A site of these origins, whose key is the first one's: the URL of the receipt for a target that is asked for with a claim, or `null`. */
function virtual(origins, members = {}) {
  const [agent, app] = [Identity.generate('agent.example'), new Hono()]
  const policy = { version: 1, origins, purposes: { SUMMARY: {} }, provenance: { origin: 'HUMAN' }, ...members }
  const publisher = new Publisher(Policy.fromJson(policy))
  publisher.supply(manifestUrl(agent.agentId), agent.manifest().toBytes())
  app.use(imagxp({ publisher, identity: Identity.generate('pub.example') }))
  app.get('*', (c) => c.text('a'))
  return async (claimed, host, target = '/a') => {
    const headers = [...agent.sign('GET', claimed, 'SUMMARY'), ['host', host]]
    const answer = await app.request(`https://${host}${target}`, { headers })
    assert.equal(answer.status, 200, await answer.clone().text())
    return answer.headers.has('x-imagxp-provenance') ? SignedReceipt.fromHeaders([...answer.headers]).receipt.url : null
  }
}

test('of several origins a receipt names the one that is served', async () => {
  const [pub, shop] = ['https://pub.example', 'https://shop.example']
  for (const resource_match of ['strict', 'path', 'off']) {
    const urlOf = virtual([pub, shop], { resource_match })
    assert.equal(await urlOf(`${pub}/a`, 'pub.example'), `${pub}/a`)
    assert.equal(await urlOf(`${pub}/a`, 'PUB.example:443'), `${pub}/a`)
    // Behind a server that asks us by another name.
    assert.equal(await urlOf(`${pub}/a`, 'upstream.internal'), `${pub}/a`)
    assert.equal(await urlOf(`${pub}/a`, 'shop.example'), null)
    assert.equal(await urlOf(`${pub}/a`, 'shop.example:443'), null)
    assert.equal(await urlOf(`${shop}/a`, 'pub.example'), null)
  }
})

test('a claim that nobody compares is not what a receipt says', async () => {
  const pub = 'https://pub.example'
  for (const origins of [[pub], [pub, 'https://shop.example']]) {
    const urlOf = virtual(origins, { resource_match: 'off' })
    assert.equal(await urlOf(`${pub}/other`, 'pub.example'), `${pub}/a`)
    assert.equal(await urlOf('https://elsewhere.example/other', 'pub.example'), `${pub}/a`)
    assert.equal(await urlOf(`${pub}/other`, 'upstream.internal'), `${pub}/a`)
    assert.equal(await urlOf('https://elsewhere.example/a', 'upstream.internal'), null)
  }
})

test('however the claim spells the origin', async () => {
  const urlOf = virtual(['https://pub.example', 'https://shop.example'])
  for (const host of ['pub.example', 'upstream.internal']) {
    assert.equal(await urlOf('https://pub.example:443/a', host), 'https://pub.example/a')
    assert.equal(await urlOf('https://PUB.Example/a', host), 'https://pub.example/a')
    assert.equal(await urlOf('https://pub.example?x=1', host, '/?x=1'), 'https://pub.example/?x=1')
    // What is asked for, as it came.
    assert.equal(await urlOf('https://pub.example/%7ea', host, '/~a'), 'https://pub.example/~a')
  }
})

/** What stands between us and the files, and has Node write the head unless it sees one. */
const between = {
  'express-session 1.19': require('express-session')({ secret: 'x', resave: true, saveUninitialized: true }),
  'compression 1.7': require('compression')({ threshold: 0 }),
}
/** Headers and trailers; a receipt is in one of the two. */
const fields = ({ headers, trailers }) => ({ ...headers, ...trailers, 'set-cookie': '' })

for (const [what, middleware] of Object.entries(between)) {
  for (const version of ['express', 'express4']) {
    test(`receipts of files behind ${what}, ${version}`, async (t) => {
      const express = require(version)
      const file = Buffer.alloc(200_000, 'all work and no play ')
      const folder = await mkdtemp(join(tmpdir(), 'imagxp-'))
      t.after(() => rm(folder, { recursive: true }))
      await writeFile(join(folder, 'file.txt'), file)
      t.mock.method(console, 'error', () => {})
      const framework = ({ server }, options) => {
        const app = express()
        app.use(require('imagxp/express').imagxp(options), middleware, express.static(folder))
        app.get('/pieces', (_, response) => {
          response.type('text').write('one')
          response.write('two')
          response.end('three')
        })
        server.on('request', app)
        return async () => {}
      }
      const site = await publish(t, framework, { unsigned: 'allow', ...receipts({ maxReceiptBody: file.length }) })
      for (const [place, bytes] of [
        ['/file.txt', file],
        ['/pieces', Buffer.from('onetwothree')],
      ]) {
        const url = site.origin + place
        const plain = await askForTrailers(site.origin, place)
        assert.deepEqual([plain.status, plain.bytes.equals(bytes)], [200, true], what)
        receiptOf(fields(plain), { url, bytes })
        // A receipt is over what is on the wire.
        const packed = await askForTrailers(site.origin, place, [['accept-encoding', 'gzip']])
        receiptOf(fields(packed), { url, bytes: packed.bytes })
        const zipped = packed.headers['content-encoding'] === 'gzip'
        assert.equal(zipped, what === 'compression 1.7')
        assert.ok((zipped ? gunzipSync(packed.bytes) : packed.bytes).equals(bytes))
      }
      assert.deepEqual(site.record.errors, [])
    })
  }
}

test('Web answers, where there is no Node server', async (t) => {
  const errors = []
  const answers = async (identity, status) => {
    const app = new Hono()
    const policy = Policy.fromJson({
      version: 1,
      origins: ['https://pub.example'],
      unsigned: 'allow',
      provenance: { origin: 'HUMAN' },
    })
    app.use(imagxp({ policy, identity, onError: (error) => errors.push(error.code) }))
    app.get('/', (c) => c.text('answer', status, { 'cache-control': 'private' }))
    const answer = await app.request('https://pub.example/', { headers: { host: 'pub.example' } })
    // Whoever compresses it afterwards would spoil the receipt.
    const [has, cache] = [answer.headers.has('x-imagxp-provenance'), answer.headers.get('cache-control')]
    assert.equal(cache, has ? 'private, no-transform' : 'private')
    return [answer.status, await answer.text(), has]
  }
  t.mock.method(console, 'error', () => {})
  assert.deepEqual(await answers(Identity.generate('pub.example'), 200), [200, 'answer', true])
  assert.deepEqual(await answers(Identity.generate('pub.example'), 206), [206, 'answer', false])
  assert.deepEqual(await answers(failing('pub.example'), 200), [200, 'answer', false])
  assert.deepEqual(errors, ['usage.signer'])
})
