'use strict'

// Which path is verified where the one that was asked for has been cut by a mount, or rewritten.

const assert = require('node:assert/strict')
const http = require('node:http')
const { after, before, describe, test } = require('node:test')
const { Policy } = require('imagxp')
const { Domain, Listener, ask, raw } = require('./support.js')
const { below } = require('./frameworks.js')

const document = { version: 1, origins: ['https://pub.example'], purposes: { SUMMARY: {} } }
const quiet = { onError: () => {} }

let domain

before(async () => {
  domain = await Domain.open()
})

after(() => domain?.close())

describe('below a router', () => {
  for (const [name, framework] of Object.entries(below)) {
    test(name, async (t) => {
      const listener = await Listener.open()
      t.after(() => listener.close())
      const policy = Policy.fromJson({
        ...document,
        origins: [listener.origin],
        allow_loopback: true,
        paths: [
          { match: '/open', unsigned: 'allow' },
          { match: '/shop*', unsigned: 'deny' },
          { match: '/shop/open', unsigned: 'allow' },
        ],
      })
      await framework(listener, { policy, ...quiet }, { reached: 0 })
      for (const path of ['/shop', '/shop?b=c', '/shop/a?b=/c', '/shop/a%20b', '/shop/shop', '/shop/']) {
        const answer = await ask(listener.origin, path, { identity: domain.identity, purpose: 'SUMMARY' })
        assert.deepEqual([answer.status, answer.json.verdict?.resource], [200, listener.origin + path], answer.text)
      }
      // What a router leaves of its own path is `/`.
      for (const path of ['/shop', '/shop?b=c']) assert.equal((await ask(listener.origin, path)).status, 401, path)
    })
  }
})

/** By name: a site below a mount, where somebody has rewritten the path before; it answers what it serves. */
const rewriting = {
  'express 5': (...given) => express(require('express'), ...given),
  'express 4': (...given) => express(require('express4'), ...given),
  koa(rewrite, options, mounts) {
    const Koa = require('koa')
    const mount = require('koa-mount')
    const site = new Koa()
    site.use(require('imagxp/koa').imagxp(options))
    site.use((ctx) => (ctx.body = 'served'))
    const app = new Koa()
    app.use((ctx, next) => {
      ctx.url = rewrite(ctx.url)
      return next()
    })
    app.use(mounts.reduceRight((inner, path) => mount(path, inner), mount('/', site)))
    return app.callback()
  },
  async fastify(rewrite, options, mounts) {
    let handler
    const app = require('fastify')({
      rewriteUrl: ({ url }) => rewrite(url),
      serverFactory: (given) => ((handler = given), http.createServer()),
    })
    const site = async (instance) => {
      await instance.register(require('imagxp/fastify').imagxp, options)
      instance.get('/*', async () => 'served')
    }
    await app.register(site, { prefix: mounts.join('') })
    await app.ready()
    return handler
  },
}

function express(module, rewrite, options, mounts) {
  const site = module.Router()
  site.use(require('imagxp/express').imagxp(options))
  site.use((request, response) => response.send('served'))
  const app = module()
  app.use((request, _, next) => {
    request.url = rewrite(request.url)
    next()
  })
  const within = (inner, path) => module.Router().use(path, inner)
  app.use(mounts.reduceRight(within, site))
  return app
}

/** A site that serves anyone, except at `closed`. */
async function rewritten(t, { framework, rewrite = (url) => url, mounts = [], closed }) {
  const { server, origin } = await Listener.open()
  t.after(() => (server.closeAllConnections(), server.close()))
  const paths = closed.map((match) => ({ match, unsigned: 'deny' }))
  const policy = Policy.fromJson({ ...document, origins: [origin], allow_loopback: true, unsigned: 'allow', paths })
  server.on('request', await rewriting[framework](rewrite, { policy, ...quiet }, mounts))
  return origin
}

