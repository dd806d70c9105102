'use strict'

// `Verification`, and the methods that wait: verifying happens here, fetching on another thread.

const { NEWLINE, parts, rejoined, withHeaders, wrong } = require('./headers.cjs')

/** As many documents as one request can need: a manifest and a key set, and each once more when it lacks a key. */
const MAX_ROUNDS = 6
/** A visa of many uses asks a shared store once for each use that this process does not know of. */
const MAX_INSERTIONS = 128

class Verification {
  #pending

  constructor(verdict) {
    this.verdict = verdict
  }

  get pending() {
    if (this.#pending === undefined) this.#pending = this.verdict._pending()
    return this.#pending
  }
}

function install({ Fetcher, Presented, Publisher, Resolver, SignedReceipt, Visit }) {
  const { explain, presented, resume, verify, verifyBatch } = Publisher.prototype
  const { send } = Fetcher.prototype
  const { fromHeaders } = SignedReceipt
  const { ofRequest } = Presented
  const { answered, answeredAsync } = Visit.prototype

  const methods = (type, found) => {
    for (const [name, value] of Object.entries(found)) {
      Object.defineProperty(type, name, { value, writable: true, configurable: true })
    }
  }

  methods(Publisher.prototype, {
    verify(method, target, headers, options) {
      // `withHeaders` without its closure: this is the call that every request makes.
      const list = parts(headers)
      let verdict = verify.call(this, method, target, list.join('\n'), list.length, NEWLINE, options)
      if (verdict === null) verdict = verify.call(this, method, target, ...rejoined(list), options)
      return new Verification(verdict)
    },

    verifyBatch(requests, options) {
      if (!Array.isArray(requests)) throw wrong('requests: expected an array')
      const texts = []
      const lists = []
      const digests = []
      for (const request of requests) {
        if (!Array.isArray(request) || request.length < 3 || request.length > 4) {
          throw wrong('requests: expected [method, target, headers, bodyDigest?]')
        }
        texts.push(request[0], request[1])
        lists.push(parts(request[2]))
        digests.push(request[3])
      }
      const cross = (joined) => {
        const shapes = joined.flatMap(([, count, separator]) => [count, separator])
        return verifyBatch.call(
          this,
          texts,
          shapes,
          digests,
          joined.map(([text]) => text),
          options,
        )
      }
      // As `withHeaders`: a separator within a value is rare.
      const verdicts = cross(lists.map((list) => [list.join('\n'), list.length, NEWLINE])) ?? cross(lists.map(rejoined))
      return verdicts.map((verdict) => new Verification(verdict))
    },

    resume(pending, options) {
      return new Verification(resume.call(this, pending, options))
    },

    explain(method, target, headers, options) {
      return withHeaders(headers, (...lines) => explain.call(this, method, target, ...lines, options))
    },

    presented(verdict, headers, options) {
      return withHeaders(headers, (...lines) => presented.call(this, verdict, ...lines, options))
    },
  })

  methods(Fetcher.prototype, {
    async send(method, url, headers, options) {
      return withHeaders(headers ?? [], (...lines) => send.call(this, method, url, ...lines, options))
    },
  })

  methods(Visit.prototype, {
    answered(status, headers, body, options) {
      return withHeaders(headers, (...lines) => answered.call(this, status, ...lines, body, options))
    },

    async answeredAsync(status, headers, body, options) {
      return withHeaders(headers, (...lines) => answeredAsync.call(this, status, ...lines, body, options))
    },
  })

  methods(SignedReceipt, {
    fromHeaders(headers) {
      return withHeaders(headers, (...lines) => fromHeaders(...lines))
    },
  })

  methods(Presented, {
    ofRequest(headers, publicKey) {
      return withHeaders(headers, (...lines) => ofRequest(...lines, publicKey))
    },
  })

  const checked = (publisher) => {
    if (!(publisher instanceof Publisher)) throw wrong('expected an instance of Publisher')
    return publisher
  }

  methods(Resolver.prototype, {
    async verify(publisher, method, target, headers, options) {
      const clock = clockFrom(options?.now)
      return settle(this, publisher, checked(publisher).verify(method, target, headers, options), clock)
    },

    async resume(publisher, pending, options) {
      const clock = clockFrom(options?.now)
      return settle(this, publisher, checked(publisher).resume(pending, options), clock)
    },
  })
}

const discoverer = (native) =>
  function discover(url, productToken, options) {
    return withHeaders(options?.headers ?? [], (...lines) => native(url, productToken, ...lines, options))
  }

async function settle(resolver, publisher, begun, clock) {
  let verification = begun
  for (let fetches = 0, insertions = 0; verification.pending !== null;) {
    const { needs } = verification.verdict
    if (needs.length === 0 || needs.some((need) => need.kind === 'redeem')) break
    if (needs.some((need) => need.kind === 'replay')) {
      if ((insertions += 1) > MAX_INSERTIONS) break
      await verification.pending.insert(clock())
    } else {
      if ((fetches += 1) > MAX_ROUNDS) break
      for (const need of needs) {
        // What could not be fetched is recorded, and the next verdict tells.
        await resolver.supply(publisher, need, clock()).catch(() => {})
      }
    }
    verification = publisher.resume(verification.pending, clock())
  }
  return verification
}

/** The caller's time, which goes on while something is fetched; the clock's when there is none. */
function clockFrom(now) {
  if (now === undefined || now === null) return () => undefined
  const begin = performance.now()
  return () => ({ now: new Date(now).getTime() + (performance.now() - begin) })
}

module.exports = { MAX_INSERTIONS, MAX_ROUNDS, Verification, discoverer, install }
