'use strict'

const { Guard } = require('./shared/guard.cjs')
const { stripIncoming, stripped } = require('./shared/headers.cjs')
const { AnsweredResponse } = require('./shared/answered_response.cjs')
const { served } = require('./shared/target.cjs')
const { discard, dress, pathOf, readWeb } = require('./shared/web.cjs')

/** Middleware for Hono: the verdict is `c.get('imagxp')`; a refused request is answered here. Use it first. */
function imagxp(options) {
  const guard = new Guard(options)

  return async function imagxpMiddleware(c, next) {
    // Behind @hono/node-server: header lines as they came, and an answer that may have trailers.
    const { incoming, outgoing } = c.env ?? {}
    let isLeft = false
    const decision = await guard.decide({
      method: c.req.method,
      url: urlOf(c.req.raw, incoming),
      headers: incoming?.rawHeaders ?? c.req.raw.headers,
      host: c.req.raw.headers.get('host') ?? undefined,
      localAddress: incoming?.socket?.localAddress,
      readBody: async (max) => {
        const { gone, body, replay } = await readWeb(c.req.raw, max)
        if (replay !== undefined) c.req.raw = new Request(c.req.raw, { body: replay, duplex: 'half' })
        isLeft = body === null && !gone
        return { gone, body }
      },
    })
    if (decision.gone) return new Response(null, { status: 400 })
    if (decision.answer !== undefined) {
      if (isLeft) discard(c.req.raw.body)
      return decision.answer.toResponse(c.req.method)
    }

    const headers = stripped(c.req.raw.headers)
    if (headers !== null) c.req.raw = new Request(c.req.raw, { headers })
    if (incoming !== undefined) stripIncoming(incoming)
    c.set('imagxp', decision.verdict)
    if (outgoing !== undefined) {
      const report = (error) => guard.report(error)
      new AnsweredResponse(incoming, outgoing, { ...decision, maxBody: guard.maxReceiptBody, report }).attach()
      return next()
    }
    await next()
    const dressed = await dress(c.res, decision, guard)
    // Otherwise Hono would put the old one's headers over ours.
    c.res = undefined
    c.res = dressed
    return undefined
  }
}

/** What Hono routes by, unless a mount has cut its prefix from it: which of them, nobody tells. */
function urlOf(request, incoming) {
  const current = pathOf(request.url)
  if (incoming === undefined) return current
  if (!incoming.url.startsWith('/')) return '*'
  return served(pathOf(new URL(`http://host${incoming.url}`).href), current, '', { further: true })
}

module.exports = { imagxp }
