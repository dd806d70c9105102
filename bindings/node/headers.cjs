'use strict'

// The one place where header lines are put into the form in which they cross: one string, its parts counted.

const NEWLINE = 10

/** A value of the wrong type. */
function wrong(message) {
  return Object.assign(new TypeError(message), { code: 'usage.argument' })
}

function text(part) {
  if (typeof part === 'string') return part
  if (part instanceof Uint8Array) return Buffer.from(part.buffer, part.byteOffset, part.byteLength).latin1Slice()
  throw wrong('headers: a name or a value is neither a string nor a Uint8Array')
}

function fromPairs(pairs) {
  const list = []
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) throw wrong('headers: expected pairs of name and value')
    list.push(text(pair[0]), text(pair[1]))
  }
  return list
}

/**
 * A Web `Headers` has joined the lines of one name with comma and space. Ours never contain a comma, except feedback that is raw JSON, so
 * the lines are taken apart again, and the core refuses duplicates as it does everywhere.
 */
function apart(name, value) {
  if (!value.includes(',') || !name.toLowerCase().startsWith('x-imagxp-')) return [value]
  // Behind a JSON object; within one that is feedback a brace and a comma are followed by a name.
  return value.split(value.startsWith('{') ? /(?<=\})[ \t]*,(?![ \t]*")/ : ',')
}

function fromHeaders(headers) {
  const list = []
  for (const [name, value] of headers) {
    for (const line of apart(name, value)) list.push(name, line)
  }
  return list
}

function isHeaders(headers) {
  return Object.prototype.toString.call(headers) === '[object Headers]'
}

function fromObject(object) {
  const list = []
  for (const name of Object.keys(object)) {
    const value = object[name]
    if (value === undefined) continue
    for (const line of Array.isArray(value) ? value : [value]) {
      list.push(name, typeof line === 'number' ? String(line) : text(line))
    }
  }
  return list
}

/** Names and values in turn, as `req.rawHeaders` has them. */
function parts(headers) {
  if (Array.isArray(headers)) {
    if (headers.length > 0 && typeof headers[0] !== 'string') return fromPairs(headers)
    for (let index = 0; index < headers.length; index += 1) {
      if (typeof headers[index] !== 'string') throw wrong('headers: expected strings, names and values in turn')
    }
    if (headers.length % 2 !== 0) throw wrong('headers: a name has no value')
    return headers
  }
  if (typeof headers !== 'object' || headers === null || headers instanceof Uint8Array) {
    throw wrong('headers: expected rawHeaders, pairs, Headers or an object')
  }
  if (isHeaders(headers)) return fromHeaders(headers)
  return typeof headers[Symbol.iterator] === 'function' ? fromPairs(headers) : fromObject(headers)
}

/**
 * Calls `native(joined, count, separator)`. It answers `null` when a value holds the separator, which nothing that came over HTTP/1.1 does;
 * then the parts are joined with a character that occurs nowhere in them.
 */
function withHeaders(headers, native) {
  const list = parts(headers)
  const answer = native(list.join('\n'), list.length, NEWLINE)
  return answer !== null ? answer : native(...rejoined(list))
}

function rejoined(list) {
  const whole = list.join('')
  for (let code = 0; code < 128; code += 1) {
    const separator = String.fromCharCode(code)
    if (!whole.includes(separator)) return [list.join(separator), list.length, code]
  }
  throw wrong('headers: every ASCII character occurs in them')
}

module.exports = { NEWLINE, apart, parts, rejoined, withHeaders, wrong }
