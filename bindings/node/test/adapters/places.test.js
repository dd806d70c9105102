'use strict'

// Where an adapter may stand, and what it needs: HTTP/2, hosts that are no Node server, wrong options.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const http2 = require('node:http2')
const { once } = require('node:events')
const { after, before, describe, test } = require('node:test')
const { AuditLog, Identity, Policy, PrivateKey, Publisher, SignedReceipt, contentDigest } = require('imagxp')
const { Domain, Listener, ask } = require('./support.js')
const { frameworks } = require('./frameworks.js')

const document = { version: 1, origins: ['https://pub.example'], purposes: { SUMMARY: {} } }

let domain

before(async () => {
  domain = await Domain.open()
})

after(() => domain?.close())

for (const name of ['express', 'express4']) {
  test(`${name}: an answer that somebody has given before the verdict`, async (t) => {
    const { server, origin } = await Listener.open()
    t.after(() => server.close())
    const app = require(name)()
    let reached = 0
    // A timeout, for example.
    app.use((request, response, next) => (next(), response.status(503).end('too late')))
    const paths = [{ match: '/open', unsigned: 'allow' }]
    app.use(require('imagxp/express').imagxp({ policy: Policy.fromJson({ ...document, allow_loopback: true, paths }) }))
    app.use((request, response) => response.end(String((reached += 1))))
    server.on('request', app)
    for (const path of ['/open', '/closed']) {
      const answer = await ask(origin, path)
      assert.deepEqual([answer.status, answer.text], [503, 'too late'])
    }
    assert.equal(reached, 0)
    server.closeAllConnections()
  })
}

