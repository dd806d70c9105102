'use strict'

const { apart } = require('../../headers.cjs')

const VERDICT_PREFIX = 'x-imagxp-verdict-'

/** Whether a request header speaks of verdicts, also for those who read `_` as `-`. */
function speaksOfVerdicts(name) {
  return name.toLowerCase().replaceAll('_', '-').startsWith(VERDICT_PREFIX)
}

/** The values of a header of ours, line by line, in `req.rawHeaders` (names and values in turn) or in Web `Headers`. */
function values(headers, name) {
  if (!Array.isArray(headers)) {
    const value = headers.get(name)
    return value === null ? [] : apart(name, value)
  }
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1].toLowerCase() === name)
}

/** Removes from a Node request what only we may say. */
function stripIncoming(request) {
  const raw = request.rawHeaders
  if (!raw.some((name, at) => at % 2 === 0 && speaksOfVerdicts(name))) return
  // Node makes these two of the raw ones when they are first asked for, by the number of lines that there were.
  for (const fields of [request.headers, request.headersDistinct ?? {}]) {
    for (const name of Object.keys(fields)) {
      if (speaksOfVerdicts(name)) delete fields[name]
    }
  }
  for (let at = raw.length - 2; at >= 0; at -= 2) {
    if (speaksOfVerdicts(raw[at])) raw.splice(at, 2)
  }
}

/** A copy of Web `Headers` without what only we may say; `null` when there is nothing to remove. */
function stripped(headers) {
  const names = [...headers.keys()].filter(speaksOfVerdicts)
  if (names.length === 0) return null
  const copy = new Headers(headers)
  for (const name of names) copy.delete(name)
  return copy
}

module.exports = { VERDICT_PREFIX, stripIncoming, stripped, values }
