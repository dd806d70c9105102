'use strict'

/**
 * The absolute URL that a request is served under, which its receipt names; `null` when nobody can tell.
 *
 * What an agent has signed counts only where it was compared with the request: with `resource_match` `off` it may be any URL. And only
 * when `Host` names no other of our origins, whose page this may be.
 */
function servedUrl({ origins, resourceMatch }, request, { resource }) {
  // Among our own origins, and only among them, `Host` may choose.
  const named = origins.find((origin) => isHost(origin, request.host?.toLowerCase()))
  if (resource !== null && !resource.startsWith('/') && resourceMatch !== 'off') {
    return named === undefined || resource.startsWith(`${named}/`) ? resource : null
  }
  return named !== undefined && request.target.startsWith('/') ? named + request.target : null
}

/** Whether a `Host` in lower case names this origin, its scheme's own port written or not. */
function isHost(origin, host) {
  const [scheme, own] = origin.split('://')
  return host === own || host === `${own}:${scheme === 'https' ? 443 : 80}`
}

module.exports = { servedUrl }
