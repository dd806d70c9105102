'use strict'

const { NextRequest, NextResponse } = require('next/server')
const { Guard } = require('./shared/guard.cjs')
const { VERDICT_PREFIX, stripped } = require('./shared/headers.cjs')
const { seal, unseal } = require('./shared/seal.cjs')
const { isLoopbackOrigin } = require('./shared/target.cjs')
const { discard, dress, pathOf, readWeb } = require('./shared/web.cjs')

const SEALED = `${VERDICT_PREFIX}sealed`
const FACTS = [
  'outcome',
  'code',
  'visitor',
  'wouldDeny',
  'agentId',
  'keyId',
  'purpose',
  'resource',
  'binding',
  'payment',
  'warnings',
  'traceId',
]
const guards = new WeakMap()

/**
 * A route handler behind a verdict: `handler(request, { ...context, imagxp: verdict })`. A refused request never reaches it.
 *
 * Handlers that share one options object share one publisher.
 */
function withImagxp(handler, options) {
  const guard = guardOf(options)

  return async function imagxpHandler(request, context) {
    const { decision, replay } = await decided(guard, request)
    if (decision.gone) return new Response(null, { status: 400 })
    if (decision.answer !== undefined) return decision.answer.toResponse(request.method)
    const response = await handler(clean(request, replay), { ...context, imagxp: decision.verdict })
    return dress(response, decision, guard)
  }
}

/**
 * What `proxy.ts` exports as `proxy`: a verdict for every request that its matcher lets through. Pages read it with `verdictOf`.
 */
function imagxpProxy(options) {
  const guard = guardOf(options)
  if (options.identity !== undefined)
    throw new TypeError('a proxy does not see what is served: receipts are made by withImagxp')

  return async function imagxpProxyHandler(request) {
    const { decision } = await decided(guard, request)
    if (decision.gone) return new Response(null, { status: 400 })
    if (decision.answer !== undefined) return decision.answer.toResponse(request.method)
    const headers = new Headers(stripped(request.headers) ?? request.headers)
    headers.set(SEALED, seal(facts(decision.verdict)))
    const response = NextResponse.next({ request: { headers } })
    for (const [name, value] of decision.headers) response.headers.append(name, value)
    return response
  }
}

/** The verdict that `imagxpProxy` reached, from `await headers()` or a request; `null` when there is none of ours. */
function verdictOf(source) {
  const headers = source instanceof Request ? source.headers : source
  return unseal(headers.get(SEALED))
}

/** The handler of `app/.well-known/imagxp-policy.json/route.ts`, for sites without `imagxpProxy`. */
function policyHandler(options) {
  const body = guardOf(options).policy.publicJson()
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'public, max-age=300',
    'access-control-allow-origin': '*',
  }
  return () => new Response(body, { headers })
}

function guardOf(options) {
  if (!guards.has(options)) guards.set(options, checked(new Guard(options)))
  return guards.get(options)
}

/** Next does not tell by which address a request came in, so that a switch for development is refused with the origin of a real site. */
function checked(guard) {
  const { allowLoopback, origins } = guard.policy
  if (allowLoopback && !origins.every(isLoopbackOrigin))
    throw new TypeError('the policy has allow_loopback, which is for development, and an origin that is not loopback')
  return guard
}

/** The decision about a request, and its body, if that was read. What is left of a refused one is let go. */
async function decided(guard, request) {
  const { method, url, headers } = request
  let replay
  const readBody = async (max) => {
    const { gone, body, replay: again } = await readWeb(request, max)
    replay = again
    return { gone, body }
  }
  const host = headers.get('host') ?? undefined
  const decision = await guard.decide({ method, url: pathOf(url), headers, host, readBody })
  if (decision.answer !== undefined && replay instanceof ReadableStream) discard(replay)
  return { decision, replay }
}

/** The request for the application, in which only we speak of verdicts. */
function clean(request, replay) {
  const headers = stripped(request.headers)
  if (headers === null && replay === undefined) return request
  return new NextRequest(request.url, {
    method: request.method,
    headers: headers ?? request.headers,
    signal: request.signal,
    body: replay ?? request.body,
    duplex: 'half',
  })
}

function facts(verdict) {
  const { jti, issuer, amount, currency, state } = verdict.payment
  const all = {
    ...Object.fromEntries(FACTS.map((name) => [name, verdict[name]])),
    payment: { state, jti, issuer, amount, currency },
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

module.exports = { imagxpProxy, policyHandler, verdictOf, withImagxp }
