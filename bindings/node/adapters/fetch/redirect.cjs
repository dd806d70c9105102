'use strict'

const STATUSES = new Set([301, 302, 303, 307, 308])

/** Where an answer sends us, as `{ url, method }` (RFC 9110 §15.4); `null` when it does not, or the caller does not follow. */
function redirected(sending, response) {
  const location = response.headers.get('location')
  if (!STATUSES.has(response.status) || location === null || sending.redirect === 'manual') return null
  if (sending.redirect === 'error') throw failure('unexpected redirect')
  const url = URL.canParse(location, sending.url) ? new URL(location, sending.url) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw failure('a redirect that is no http(s) URL')
  url.hash = ''
  const { method } = sending
  const toGet = (response.status === 303 && method !== 'HEAD') || (response.status <= 302 && method === 'POST')
  if (!toGet && !sending.isRepeatable) throw failure('a streamed body cannot be sent again')
  return { url: url.href, method: toGet ? 'GET' : method }
}

/** Whether it leads to another scheme, host or port. */
function crossesOrigin(sending, { url }) {
  return new URL(url).origin !== new URL(sending.url).origin
}

function failure(why) {
  return new TypeError('fetch failed', { cause: new Error(why) })
}

module.exports = { crossesOrigin, redirected }
