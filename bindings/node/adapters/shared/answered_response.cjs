'use strict'

const { createHash } = require('node:crypto')
const { NAMES, getsReceipt, mayWait } = require('./receipt_maker.cjs')

/**
 * The answer of a Node server (`http.ServerResponse` or its HTTP/2 twin), to which headers are added when its head goes out, and a
 * receipt.
 *
 * A receipt is a header over the whole body, so the head waits until the body is complete: when that has one piece, or a
 * `Content-Length` of at most `maxBody`. Whatever else is streamed goes out at once, with the receipt as a trailer where the framing has
 * trailers, otherwise without one.
 */
class AnsweredResponse {
  #response
  #http1
  #headers
  #receipt
  #maxBody
  #report
  #own = {}
  // before: no head yet; waiting: the head waits for the body; streaming: the body is hashed as it passes; passing: nothing to do.
  #state = 'before'
  #hash = null
  #waiting = []
  #size = 0
  #trailers = false

  constructor(request, response, { headers, receipt, maxBody, report }) {
    this.#response = response
    this.#http1 = request.httpVersionMajor === 1 ? request.httpVersionMinor : null
    this.#headers = headers
    this.#receipt = receipt
    this.#maxBody = maxBody
    this.#report = report
  }

  /** Puts itself between the application and the response. */
  attach() {
    const response = this.#response
    for (const name of ['writeHead', 'write', 'end', 'flushHeaders']) this.#own[name] = response[name].bind(response)
    response.writeHead = (...given) => this.#writeHead(...given)
    if (this.#receipt === null) return
    response.write = (...given) => this.#write(...given)
    response.end = (...given) => this.#end(...given)
    response.flushHeaders = () => this.#flushHeaders()
    this.#keepHead()
  }

  /** Whoever has written a head may not change it any more, also while it waits. */
  #keepHead() {
    const response = this.#response
    // Nor does it go out because somebody sees that Node has none yet, as express-session and compression before 1.8 do: `_header` must
    // stay empty until we write it. HTTP/2 has `headersSent` alone.
    const implicit = response._implicitHeader
    if (implicit !== undefined) {
      response._implicitHeader = () => (this.#state === 'waiting' ? undefined : implicit.call(response))
    }
    let owner = Object.getPrototypeOf(response)
    while (!Object.hasOwn(owner, 'headersSent')) owner = Object.getPrototypeOf(owner)
    const { get } = Object.getOwnPropertyDescriptor(owner, 'headersSent')
    Object.defineProperty(response, 'headersSent', {
      configurable: true,
      get: () => this.#state === 'waiting' || get.call(response),
    })
  }

  #writeHead(status, reason, given) {
    const response = this.#response
    if (this.#state === 'waiting') {
      throw Object.assign(new Error('Cannot write headers after they are sent to the client'), {
        code: 'ERR_HTTP_HEADERS_SENT',
      })
    }
    if (this.#state !== 'before') return this.#own.writeHead(status, reason, given)
    const [message, fields] = typeof reason === 'string' ? [reason, given] : [undefined, given ?? reason]
    response.statusCode = status
    if (message !== undefined) response.statusMessage = message
    setFields(response, fields)
    for (const [name, value] of this.#headers) response.appendHeader(name, value)
    if (this.#receipt === null || !getsReceipt(status, (name) => response.hasHeader(name))) {
      this.#state = 'passing'
      return this.#own.writeHead(status)
    }
    this.#state = 'waiting'
    this.#hash = createHash('sha256')
    return response
  }

  #write(chunk, encoding, callback) {
    const done = typeof encoding === 'function' ? encoding : callback
    const bytes = this.#taken(chunk, encoding)
    if (bytes === null) return this.#own.write(chunk, encoding, callback)
    if (this.#state === 'waiting') {
      if (this.#size <= this.#maxBody && this.#mayWait()) {
        this.#waiting.push(bytes)
        // It is taken: who waits for that before the next piece would wait for ever.
        if (typeof done === 'function') process.nextTick(done)
        return true
      }
      this.#stream()
    }
    return this.#own.write(bytes, done)
  }

  #end(chunk, encoding, callback) {
    if (typeof chunk === 'function') return this.#end(undefined, undefined, chunk)
    const done = typeof encoding === 'function' ? encoding : callback
    const bytes = this.#taken(chunk ?? Buffer.alloc(0), encoding)
    if (bytes === null) return this.#own.end(chunk, encoding, callback)
    if (this.#state === 'waiting') {
      // The whole body is here: the receipt becomes a header.
      for (const [name, value] of this.#signed()) this.#response.setHeader(name, value)
      const pieces = [...this.#waiting, bytes]
      this.#pass()
      return this.#own.end(pieces.length === 1 ? bytes : Buffer.concat(pieces), done)
    }
    const trailers = this.#trailers ? this.#signed() : []
    this.#pass()
    if (bytes.length > 0) this.#own.write(bytes)
    if (trailers.length > 0) this.#response.addTrailers(Object.fromEntries(trailers))
    return this.#own.end(done)
  }

  #flushHeaders() {
    if (this.#state === 'before') this.#response.writeHead(this.#response.statusCode)
    if (this.#state === 'waiting' && !this.#mayWait()) this.#stream()
    if (this.#state !== 'waiting') this.#own.flushHeaders()
  }

  /** A piece of a body that gets a receipt, hashed; `null` when there is nothing to hash or Node must say what is wrong with it. */
  #taken(chunk, encoding) {
    if (this.#response.writableEnded) return null
    if (this.#state === 'before') this.#response.writeHead(this.#response.statusCode)
    if (this.#state === 'passing') return null
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return null
    const bytes =
      typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk
    this.#hash.update(bytes)
    this.#size += bytes.length
    return bytes
  }

  #mayWait() {
    return mayWait(this.#response.getHeader('content-length'), this.#maxBody)
  }

  /** The body is longer than may wait: from here on it passes through. */
  #stream() {
    const response = this.#response
    const chunked = !response.hasHeader('content-length') && !response.hasHeader('transfer-encoding')
    this.#trailers = this.#http1 === null || (this.#http1 >= 1 && chunked)
    if (this.#trailers) response.setHeader('trailer', NAMES.join(', '))
    this.#state = 'streaming'
    this.#own.writeHead(response.statusCode)
    for (const bytes of this.#waiting.splice(0)) this.#own.write(bytes)
  }

  #pass() {
    this.#state = 'passing'
    delete this.#response.headersSent
  }

  #signed() {
    try {
      return this.#receipt.sign(this.#hash.digest())
    } catch (error) {
      // The content goes out without one.
      this.#report(error)
      return []
    }
  }
}

/** What `writeHead` was given, as if set before: an object, a list of names and values in turn, or pairs. */
function setFields(response, fields) {
  if (!Array.isArray(fields)) {
    for (const [name, value] of Object.entries(fields ?? {})) {
      if (value !== undefined) response.setHeader(name, value)
    }
    return
  }
  const pairs = Array.isArray(fields[0])
    ? fields
    : fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]]] : []))
  for (const [name] of pairs) response.removeHeader(name)
  for (const [name, value] of pairs) response.appendHeader(name, value)
}

module.exports = { AnsweredResponse }
