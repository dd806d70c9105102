'use strict'

// The adapter for Express where Express is not: below connect, and on a server of `node:http`.

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const { Policy } = require('imagxp')
const { Domain, Listener, ask } = require('./support.js')

let domain

before(async () => {
  domain = await Domain.open()
})

after(() => domain?.close())

/** A site of this middleware and application, put together by `compose`. */
async function site(t, compose, options = {}) {
  const { server, origin } = await Listener.open()
  t.after(() => (server.closeAllConnections(), server.close()))
  const errors = []
  const policy = Policy.fromJson({
    ...{ version: 1, origins: [origin], allow_loopback: true, purposes: { SUMMARY: {} } },
    ...{ unsigned: 'allow', paths: [{ match: '/closed', unsigned: 'deny' }] },
  })
  const middleware = require('imagxp/express').imagxp({ policy, onError: (error) => errors.push(error), ...options })
  server.on('request', compose(middleware))
  return { origin, errors }
}

const signed = () => ({ identity: domain.identity, purpose: 'SUMMARY' })
const echo = (request, response) => response.end(request.imagxp.resource ?? request.url)
const plain = (application) => (middleware) => (request, response) =>
  middleware(request, response, () => application(request, response))

/** As connect does: what was asked for is kept, a mount is cut, and nobody tells which. */
const connect = (mount, application) => (middleware) => (request, response) => {
  request.originalUrl = request.originalUrl ?? request.url
  request.url = request.url.slice(mount.length)
  middleware(request, response, () => application(request, response))
}

test('on a server of node:http', async (t) => {
  const { origin } = await site(t, plain(echo))
  const answer = await ask(origin, '/a?b=%C3%A9', signed())
  assert.deepEqual([answer.status, answer.text], [200, `${origin}/a?b=%C3%A9`])
  assert.deepEqual((await ask(origin, '/open')).text, '/open')
  assert.equal((await ask(origin, '/closed')).status, 401)
})

test('below connect', async (t) => {
  const { origin } = await site(t, connect('', echo))
  const answer = await ask(origin, '/a', signed())
  assert.deepEqual([answer.status, answer.text], [200, `${origin}/a`])
  const mounted = await site(t, connect('/shop', echo), { prefix: '/shop' })
  const below = await ask(mounted.origin, '/shop/a', signed())
  assert.deepEqual([below.status, below.text], [200, `${mounted.origin}/shop/a`])
  // What connect has cut is not guessed: a rewrite looks the same.
  const unnamed = await site(t, connect('/shop', echo))
  assert.equal((await ask(unnamed.origin, '/shop/a', signed())).code, 'claim.resource_mismatch')
})

test('an application that throws ends its own answer, and not the process', async (t) => {
  const mistake = new Error('of the application')
  const application = (request, response) => {
    if (request.url === '/open/late') response.writeHead(200, { 'content-length': '100' }).write('half')
    if (request.url === '/open/done') response.end('done')
    response.headersSent || response.setHeader('content-length', '100')
    throw mistake
  }
  const { origin, errors } = await site(t, plain(application))
  for (const [path, options] of [
    ['/open', {}],
    ['/a', signed()],
  ]) {
    const answer = await ask(origin, path, options)
    assert.deepEqual([answer.status, answer.text], [500, ''])
  }
  await assert.rejects(ask(origin, '/open/late'))
  assert.equal((await ask(origin, '/open/done')).text, 'done')
  assert.deepEqual(errors, [mistake, mistake, mistake, mistake])
})
