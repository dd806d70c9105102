'use strict'

const { contentDigest, feedbackHeader, userAgent } = require('../../index.cjs')

const OPTIONS = new Set(['purpose', 'visa', 'proof', 'adsDisplayed', 'context', 'feedback'])
const KEPT = ['signal', 'keepalive', 'credentials', 'mode', 'cache', 'referrer', 'referrerPolicy', 'integrity']
const FEEDBACK_STATUS = 'x-imagxp-feedback-status'
const PRIVATE = ['authorization', 'cookie', 'proxy-authorization', 'host']

/** One request of a caller, as it is sent: signed anew each time, also where it is redirected to. */
class Sending {
  #site
  #init
  #headers
  #options
  #stream
  /** What the publisher said of the feedback, once it has. */
  #feedbackStatus = null

  constructor(site, { url, method, headers, bytes, stream, init, options }) {
    this.#site = site
    this.#init = init
    this.#headers = headers
    this.#options = options
    this.#stream = stream
    this.bytes = bytes
    this.url = url
    this.method = method
    this.visa = options.visa
    this.redirect = init.redirect ?? 'follow'
    this.redirects = 0
  }

  /** Reads what `fetch` was given. A body that is a stream passes untouched, once; any other is bound by its digest. */
  static async of(input, { imagxp = {}, ...given }, site) {
    const unknown = Object.keys(imagxp).filter((name) => !OPTIONS.has(name))
    if (unknown.length > 0) throw new TypeError(`unknown options in init.imagxp: ${unknown.join(', ')}`)
    const request = input instanceof Request ? input : null
    const init = {
      ...Object.fromEntries(KEPT.map((name) => [name, request?.[name]]).filter(([, value]) => value !== undefined)),
      ...given,
    }
    if (request !== null) init.redirect ??= request.redirect
    const method = (given.method ?? request?.method ?? 'GET').toUpperCase()
    const headers = new Headers(given.headers ?? request?.headers)
    const source = given.body === undefined && request !== null ? request.body : (given.body ?? null)
    const stream = isStream(source) ? source : null
    let bytes = null
    if (source !== null && stream === null) {
      // What the platform would send: a form gets its boundary here.
      const made = new Request('http://body.invalid/', { method: 'POST', body: source })
      bytes = Buffer.from(await made.arrayBuffer())
      const type = made.headers.get('content-type')
      if (type !== null && !headers.has('content-type')) headers.set('content-type', type)
    }
    const url = new URL(request?.url ?? input)
    url.hash = ''
    return new Sending(site, {
      url: url.href,
      method,
      headers: withoutOurs(headers),
      bytes,
      stream,
      init,
      options: imagxp,
    })
  }

  /** Whether it can be sent a second time. */
  get isRepeatable() {
    return this.#stream === null
  }

  /** By what the caller gives up; `null` when he cannot. */
  get signal() {
    return this.#init.signal ?? null
  }

  /** Why it is sent. */
  get purpose() {
    return this.#options.purpose ?? this.#site.purpose
  }

  /** What to give to `fetch` beside the URL; with a new nonce each time. */
  async signed() {
    const { identity, compatible, receipts } = this.#site
    const { proof, adsDisplayed, context, feedback } = this.#options
    const lines = await identity.sign(this.method, this.url, this.purpose, {
      contentDigest: this.bytes === null || this.bytes.length === 0 ? undefined : contentDigest(this.bytes),
      payment: this.visa,
      proof,
      adsDisplayed,
      context,
      compatible,
    })
    const headers = new Headers(this.#headers)
    for (const [name, value] of lines) headers.append(name, value)
    if (feedback !== undefined && this.#feedbackStatus === null) {
      headers.append('x-imagxp-feedback', feedbackHeader(feedback))
    }
    headers.set('user-agent', userAgent(headers.get('user-agent') ?? ''))
    // A receipt speaks of the bytes on the wire.
    if (receipts !== 'ignore') headers.set('accept-encoding', 'identity')
    return { ...this.#sent(), headers, redirect: 'manual' }
  }

  /** Takes note of an answer: feedback that a publisher has looked at would be a replay with the next sending. */
  answered(response) {
    if (this.#options.feedback !== undefined) this.#feedbackStatus ??= response.headers.get(FEEDBACK_STATUS)
  }

  /** The answer for the caller, which says what became of the feedback, also when that was said by an earlier one. */
  told(response) {
    if (this.#feedbackStatus === null || response.headers.get(FEEDBACK_STATUS) === this.#feedbackStatus) return response
    // Those of an answer of `fetch` cannot be changed.
    const headers = new Headers(response.headers)
    headers.set(FEEDBACK_STATUS, this.#feedbackStatus)
    return Object.defineProperty(response, 'headers', { value: headers })
  }

  /** Goes on to a place on the same origin. */
  follow({ url, method }) {
    this.#change(method)
    this.url = url
    this.redirects += 1
  }

  /** Goes on to another origin, and wherever that one redirects to: with nothing of ours, and nothing that is private. */
  async elsewhere(fetch, { url, method }) {
    this.#change(method)
    const headers = new Headers(this.#headers)
    for (const name of PRIVATE) headers.delete(name)
    const response = await fetch(url, { ...this.#sent(), headers, redirect: 'follow' })
    return Object.defineProperty(response, 'redirected', { value: true })
  }

  #change(method) {
    if (method === this.method) return
    this.method = method
    this.bytes = null
    this.#stream = null
    for (const name of ['content-type', 'content-length', 'content-encoding', 'content-language', 'content-location'])
      this.#headers.delete(name)
  }

  #sent() {
    const { imagxp: _ours, ...init } = this.#init
    const body = this.#stream ?? this.bytes ?? undefined
    return { ...init, method: this.method, body, ...(this.#stream === null ? {} : { duplex: 'half' }) }
  }
}

function isStream(body) {
  return (
    body !== null && typeof body === 'object' && (typeof body.getReader === 'function' || Symbol.asyncIterator in body)
  )
}

/** A copy without what the protocol speaks of: we alone say it, once. */
function withoutOurs(headers) {
  const copy = new Headers(headers)
  for (const name of [...copy.keys()]) {
    if (name.startsWith('x-imagxp-')) copy.delete(name)
  }
  return copy
}

module.exports = { Sending }
