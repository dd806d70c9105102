'use strict'

const POLICY_PATH = '/.well-known/imagxp-policy.json'
const ROBOTS_PATH = '/robots.txt'
const READS = new Set(['GET', 'HEAD'])

/**
 * The request target as it came, path and query. An absolute URL would bring an origin of the client's choice, and no rule fits what is
 * no path: both become `*`. Bytes outside ASCII, which no valid target has, are percent-encoded.
 */
function target(url) {
  if (typeof url !== 'string' || !url.startsWith('/')) return '*'
  return url.replace(/[\x80-\uffff]+/g, (text) => {
    // From the wire it is Latin-1, one character per byte; what is not has been written by the site's own code.
    const bytes = Buffer.from(text, /[\u0100-\uffff]/.test(text) ? 'utf8' : 'latin1')
    return bytes.toString('hex').toUpperCase().replace(/../g, '%$&')
  })
}

/**
 * What is served: `current`, unless a mount has only cut its prefix from what was `asked` for. When somebody before us has changed the
 * path, what is verified must be what is served.
 */
function served(asked, current, mount = undefined) {
  if (typeof asked !== 'string' || asked === current) return current
  const [askedPath, askedQuery] = split(asked)
  const [path, query] = split(current)
  if (askedQuery !== query) return current
  if (askedPath.endsWith(path)) return asked
  // A mount leaves `/` of its own path; joined again, that is the mount with a slash that nobody asked for.
  if (mount && path === `${mount}/` && askedPath === mount) return asked
  return path === '/' && (mount === undefined || askedPath.endsWith(mount)) ? asked : current
}

function split(url) {
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at)]
}

/** Whether somebody reads the public policy. */
function isPolicy(method, requested) {
  return READS.has(method) && split(requested)[0] === POLICY_PATH
}

/** Whether somebody reads the site's rules for robots. */
function isRobots(method, requested) {
  return READS.has(method) && split(requested)[0] === ROBOTS_PATH
}

/** Whether a connection came in by an address that is not loopback; a Unix socket has none. */
function isPublicAddress(address) {
  if (typeof address !== 'string') return false
  return !/^(?:::ffff:)?127\.|^::1$/.test(address)
}

module.exports = { POLICY_PATH, isPolicy, isPublicAddress, isRobots, served, target }