test('HTTP/2: signed bodies are read again, and receipts are trailers', async (t) => {
  let server
  const app = require('fastify')({ http2: true, serverFactory: (handler) => (server = http2.createServer(handler)) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority = `127.0.0.1:${server.address().port}`
  const policy = Policy.fromJson({
    ...document,
    origins: [`http://${authority}`],
    allow_loopback: true,
    methods: ['GET', 'POST'],
    provenance: { origin: 'HUMAN' },
  })
  const site = Identity.generate(authority, 'ES256', { allowLoopback: true })
  await app.register(require('imagxp/fastify').imagxp, { policy, identity: site })
  app.addContentTypeParser('*', { parseAs: 'string' }, async (_, body) => body)
  app.post('/echo', async (request) => `${request.imagxp.agentId} ${request.body}`)
  app.get('/stream', async (_, reply) => reply.send(require('node:stream').Readable.from(['one', 'two'])))
  await app.ready()
  const session = http2.connect(`http://${authority}`)
  t.after(() => {
    session.destroy()
    server.close()
  })

  const send = async (method, path, body) => {
    const options = body === '' ? {} : { contentDigest: contentDigest(Buffer.from(body)) }
    const signed = await domain.identity.sign(method, `http://${authority}${path}`, 'SUMMARY', options)
    const stream = session.request({
      ':method': method,
      ':path': path,
      'content-type': 'text/x',
      ...Object.fromEntries(signed),
    })
    let fields
    let trailers = {}
    stream.on('response', (found) => (fields = found)).on('trailers', (found) => (trailers = found))
    if (method === 'POST') stream.end(body)
    const text = await require('node:stream/consumers').text(stream)
    return { status: fields[':status'], fields, trailers, text }
  }
  const echoed = await send('POST', '/echo', 'hello')
  assert.deepEqual([echoed.status, echoed.text], [200, `${domain.identity.agentId} hello`])
  const streamed = await send('GET', '/stream', '')
  assert.equal(streamed.text, 'onetwo')
  const pairs = (fields) => Object.entries(fields).filter(([name]) => name.startsWith('x-imagxp-'))
  for (const [{ text }, found, path] of [
    [echoed, echoed.fields, '/echo'],
    [streamed, streamed.trailers, '/stream'],
  ]) {
    const contentSha256 = createHash('sha256').update(text).digest()
    const { receipt } = SignedReceipt.fromHeaders(pairs(found))
    receipt.check({ url: `http://${authority}${path}`, contentSha256, agentId: domain.identity.agentId })
  }
})

test('HTTP/2: a signed body that is longer than is held is answered while it comes', async (t) => {
  let server
  const app = require('fastify')({ http2: true, serverFactory: (handler) => (server = http2.createServer(handler)) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority = `127.0.0.1:${server.address().port}`
  const origins = [`http://${authority}`]
  const policy = Policy.fromJson({ ...document, origins, allow_loopback: true, methods: ['POST'] })
  await app.register(require('imagxp/fastify').imagxp, { policy, maxBody: 1000 })
  await app.ready()
  const session = http2.connect(`http://${authority}`)
  t.after(() => {
    session.destroy()
    server.close()
  })
  const digest = { contentDigest: contentDigest(Buffer.from('another')) }
  const signed = await domain.identity.sign('POST', `http://${authority}/a`, 'SUMMARY', digest)
  const stream = session.request({ ':method': 'POST', ':path': '/a', ...Object.fromEntries(signed) })
  let status
  let text = ''
  stream.on('response', (fields) => (status = fields[':status'])).on('data', (piece) => (text += piece))
  const signal = AbortSignal.timeout(4000)
  const [served] = await Promise.all([
    once(server, 'stream', { signal }).then(async ([of]) => (await once(of, 'close', { signal }), of)),
    once(stream, 'aborted', { signal }),
    once(stream, 'end', { signal }),
    // It never ends, and more than the windows take waits to be sent.
    stream.write(Buffer.alloc(1024 * 1024)),
  ])
  assert.deepEqual([status, JSON.parse(text).error.code, served.rstCode], [400, 'claim.digest_mismatch', 0])
})

test('heads in every form that Node takes', async (t) => {
  const { AnsweredResponse } = require('../../adapters/shared/answered_response.cjs')
  const receipt = {
    sign: () => [
      ['x-imagxp-provenance', 'p'],
      ['x-imagxp-provenance-sig', 's'],
    ],
  }
  const heads = {
    object: (response) => response.writeHead(200, { 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] }),
    'object with a reason': (response) => response.writeHead(200, 'Fine', { 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] }),
    list: (response) => response.writeHead(200, ['x-a', '1', 'set-cookie', 'a=1', 'set-cookie', 'b=2']),
    pairs: (response) =>
      response.writeHead(200, [
        ['x-a', '1'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ]),
    'set before': (response) => response.setHeader('x-a', '1').setHeader('set-cookie', ['a=1', 'b=2']),
    'set before, then replaced': (response) =>
      response.setHeader('x-a', '0').writeHead(200, ['X-A', '1', 'set-cookie', ['a=1', 'b=2']]),
  }
  const { server, origin } = await Listener.open()
  t.after(() => server.close())
  let head
  let finish
  server.on('request', (request, response) => {
    const own = {
      headers: [
        ['link', '<p>'],
        ['link', '<q>'],
      ],
      receipt,
      maxBody: 100,
      report: assert.fail,
    }
    new AnsweredResponse(request, response, own).attach()
    head(response)
    finish(response)
  })
  const ends = {
    'one piece': (response) => response.end('hello'),
    'a callback': (response) => response.end('hello', () => {}),
    'hex, a callback': (response) => response.end('68656c6c6f', 'hex', () => {}),
    'after a piece, its length known': (response) => {
      response.removeHeader('transfer-encoding')
      response.setHeader('content-length', '5')
      assert.equal(
        response.write('he', () => {}),
        true,
      )
      assert.equal(response.headersSent, true)
      assert.throws(() => response.writeHead(201), { code: 'ERR_HTTP_HEADERS_SENT' })
      // As express-session and compression do when they see no `_header`.
      response._implicitHeader()
      response.end(Buffer.from('llo'))
    },
  }
  for (const [form, given] of Object.entries(heads)) {
    for (const [way, end] of Object.entries(ends)) {
      head = given
      finish = end
      const answer = await fetch(origin)
      const what = `${form}, ${way}`
      assert.deepEqual([answer.status, await answer.text()], [200, 'hello'], what)
      assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'], what)
      assert.deepEqual([answer.headers.get('x-a'), answer.headers.get('link')], ['1', '<p>, <q>'], what)
      assert.deepEqual(
        [answer.headers.get('x-imagxp-provenance'), answer.headers.get('content-length')],
        ['p', '5'],
        what,
      )
    }
  }
  server.closeAllConnections()
})

test('a piece that waits for its receipt is taken, and the next one may come', async (t) => {
  const { AnsweredResponse } = require('../../adapters/shared/answered_response.cjs')
  const receipt = { sign: () => [['x-imagxp-provenance', 'p']] }
  const { server, origin } = await Listener.open()
  t.after(() => server.close())
  server.on('request', async (request, response) => {
    const size = Number(request.url.slice(1))
    new AnsweredResponse(request, response, { headers: [], receipt, maxBody: 100, report: assert.fail }).attach()
    response.setHeader('content-length', String(3 * size))
    for (const encoding of [[], ['utf8'], []])
      await new Promise((resolve) => response.write('x'.repeat(size), ...encoding, resolve))
    await new Promise((resolve) => response.end(resolve))
  })
  // As much as may wait, and more.
  for (const [size, found] of [
    [30, 'p'],
    [40, null],
  ]) {
    const answer = await fetch(`${origin}/${size}`, { signal: AbortSignal.timeout(10_000) })
    const text = await answer.text()
    assert.deepEqual([text.length, answer.headers.get('x-imagxp-provenance')], [3 * size, found])
  }
  server.closeAllConnections()
})

test('Hono without a Node server', async () => {
  const { Hono } = require('hono')
  const origin = 'https://pub.example'
  const policy = Policy.fromJson({
    ...document,
    methods: ['GET', 'HEAD', 'POST'],
    provenance: { origin: 'HUMAN' },
    unsigned: 'allow',
  })
  const app = new Hono()
  app.use(
    require('imagxp/hono').imagxp({
      policy,
      identity: Identity.generate('pub.example'),
      maxBody: 100,
      maxReceiptBody: 1000,
    }),
  )
  app.get('/one', (c) => c.text('one'))
  const endless = () =>
    new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        controller.enqueue(Buffer.from('piece'))
      },
    })
  app.get('/stream', (c) => c.body(endless()))
  app.get('/length', (c) =>
    c.body(new Blob(['x'.repeat(70), 'y'.repeat(70)]).stream(), 200, { 'content-length': '140' }),
  )
  app.get('/redirect', () => Response.redirect('https://pub.example/one'))
  app.get('/seen', (c) => c.json([c.get('imagxp').visitor, Object.fromEntries(c.req.raw.headers)]))
  app.post('/echo', async (c) => c.text(await c.req.text()))
  const get = (path, init) => app.request(origin + path, { headers: { host: 'pub.example' }, ...init })

  const one = await get('/one')
  SignedReceipt.fromHeaders([...one.headers]).receipt.check({
    url: `${origin}/one`,
    contentSha256: createHash('sha256')
      .update(await one.text())
      .digest(),
  })
  const length = await get('/length')
  assert.ok(length.headers.has('x-imagxp-provenance'))
  assert.equal((await length.text()).length, 140)
  const reader = (await get('/stream')).body.getReader()
  assert.equal(Buffer.from((await reader.read()).value).toString(), 'piece')
  await reader.cancel()
  assert.equal((await get('/redirect')).headers.get('x-imagxp-content-origin'), 'HUMAN')
  assert.equal((await get('/one', { method: 'HEAD' })).headers.get('x-imagxp-provenance'), null)
  const [visitor, headers] = await (
    await get('/seen', { headers: { 'x-imagxp-verdict-agent': 'bank', 'x-other': '1' } })
  ).json()
  assert.deepEqual([visitor, headers], ['unsigned_client', { 'x-other': '1' }])
  const refused = await get('/one', { headers: { 'x-imagxp-payload': '!' } })
  assert.equal(refused.status, 400)
})