describe('a path that somebody has rewritten is verified as it is served', () => {
  const versions = (url) => url.replace(/^\/v\d+(?=\/)/, '')
  const to = (path) => (url) => (url.startsWith('/open') ? path : url)
  for (const framework of Object.keys(rewriting)) {
    for (const [what, asked, rest] of [
      ['into another', '/open', { rewrite: to('/private'), closed: ['/private*'] }],
      ['into the root', '/open', { rewrite: to('/'), closed: ['/'] }],
      ['into a longer one', '/open', { rewrite: to('/private/open'), closed: ['/private*'] }],
      ['by a cut', '/v9/private', { rewrite: versions, closed: ['/private*'] }],
      ['by a cut, with a query', '/v9/private?a=b', { rewrite: versions, closed: ['/private*'] }],
      ['into a mount', '/open', { rewrite: to('/shop/open'), mounts: ['/shop'], closed: ['/shop/open'] }],
      ['into a mount itself', '/open', { rewrite: to('/shop/'), mounts: ['/shop'], closed: ['/shop/'] }],
      ['within a mount', '/open', { rewrite: to('/shop/shop/a'), mounts: ['/shop'], closed: ['/shop/shop*'] }],
      ['by a cut, into a mount', '/v9/shop/a', { rewrite: versions, mounts: ['/shop'], closed: ['/shop/a'] }],
    ]) {
      // koa-mount names only the innermost of its mounts: whatever ends with it may be its own.
      if (framework === 'koa' && what === 'by a cut, into a mount') continue
      test(`${framework}: ${what}`, async (t) => {
        const origin = await rewritten(t, { framework, ...rest })
        assert.equal((await ask(origin, asked)).status, 401)
        assert.equal((await ask(origin, `${rest.mounts ?? ''}/other`)).text, 'served')
      })
    }

    test(`${framework}: mounts in mounts`, async (t) => {
      const origin = await rewritten(t, { framework, mounts: ['/a', '/b'], closed: ['/a/b/private*'] })
      assert.equal((await ask(origin, '/a/b/private')).status, 401)
      for (const path of ['/a/b/private', '/a/b/open?c=/d', '/a/b/', '/a/b/b']) {
        const { status } = await ask(origin, path, { identity: domain.identity, purpose: 'SUMMARY' })
        assert.equal(status, 200, path)
      }
    })

    test(`${framework}: an absolute URL is below no mount`, async (t) => {
      const origin = await rewritten(t, { framework, mounts: ['/shop'], closed: ['/shop/private*'] })
      const answer = await raw(origin, `GET ${origin}/shop/private/a HTTP/1.1\nHost: x\nConnection: close\n\n`)
      assert.ok([400, 401].includes(answer.status), answer.text)
    })
  }

  for (const path of ['/shop', '/shop/']) {
    test(`koa: a mount of ${path} that was left`, async (t) => {
      const Koa = require('koa')
      const { server, origin } = await Listener.open()
      t.after(() => (server.closeAllConnections(), server.close()))
      const paths = [{ match: '/shop/private', unsigned: 'deny' }]
      const policy = Policy.fromJson({ ...document, allow_loopback: true, unsigned: 'allow', paths })
      const app = new Koa()
      app.use((ctx, next) => ((ctx.url = versions(ctx.url)), next()))
      app.use(require('koa-mount')(path, (_, next) => next()))
      app.use(require('imagxp/koa').imagxp({ policy }))
      app.use((ctx) => (ctx.body = 'served'))
      server.on('request', app.callback())
      for (const asked of ['/shop/private', '/v9/shop/private']) assert.equal((await ask(origin, asked)).status, 401)
      assert.equal((await ask(origin, '/shop/open')).text, 'served')
    })

    test(`koa: a mount of ${path}`, async (t) => {
      const origin = await rewritten(t, { framework: 'koa', mounts: [path], closed: ['/shop/private'] })
      assert.equal((await ask(origin, '/shop/private')).status, 401)
      const signed = { identity: domain.identity, purpose: 'SUMMARY' }
      for (const asked of ['/shop/', '/shop/a', '/shop/shop/a'])
        assert.equal((await ask(origin, asked, signed)).status, 200, asked)
    })
  }
})
