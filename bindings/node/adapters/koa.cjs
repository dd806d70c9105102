'use strict'

const { Guard } = require('./shared/guard.cjs')
const { asked, letGo, passOn } = require('./shared/node_http.cjs')
const { served } = require('./shared/target.cjs')

/** Middleware for Koa: the verdict is `ctx.state.imagxp`; a refused request is answered here. Use it first. */
function imagxp(options) {
  const guard = new Guard(options)

  return async function imagxpMiddleware(context, next) {
    const decision = await guard.decide(asked(context.req, urlOf(context)))
    if (decision.gone) {
      context.respond = false
      return undefined
    }
    if (decision.answer !== undefined) {
      const { status, headers, body } = decision.answer
      letGo(context.req)
      context.status = status
      context.body = body
      for (const name of ['content-type', 'content-length']) context.remove(name)
      for (const [name, value] of headers) context.res.appendHeader(name, value)
      return undefined
    }
    passOn(guard, context.req, context.res, decision)
    context.state.imagxp = decision.verdict
    return next()
  }
}

/** What is served. koa-mount names the innermost of its mounts only, and leaves its name there when it is left. */
function urlOf({ originalUrl, path, mountPath, req: { url } }) {
  if (mountPath === undefined) return served(originalUrl, url, '')
  const below = served(originalUrl, url, mountPath, { further: true })
  const mayBeLeft = `${path}/`.startsWith(mountPath.replace(/\/?$/, '/'))
  if (below === originalUrl || !mayBeLeft) return below
  // Nobody knows on which side of the mount a rewritten path is.
  return url === originalUrl ? url : '*'
}

module.exports = { imagxp }
