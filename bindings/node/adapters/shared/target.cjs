'use strict'

const POLICY_PATH = '/.well-known/imagxp-policy.json'
const MANIFEST_PATH = '/.well-known/imagxp-agent.json'
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
 * The path that is served below a `mount` that has left `current` of it: what was `asked` for, if nothing but the mount is missing from
 * it. When somebody before us has changed the path, what is verified must be what is served, also where the change looks like a mount.
 * `further`: around the mount there may be others, whose paths nobody tells.
 */
function served(asked, current, mount, { further = false } = {}) {
  if (typeof asked !== 'string') return mount + current
  // An absolute URL does not become a path by a mount in front of it.
  if (!asked.startsWith('/')) return asked
  const [askedPath, askedQuery] = split(asked)
  const [path, query] = split(current)
  // A mount leaves `/` of its own path.
  const uncut = path === '/' ? [mount + path, mount] : [mount + path]
  const isCut = uncut.some((one) => (further ? askedPath.endsWith(one) : askedPath === one))
  return isCut && askedQuery === query ? asked : mount + current
}

function split(url) {
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at)]
}

/** Whether somebody reads the public policy. */
function isPolicy(method, requested) {
  return READS.has(method) && split(requested)[0] === POLICY_PATH
}

/** Whether somebody asks for the manifest, in whatever way. */
function isManifest(requested) {
  return split(requested)[0] === MANIFEST_PATH
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

/** Whether an origin of a policy is on this machine only. */
function isLoopbackOrigin(origin) {
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(origin).hostname)
}

module.exports = { POLICY_PATH, isLoopbackOrigin, isManifest, isPolicy, isPublicAddress, isRobots, served, target }
