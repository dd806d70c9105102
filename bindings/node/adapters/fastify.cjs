'use strict'

const plugin = require('fastify-plugin')
const { Guard } = require('./shared/guard.cjs')
const { asked, letGo, passOn } = require('./shared/node_http.cjs')

/**
 * Plugin for Fastify 5: the verdict is `request.imagxp`; a refused request is answered here. Register it first: its hook is for the
 * routes of the instance that registers it and of the plugins that are registered after it.
 */
const imagxp = plugin(
  async function imagxpPlugin(fastify, options) {
    const guard = new Guard({ onError: (error) => fastify.log.error(error, 'imagxp'), ...options })
    fastify.decorateRequest('imagxp', null)

    fastify.addHook('onRequest', async function imagxpVerdict(request, reply) {
      // After `rewriteUrl`: what is verified must be what is served.
      const decision = await guard.decide(asked(request.raw, request.raw.url))
      if (decision.gone) {
        reply.hijack()
        return reply
      }
      if (decision.answer !== undefined) {
        const { status, headers, body } = decision.answer
        letGo(request.raw)
        reply.code(status)
        for (const [name, value] of headers) reply.header(name, value)
        return reply.send(body)
      }
      passOn(guard, request.raw, reply.raw, decision)
      request.imagxp = decision.verdict
      return undefined
    })
  },
  { fastify: '5.x', name: 'imagxp' },
)

module.exports = { imagxp }
