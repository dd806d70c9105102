'use strict'

const { ImagxpError, ReadError } = require('../../index.cjs')
const { readWeb } = require('../shared/web.cjs')

const MAX_OFFER_BYTES = 64 * 1024
const BROKER_DEADLINE = 10_000
const NOTHING = Buffer.alloc(0)
/** Node's own, unless somebody has replaced it before. */
const nodes = globalThis.fetch
/** What Node's fetch says where there was no connection to send anything over. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

/** Getting a visa for one request that was answered with 402. */
class Payment {
  #fetch
  #site
  #sending
  #visit = null

  constructor(fetch, site, sending) {
    this.#fetch = fetch
    this.#site = site
    this.#sending = sending
  }

  /** Gives the request a visa; without one, resolves to the answer for the caller, whose body can still be read. */
  async seek(response) {
    const { body, replay } = await readWeb(response, MAX_OFFER_BYTES)
    // Nothing is bought for a caller who has given up.
    this.#sending.signal?.throwIfAborted()
    const left = again(response, replay)
    if (body === null) return left
    try {
      const visa = this.#site.agents === null ? await this.#ask(body) : await this.#buy(body)
      if (visa === null) return left
      this.#sending.visa = visa
      return null
    } catch (error) {
      if (!this.#isReason(error)) throw error
      left.imagxp = { error }
      return left
    }
  }

  /** Says what came of the paid request. */
  async used(status) {
    await this.#visit?.answered(status, [], NOTHING) // nothing is written
  }

  /** Says that no answer came: the visa is kept for another time. */
  async unused(error) {
    await this.#visit?.failed(String(error?.message ?? error))
  }

  /** Whether an error says why nothing is bought: also for a page that nobody pays for, such as one without TLS. */
  #isReason(error) {
    if (error instanceof ReadError) return error.code !== 'spend.unknown'
    return this.#site.agents !== null && error instanceof ImagxpError && error.code.startsWith('usage.')
  }

  async #ask(body) {
    const { identity, visas } = this.#site
    const { url, purpose } = this.#sending
    const found = offered(body)
    if (found === null) return null
    return (await visas({ url, purpose, agentId: identity.agentId, keyId: identity.keyId, ...found })) ?? null
  }

  async #buy(body) {
    const { url, method, purpose } = this.#sending
    const visit = this.#site.agents.of(purpose).visit(method, url)
    await visit.start()
    // Books in a file are synced: not on the event loop.
    let action = await visit.answeredAsync(402, [], body)
    if (action.kind === 'request_token') action = await this.#token(visit, action)
    if (action.kind === 'send') {
      this.#visit = visit
      return action.headers.find(([name]) => name.toLowerCase() === 'x-imagxp-payment')[1]
    }
    throw action.error
  }

  async #token(visit, { method, url, headers, body }) {
    const patience = new Patience(this.#sending.signal)
    let answer
    try {
      const { signal } = patience
      // Not by the page's `dispatcher`: one that is bound to an origin would bring the assertion to the page's site.
      const response = await this.#fetch(url, { method, headers, body, redirect: 'manual', signal })
      answer = await readWeb(response, MAX_OFFER_BYTES)
      if (answer.body !== null) return await visit.answeredAsync(response.status, [...response.headers], answer.body)
    } catch (error) {
      const detail = String(error?.cause?.message || error?.message || error)
      return await visit.failedAsync(detail, { sent: !isUnsent(this.#fetch, error) })
    } finally {
      patience.end()
    }
    return await visit.failedAsync('the answer of the broker is too long or has been cut off')
  }
}

/**
 * Whether nothing has left, for certain: no address was found, or no connection came about. A fetch of the caller's own may have tried
 * several times, and its error is that of the last.
 */
function isUnsent(fetch, error) {
  if (fetch !== nodes) return false
  const cause = error?.cause
  const causes = cause instanceof AggregateError ? cause.errors : [cause]
  return causes.length > 0 && causes.every((one) => UNSENT.has(one?.code))
}

/** How long a broker may take: until its deadline, or until the caller gives up. */
class Patience {
  #timer

  constructor(callers) {
    // No `AbortSignal.timeout`: it would run on after the answer, and a test could not turn its clock.
    const deadline = new AbortController()
    const late = () => deadline.abort(new DOMException('the broker has not answered in time', 'TimeoutError'))
    this.#timer = setTimeout(late, BROKER_DEADLINE)
    this.signal = AbortSignal.any([deadline.signal, ...(callers === null ? [] : [callers])])
  }

  end() {
    clearTimeout(this.#timer)
  }
}

/** The same answer, whose body has been read. */
function again(response, body) {
  const { status, statusText, headers, url, redirected } = response
  const copy = new Response(body ?? null, { status, statusText, headers })
  return Object.defineProperties(copy, { url: { value: url }, redirected: { value: redirected } })
}

/** The publisher's words; `null` when there is no offer. */
function offered(body) {
  try {
    const { error, offer } = JSON.parse(body)
    if (offer === null || typeof offer !== 'object' || Array.isArray(offer)) return null
    return { code: typeof error?.code === 'string' ? error.code : null, terms: offer }
  } catch {
    return null
  }
}

module.exports = { Payment }
