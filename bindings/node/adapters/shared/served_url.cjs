'use strict'

/**
 * The absolute URL that a request is served under, which its receipt names; `null` when nobody can tell.
 *
 * Path and query are those that came: what the agent has signed need not be what it asked for (`resource_match` `off`). Among our own
 * origins, and only among them, `Host` may choose, or else the agent, where something before us has changed `Host`; none when the two name
 * different ones. `resource` is in its normal form, as our origins are.
 */
function servedUrl({ origins }, request, { resource }) {
  const named = origins.find((origin) => isHost(origin, request.host?.toLowerCase()))
  const signed = origins.find((origin) => resource?.startsWith(`${origin}/`))
  const origin = named ?? signed
  if (origin === undefined || (signed ?? origin) !== origin || !request.target.startsWith('/')) return null
  return origin + request.target
}

/** Whether a `Host` in lower case names this origin, its scheme's own port written or not. */
function isHost(origin, host) {
  const [scheme, own] = origin.split('://')
  return host === own || host === `${own}:${scheme === 'https' ? 443 : 80}`
}

module.exports = { servedUrl }