describe('the development switch works on loopback only', () => {
  const { isPublicAddress } = require('../../adapters/shared/target.cjs')
  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1', undefined]) {
    test(`not public: ${address}`, () => assert.equal(isPublicAddress(address), false))
  }
  for (const address of ['192.0.2.1', '0.0.0.0', '10.0.0.1', '2001:db8::1', '::ffff:10.0.0.1', '1127.0.0.1', '::']) {
    test(`public: ${address}`, () => assert.equal(isPublicAddress(address), true))
  }
  test('a request that came in elsewhere', async () => {
    const errors = []
    const options = {
      policy: Policy.fromJson({ ...document, unsigned: 'allow', allow_loopback: true }),
      onError: (error) => errors.push(error),
    }
    const middleware = require('imagxp/express').imagxp(options)
    const request = {
      method: 'GET',
      url: '/a',
      originalUrl: '/a',
      baseUrl: '',
      rawHeaders: [],
      headers: {},
      socket: { localAddress: '192.0.2.1' },
    }
    const status = await new Promise((resolve) => {
      middleware(request, { writeHead: (code) => ({ end: () => resolve(code) }) }, () => resolve('passed'))
    })
    assert.equal(status, 500)
    assert.match(errors[0].message, /allow_loopback/)
  })
})

test('what an adapter needs', () => {
  const policy = Policy.fromJson(document)
  const wrong = [
    undefined,
    null,
    {},
    { policy, publisher: new Publisher(policy) },
    { publisher: new Publisher(policy), audit: () => {} },
    { policy: document },
    { policy, polcy: 1 },
    { policy, prefix: 'shop' },
    { policy, prefix: '/shop/' },
    { policy, onVerdict: true },
    { policy, maxBody: '1' },
    { policy, identity: Identity.generate('pub.example') },
    { policy, redeemer: {} },
    { policy, manifest: Identity.generate('pub.example') },
    { policy, manifest: {} },
    { policy, redeemer: 'https://broker.example' },
    { policy, redeemer: new Map([['https://broker.example', undefined]]) },
  ]
  for (const framework of ['express', 'hono', 'koa']) {
    const { imagxp } = require(`imagxp/${framework}`)
    for (const options of wrong) assert.throws(() => imagxp(options), TypeError, JSON.stringify(options))
    assert.equal(typeof imagxp({ policy }), 'function')
  }
})

test('Fastify refuses to start with wrong options', async () => {
  const app = require('fastify')()
  app.register(require('imagxp/fastify').imagxp, { policy: document })
  await assert.rejects(async () => app.ready(), TypeError)
})

test('an audit log on disk holds each verdict', async (t) => {
  const { mkdtemp, rm } = require('node:fs/promises')
  const path = require('node:path')
  const folder = await mkdtemp(path.join(require('node:os').tmpdir(), 'imagxp-'))
  t.after(() => rm(folder, { recursive: true }))
  const key = PrivateKey.generate()
  const log = new AuditLog(path.join(folder, 'audit'), key, 'pub.example/imagxp-audit')
  const listener = await Listener.open()
  t.after(() => listener.close())
  const policy = Policy.fromJson({ ...document, origins: [listener.origin], allow_loopback: true })
  await frameworks.fastify(listener, { policy, audit: log }, { reached: 0 })
  for (const purpose of ['SUMMARY', 'CRAWL_TRAINING'])
    await ask(listener.origin, '/a', { identity: domain.identity, purpose })
  await log.close()
  const found = await AuditLog.verify(path.join(folder, 'audit'), [key.publicKey])
  assert.deepEqual([found.intact, found.verdicts], [true, 2])
})
