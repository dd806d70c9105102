'use strict'

const { Guard } = require('./shared/guard.cjs')
const { asked, letGo, passOn } = require('./shared/node_http.cjs')
const { served } = require('./shared/target.cjs')

/**
 * Middleware for Express 4 and 5, and for what calls functions like Express does (connect, a server of `node:http`): the verdict is
 * `req.imagxp`; a refused request is answered here. Use it first.
 */
function imagxp(options) {
  const guard = new Guard(options)

  return function imagxpMiddleware(request, response, next) {
    // Only Express has mounts that name themselves.
    const url = served(request.originalUrl, request.url, request.baseUrl ?? '')
    const settle = (decision) => {
      // Whoever stands before us, a timeout for example, may have answered meanwhile.
      if (decision.gone || response.headersSent) return
      if (decision.answer !== undefined) {
        const { status, headers, body } = decision.answer
        letGo(request)
        response.writeHead(status, headers.flat()).end(body)
        return
      }
      passOn(guard, request, response, decision)
      request.imagxp = decision.verdict
      next()
    }
    guard
      .decide(asked(request, url))
      .then(settle)
      .catch((error) => {
        // Express looks after its own; where `next` is the application itself, nobody else does.
        guard.report(error)
        fail(response, error)
      })
  }
}

/** The end of an answer whose application has failed. */
function fail(response, error) {
  if (response.writableEnded) return
  if (response.headersSent) {
    response.destroy(error)
    return
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.writeHead(500).end()
}

module.exports = { imagxp }
