'use strict'

// What wrapFetch sends: what real servers receive is what counts.

const assert = require('node:assert/strict')
const { after, before, beforeEach, test } = require('node:test')
const { Caps, Feedback, Identity, Wallet, contentDigest } = require('imagxp')
const { wrapFetch } = require('imagxp/fetch')
const { Recorder, claim, ours } = require('./fetching.js')

const PLAIN = ['x-imagxp-payload', 'x-imagxp-public-key', 'x-imagxp-signature']

let server
let agent

before(async () => {
  server = await Recorder.open()
  agent = Identity.generate('bot.example.com')
})

beforeEach(() => {
  server.forget()
})

after(async () => {
  await server.close()
})

const wrapped = (options = {}) => wrapFetch(fetch, { identity: agent, purpose: 'SUMMARY', ...options })

test('every request is signed anew', async () => {
  const read = wrapped()
  await read(`${server.origin}/a?b=c d#frag`)
  await read(new URL(server.origin), { method: 'head' })
  await read(new Request(`${server.origin}/r`, { headers: { 'x-own': '1', 'user-agent': 'me/2' } }))
  const [first, second, third] = server.requests
  assert.deepEqual(ours(first), PLAIN)
  assert.equal(claim(first).resource, server.origin + first.target)
  assert.equal(first.target, '/a?b=c%20d')
  assert.deepEqual([claim(first).method, claim(second).method], ['GET', 'HEAD'])
  assert.notEqual(claim(first).nonce, claim(second).nonce)
  assert.equal(claim(first).content_digest, undefined)
  assert.equal(first.headers['user-agent'], 'IMAGXP/1.0')
  assert.deepEqual([third.headers['x-own'], third.headers['user-agent']], ['1', 'me/2 IMAGXP/1.0'])
  const payload = Buffer.from(first.headers['x-imagxp-payload'], 'base64')
  assert.ok(agent.publicKey.verify(payload, Buffer.from(first.headers['x-imagxp-signature'], 'hex')))
})

test('options of a request', async () => {
  const imagxp = { purpose: 'QUOTATION', visa: 'a.b.c', proof: 'd.e.f', adsDisplayed: true, context: { k: 1 } }
  await wrapped({ compatible: true })(server.origin, { imagxp })
  const [request] = server.requests
  assert.equal(claim(request).purpose, 'QUOTATION')
  assert.deepEqual(claim(request).context, { k: 1, ads_displayed: true })
  assert.equal(request.headers['x-imagxp-payment'], 'a.b.c')
  assert.equal(request.headers['x-imagxp-credential'], 'a.b.c')
  assert.equal(request.headers['x-imagxp-proof'], 'd.e.f')
  await assert.rejects(wrapped()(server.origin, { imagxp: { porpoise: 'x' } }), /porpoise/)
  await assert.rejects(wrapped({ purpose: 'READING' })(server.origin), { code: 'usage.argument' })
  assert.equal(server.requests.length, 1)
})

test('feedback travels with a request', async () => {
  const feedback = await new Feedback(`${server.origin}/a`, '0.5', 'OTHER').sign(agent)
  await wrapped()(server.origin, { imagxp: { feedback } })
  const sent = Buffer.from(server.requests[0].headers['x-imagxp-feedback'], 'base64')
  assert.deepEqual(JSON.parse(sent), JSON.parse(feedback))
})

test('feedback that was answered is not sent where a redirect leads', async () => {
  const feedback = await new Feedback(`${server.origin}/a`, '0.5', 'OTHER').sign(agent)
  const looked = { 'x-imagxp-feedback-status': 'feedback.url_denied' }
  for (const [given, status, carried] of [
    [looked, looked['x-imagxp-feedback-status'], [true, false]],
    [{}, null, [true, true]],
  ]) {
    server.forget()
    server.answers = [
      [302, '', { location: '/b', ...given }],
      [200, 'there', { 'x-own': '1' }],
    ]
    const answer = await wrapped()(`${server.origin}/a`, { imagxp: { feedback } })
    const { headers } = answer
    assert.deepEqual([headers.get('x-imagxp-feedback-status'), headers.get('x-own')], [status, '1'])
    assert.deepEqual([await answer.text(), answer.redirected, answer.url], ['there', true, `${server.origin}/b`])
    assert.deepEqual(
      server.requests.map((request) => 'x-imagxp-feedback' in request.headers),
      carried,
    )
  }
})

test('bodies are bound by their digest', async () => {
  const form = new FormData()
  form.set('a', 'é')
  for (const body of [
    'text',
    Buffer.from('bytes'),
    new TextEncoder().encode('view').buffer,
    new URLSearchParams({ a: 'b' }),
    new Blob(['blob']),
    form,
  ]) {
    await wrapped()(server.origin, { method: 'POST', body })
    const { body: received, headers } = server.requests.at(-1)
    assert.equal(claim(server.requests.at(-1)).content_digest, contentDigest(received))
    if (body === form) assert.ok(received.toString().includes(/boundary=(\S+)/.exec(headers['content-type'])[1]))
  }
  assert.equal(server.requests[0].headers['content-type'], 'text/plain;charset=UTF-8')
})

test('bodies that are streams pass untouched', async () => {
  let pulled = 0
  const body = new ReadableStream({
    pull(controller) {
      if (++pulled > 3) controller.close()
      else controller.enqueue(Buffer.from(`${pulled}`))
    },
  })
  await wrapped()(server.origin, { method: 'POST', body, duplex: 'half' })
  assert.equal(server.requests[0].body.toString(), '123')
  assert.equal(claim(server.requests[0]).content_digest, undefined)
})

test('headers that a caller set are not sent twice', async () => {
  await wrapped()(server.origin, {
    headers: { 'X-Imagxp-Payload': 'stale', 'x-imagxp-feedback': 'stale', 'x-imagxp-payment': 'stale' },
  })
  assert.deepEqual(ours(server.requests[0]), PLAIN)
  assert.ok(server.requests[0].lines.every(([name, values]) => !name.startsWith('x-imagxp') || values.length === 1))
})

test('answers are streams', async () => {
  const response = await wrapped()(server.origin)
  assert.equal(response.bodyUsed, false)
  assert.equal(await response.text(), 'ok')
  assert.equal(response.url, `${server.origin}/`)
})

test('a request can be given up', async () => {
  const controller = new AbortController()
  controller.abort()
  await assert.rejects(wrapped()(server.origin, { signal: controller.signal }), { name: 'AbortError' })
  await assert.rejects(wrapped()(new Request(server.origin, { signal: controller.signal })), { name: 'AbortError' })
  assert.equal(server.requests.length, 0)
})

test('wrong options', () => {
  const caps = { currency: 'EUR', perRequest: '1' }
  for (const options of [
    { identity: undefined },
    { identity: {} },
    { purpose: undefined },
    { receipts: 'sometimes' },
    { budget: caps, wallet: new Wallet([]) },
    { budget: caps, visas: () => null },
    { budgets: caps },
    { budget: { currency: 'EUR', perRequest: 'many' } },
  ]) {
    assert.throws(() => wrapped(options), Error, JSON.stringify(options))
  }
  assert.throws(() => wrapFetch(fetch), TypeError)
  for (const budget of [
    caps,
    [caps],
    new Caps('EUR', '1'),
    [new Caps('EUR', '1'), { ...caps, currency: 'USD', perDay: '2' }],
  ])
    wrapped({ budget })
})
