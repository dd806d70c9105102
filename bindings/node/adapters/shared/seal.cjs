'use strict'

const { createHmac, randomBytes, timingSafeEqual } = require('node:crypto')

const KEY = Symbol.for('imagxp.next.seal')
const LIFETIME_MS = 5 * 60 * 1000

/**
 * Facts that one part of a server hands to another in a request header. Only this process can make a seal that opens: what a client
 * sends in the same header is nothing, also where nobody has stripped it.
 */
function seal(facts) {
  const content = Buffer.from(JSON.stringify({ facts, at: Date.now() })).toString('base64url')
  return `${content}.${mac(content).toString('base64url')}`
}

/** What was sealed, or `null`. */
function unseal(value) {
  const [content, given, ...more] = String(value ?? '').split('.')
  if (given === undefined || more.length > 0) return null
  const expected = mac(content)
  const received = Buffer.from(given, 'base64url')
  if (received.length !== expected.length || !timingSafeEqual(received, expected)) return null
  const { facts, at } = JSON.parse(Buffer.from(content, 'base64url').toString())
  return Date.now() - at <= LIFETIME_MS ? facts : null
}

function mac(content) {
  // Bundlers make several copies of a module; a process has one global object.
  globalThis[KEY] ??= randomBytes(32)
  return createHmac('sha256', globalThis[KEY]).update(content).digest()
}

module.exports = { seal, unseal }
