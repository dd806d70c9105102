'use strict'

class ImagxpError extends Error {
  constructor(code, message, options) {
    super(message, options)
    this.code = code
  }
}

class BrokerError extends ImagxpError {}
class FetchError extends ImagxpError {}
class ReadError extends ImagxpError {}

// On the prototypes, as the names of Node's own errors: not among what an error is printed with.
for (const type of [ImagxpError, BrokerError, FetchError, ReadError]) {
  hidden(type.prototype, 'name', type.name)
}

const TYPES = { broker: BrokerError, error: ImagxpError, fetch: FetchError, read: ReadError }

function hidden(error, name, value) {
  Object.defineProperty(error, name, { value, configurable: true, writable: true })
}

/** Makes the error objects that the addon throws. */
function makeError(kind, code, message, cause, members) {
  const options = cause === undefined || cause === null ? undefined : { cause }
  const error =
    kind === 'type' ? Object.assign(new TypeError(message, options), { code }) : new TYPES[kind](code, message, options)
  if (typeof members === 'string') {
    const { cause: system, ...others } = JSON.parse(members)
    Object.assign(error, others)
    if (system !== undefined) hidden(error, 'cause', Object.assign(new Error(system.message), { code: system.code }))
  }
  Error.captureStackTrace(error, makeError)
  return error
}

/** Tells of an exception that could not be thrown where it happened; the request it concerns was answered with 503. */
function warn(message, error) {
  const detail = error instanceof Error ? error.stack : String(error)
  process.emitWarning(message, { type: 'ImagxpWarning', code: 'IMAGXP_CALLBACK', detail })
}

module.exports = { BrokerError, FetchError, ImagxpError, ReadError, makeError, warn }
