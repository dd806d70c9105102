'use strict'

// The same application in every framework. Each gets a Listener, the adapter's options and a `Record` of what reached it.

const { Readable } = require('node:stream')
const { text } = require('node:stream/consumers')

const PIECES = ['a'.repeat(300), 'b'.repeat(300), 'c']
const LENGTH = PIECES.join('').length

/** What an application sees of a request, to be sent back. */
function seen(record, { path, method, verdict, rawHeaders, headers, body }) {
  record.reached += 1
  record.verdict = verdict
  const { visitor, agentId, code, wouldDeny, payment, resource, purpose } = verdict
  return {
    path,
    method,
    verdict: { visitor, agentId, code, wouldDeny, jti: payment.jti, resource, purpose },
    rawHeaders,
    headers,
    body,
  }
}

async function* pieces() {
  for (const piece of PIECES) {
    yield piece
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** An answer that ends when told to. */
function endless(record, write, end) {
  write('first')
  record.reached += 1
  record.release = () => end('last')
}

function express(module) {
  return async ({ server }, options, record) => {
    const app = module()
    app.use(require('imagxp/express').imagxp(options))
    const echo = async (request, response) => {
      const { path, method, imagxp: verdict, rawHeaders, headers } = request
      const facts = seen(record, { path, method, verdict, rawHeaders, headers, body: await text(request) })
      response.set('x-app', 'yes').set('link', '</style.css>; rel=preload').json(facts)
    }
    const mounted = module.Router()
    mounted.use(echo)
    app.use('/mounted', mounted)
    app.get('/stream', (_, response) => Readable.from(pieces()).pipe(response))
    app.get('/length', (_, response) => Readable.from(pieces()).pipe(response.set('content-length', LENGTH)))
    app.get('/empty', (_, response) => response.status(204).end())
    app.get('/part', (_, response) => response.status(206).send('part'))
    app.get('/missing', (_, response) => response.status(404).send('no'))
    app.get('/throw', () => {
      throw new Error('of the application')
    })
    app.get('/late', (_, response) => {
      response.set('content-length', '100').write('half')
      throw new Error('of the application')
    })
    app.get('/open', (_, response) =>
      endless(
        record,
        (piece) => response.write(piece),
        (piece) => response.end(piece),
      ),
    )
    app.use(echo)
    app.use((error, request, response, next) => {
      record.error = error
      if (response.headersSent) next(error)
      else response.status(500).send('the application has failed')
    })
    app.set('env', 'test')
    server.on('request', app)
    return async () => {}
  }
}

/** An adapter inside a mounted router: what has been cut from `req.url` is still verified. */
function expressBelow(module) {
  return async ({ server }, options, record) => {
    const app = module()
    const router = module.Router()
    router.use(require('imagxp/express').imagxp(options))
    router.use((request, response) => {
      const { path, method, imagxp: verdict, rawHeaders, headers } = request
      response.json(seen(record, { path, method, verdict, rawHeaders, headers, body: '' }))
    })
    app.use('/shop', router)
    server.on('request', app)
    return async () => {}
  }
}

async function koa({ server }, options, record) {
  const Koa = require('koa')
  const app = new Koa()
  app.on('error', (error) => (record.error = error))
  app.use(require('imagxp/koa').imagxp(options))
  app.use(async (ctx) => {
    switch (ctx.path) {
      case '/stream':
        ctx.body = Readable.from(pieces())
        return
      case '/length':
        ctx.body = Readable.from(pieces())
        ctx.length = LENGTH
        return
      case '/empty':
        ctx.status = 204
        return
      case '/part':
        ctx.status = 206
        ctx.body = 'part'
        return
      case '/missing':
        ctx.status = 404
        ctx.body = 'no'
        return
      case '/throw':
        throw new Error('of the application')
      case '/late':
        ctx.respond = false
        ctx.res.setHeader('content-length', '100')
        ctx.res.write('half')
        record.error = new Error('of the application')
        // Koa itself would leave the client waiting.
        ctx.res.destroy(record.error)
        return
      case '/open':
        ctx.respond = false
        endless(
          record,
          (piece) => ctx.res.write(piece),
          (piece) => ctx.res.end(piece),
        )
        return
    }
    const body = await text(ctx.req)
    const facts = {
      path: ctx.path,
      method: ctx.method,
      verdict: ctx.state.imagxp,
      rawHeaders: ctx.req.rawHeaders,
      headers: ctx.headers,
      body,
    }
    ctx.set('x-app', 'yes')
    ctx.set('link', '</style.css>; rel=preload')
    ctx.body = seen(record, facts)
  })
  server.on('request', app.callback())
  return async () => {}
}

async function koaBelow({ server }, options, record) {
  const Koa = require('koa')
  const mount = require('koa-mount')
  const app = new Koa()
  const inner = new Koa()
  inner.use(require('imagxp/koa').imagxp(options))
  inner.use((ctx) => {
    ctx.body = seen(record, {
      path: ctx.path,
      method: ctx.method,
      verdict: ctx.state.imagxp,
      rawHeaders: ctx.req.rawHeaders,
      headers: ctx.headers,
    })
  })
  app.use(mount('/shop', inner))
  server.on('request', app.callback())
  return async () => {}
}

async function fastify({ server }, options, record) {
  const app = require('fastify')({
    exposeHeadRoutes: true,
    serverFactory: (handler) => server.on('request', handler),
  })
  await app.register(require('imagxp/fastify').imagxp, options)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async (_, payload) => text(payload))
  const echo = async (request, reply) => {
    const { method, imagxp: verdict, headers } = request
    reply.header('x-app', 'yes').header('link', '</style.css>; rel=preload')
    const path = decodeURIComponent(request.url.split('?')[0])
    return seen(record, {
      path,
      method,
      verdict,
      rawHeaders: request.raw.rawHeaders,
      headers,
      body: request.body ?? '',
    })
  }
  app.setErrorHandler(async (error, _, reply) => {
    record.error = error
    return reply.code(error.statusCode ?? 500).send('the application has failed')
  })
  app.register(async (inner) => inner.all('/*', echo), { prefix: '/mounted' })
  app.get('/stream', async (_, reply) => reply.send(Readable.from(pieces())))
  app.get('/length', async (_, reply) => reply.header('content-length', LENGTH).send(Readable.from(pieces())))
  app.get('/empty', async (_, reply) => reply.code(204).send())
  app.get('/part', async (_, reply) => reply.code(206).send('part'))
  app.get('/missing', async (_, reply) => reply.code(404).send('no'))
  app.get('/throw', async () => {
    throw new Error('of the application')
  })
  app.get('/late', async (_, reply) => {
    const failing = async function* () {
      yield 'half'
      throw new Error('of the application')
    }
    return reply.header('content-length', '100').send(Readable.from(failing()))
  })
  app.get('/open', (_, reply) => {
    reply.hijack()
    endless(
      record,
      (piece) => reply.raw.write(piece),
      (piece) => reply.raw.end(piece),
    )
  })
  app.all('/*', echo)
  await app.ready()
  return () => app.close()
}

async function hono({ server }, options, record) {
  const { Hono } = require('hono')
  const { getRequestListener } = require('@hono/node-server')
  const app = new Hono()
  app.use(require('imagxp/hono').imagxp(options))
  app.onError((error, c) => {
    record.error = error
    return c.text('the application has failed', 500)
  })
  const echo = async (c) => {
    const headers = Object.fromEntries(c.req.raw.headers)
    const facts = {
      path: c.req.path,
      method: c.req.method,
      verdict: c.get('imagxp'),
      rawHeaders: c.env.incoming.rawHeaders,
      headers,
    }
    c.header('x-app', 'yes')
    c.header('link', '</style.css>; rel=preload')
    return c.json(seen(record, { ...facts, body: c.req.method === 'POST' ? await c.req.text() : '' }))
  }
  const streamed = (source) => Readable.toWeb(Readable.from(source, { objectMode: false }))
  const inner = new Hono()
  inner.all('/*', echo)
  app.route('/mounted', inner)
  app.get('/stream', (c) => c.body(streamed(pieces())))
  app.get('/length', (c) => c.body(streamed(pieces()), 200, { 'content-length': String(LENGTH) }))
  app.get('/empty', (c) => c.body(null, 204))
  app.get('/part', (c) => c.text('part', 206))
  app.get('/missing', (c) => c.text('no', 404))
  app.get('/throw', () => {
    throw new Error('of the application')
  })
  app.get('/late', (c) => {
    const failing = async function* () {
      yield 'half'
      record.error = new Error('of the application')
      throw record.error
    }
    return c.body(streamed(failing()), 200, { 'content-length': '100' })
  })
  app.get('/open', (c) => {
    const { readable, writable } = new TransformStream()
    const writer = writable.getWriter()
    const quiet = () => {}
    endless(
      record,
      (piece) => writer.write(Buffer.from(piece)).catch(quiet),
      (piece) =>
        writer
          .write(Buffer.from(piece))
          .then(() => writer.close())
          .catch(quiet),
    )
    return c.body(readable)
  })
  app.all('/*', echo)
  server.on('request', getRequestListener(app.fetch))
  return async () => {}
}

async function honoBelow({ server }, options, record) {
  const { Hono } = require('hono')
  const { getRequestListener } = require('@hono/node-server')
  const inner = new Hono()
  inner.use(require('imagxp/hono').imagxp(options))
  inner.all('/*', (c) => {
    const headers = Object.fromEntries(c.req.raw.headers)
    return c.json(
      seen(record, {
        path: c.req.path,
        method: c.req.method,
        verdict: c.get('imagxp'),
        rawHeaders: c.env.incoming.rawHeaders,
        headers,
      }),
    )
  })
  const app = new Hono()
  app.mount('/shop', inner.fetch, { optionHandler: (c) => c.env })
  server.on('request', getRequestListener(app.fetch))
  return async () => {}
}

module.exports = {
  LENGTH,
  PIECES,
  /** By name: the whole application behind the adapter. */
  frameworks: {
    'express 5': express(require('express')),
    'express 4': express(require('express4')),
    fastify,
    hono,
    koa,
  },
  /** By name: the adapter below `/shop`, where a router has cut that from the URL. */
  below: {
    'express 5': expressBelow(require('express')),
    'express 4': expressBelow(require('express4')),
    hono: honoBelow,
    koa: koaBelow,
  },
}
