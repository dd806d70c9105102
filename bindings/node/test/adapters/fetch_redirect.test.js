'use strict'

// Where wrapFetch lets itself be sent, and with what.

const assert = require('node:assert/strict')
const { after, before, beforeEach, test } = require('node:test')
const { Identity, contentDigest } = require('imagxp')
const { wrapFetch } = require('imagxp/fetch')
const { Recorder, claim, ours } = require('./fetching.js')

let server
let elsewhere
let agent

before(async () => {
  server = await Recorder.open()
  elsewhere = await Recorder.open()
  agent = Identity.generate('bot.example.com')
})

beforeEach(() => {
  server.forget()
  elsewhere.forget()
})

after(async () => {
  await server.close()
  await elsewhere.close()
})

const wrapped = (options = {}) => wrapFetch(fetch, { identity: agent, purpose: 'SUMMARY', ...options })

for (const status of [301, 302, 303, 307, 308]) {
  test(`${status} to another origin carries nothing of ours`, async () => {
    server.redirect('/a', status, `${elsewhere.origin}/b`)
    const init = {
      imagxp: { visa: 'secret.visa.token' },
      headers: { authorization: 'secret', cookie: 'secret', 'x-own': '1' },
    }
    const response = await wrapped({ compatible: true })(`${server.origin}/a`, init)
    assert.deepEqual([response.status, response.redirected, response.url], [200, true, `${elsewhere.origin}/b`])
    assert.equal(elsewhere.requests.length, 1)
    assert.deepEqual(ours(elsewhere.requests[0]), [])
    assert.doesNotMatch(JSON.stringify(elsewhere.requests), /secret/)
    assert.equal(elsewhere.requests[0].headers['x-own'], '1')
    assert.ok(ours(server.requests[0]).length > 0)
  })
}

test('another origin can give no receipt', async () => {
  server.redirect('/a', 302, `${elsewhere.origin}/b`)
  const response = await wrapped({ receipts: 'verify' })(`${server.origin}/a`)
  assert.deepEqual([response.status, response.imagxp], [200, { receipt: null }])
  elsewhere.forget()
  await assert.rejects(wrapped({ receipts: 'require' })(`${server.origin}/a`), TypeError)
  assert.equal(elsewhere.requests.length, 0)
})

test('an origin that redirects elsewhere and back is not signed for', async () => {
  server.redirect('/a', 302, `${elsewhere.origin}/b`)
  elsewhere.redirect('/b', 302, `${server.origin}/chosen-by-elsewhere`)
  await wrapped()(`${server.origin}/a`)
  assert.deepEqual(
    server.requests.map((request) => ours(request).length > 0),
    [true, false],
  )
})

test('within the origin each is signed anew', async () => {
  server.redirect('/a', 302, '/b')
  server.redirect('/b', 307, '/c?d#e')
  const response = await wrapped()(`${server.origin}/a`)
  assert.deepEqual([response.status, response.redirected, response.url], [200, true, `${server.origin}/c?d`])
  assert.deepEqual(
    server.requests.map((request) => claim(request).resource),
    ['/a', '/b', '/c?d'].map((path) => server.origin + path),
  )
  assert.equal(new Set(server.requests.map((request) => claim(request).nonce)).size, 3)
})

test('methods and bodies go as RFC 9110 says', async () => {
  for (const [status, method, body] of [
    [301, 'GET', ''],
    [303, 'GET', ''],
    [307, 'POST', 'hello'],
    [308, 'POST', 'hello'],
  ]) {
    server.forget()
    server.redirect('/a', status, '/b')
    await wrapped()(`${server.origin}/a`, { method: 'POST', body: 'hello' })
    const last = server.requests[1]
    assert.deepEqual([last.method, last.body.toString(), claim(last).method], [method, body, method])
    assert.equal(claim(last).content_digest, body === '' ? undefined : contentDigest(Buffer.from(body)))
  }
})

test('a body that was a stream cannot be sent again', async () => {
  server.redirect('/a', 307, '/b')
  const body = new Blob(['hello']).stream()
  await assert.rejects(wrapped()(`${server.origin}/a`, { method: 'POST', body, duplex: 'half' }), TypeError)
  assert.equal(server.requests.length, 1)
})

test('redirects that never end, lead nowhere, or are not wanted', async () => {
  server.redirect('/a', 302, '/b')
  server.redirect('/b', 302, '/a')
  await assert.rejects(wrapped()(`${server.origin}/a`), TypeError)
  assert.equal(server.requests.length, 21)
  for (const location of ['file:///etc/passwd', 'http://', 'data:,x']) {
    server.redirect('/x', 302, location)
    await assert.rejects(wrapped()(`${server.origin}/x`), TypeError, location)
  }
  assert.equal((await wrapped()(`${server.origin}/a`, { redirect: 'manual' })).status, 302)
  await assert.rejects(wrapped()(`${server.origin}/a`, { redirect: 'error' }), TypeError)
})
