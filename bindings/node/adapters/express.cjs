'use strict'

const { Guard } = require('./shared/guard.cjs')
const { asked, passOn } = require('./shared/node_http.cjs')
const { served } = require('./shared/target.cjs')

/**
 * Middleware for Express 4 and 5: the verdict is `req.imagxp`; a refused request is answered here. Use it first.
 */
function imagxp(options) {
  const guard = new Guard(options)

  return function imagxpMiddleware(request, response, next) {
    const url = served(request.originalUrl, request.url, request.baseUrl)
    guard.decide(asked(request, url)).then((decision) => {
      // Whoever stands before us, a timeout for example, may have answered meanwhile.
      if (decision.gone || response.headersSent) return
      if (decision.answer !== undefined) {
        const { status, headers, body } = decision.answer
        response.writeHead(status, headers.flat()).end(body)
        return
      }
      passOn(guard, request, response, decision)
      request.imagxp = decision.verdict
      next()
    })
  }
}

module.exports = { imagxp }
