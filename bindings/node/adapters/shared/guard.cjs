'use strict'

const { Fetcher, Identity, Policy, Publisher, Resolver, contentDigest } = require('../../index.cjs')
const { MAX_INSERTIONS, MAX_ROUNDS } = require('../../verification.cjs')
const { Answer } = require('./answer.cjs')
const { values } = require('./headers.cjs')
const { ReceiptMaker } = require('./receipt_maker.cjs')
const { Clients, Redeemers, isClients } = require('./redeemers.cjs')
const { ServedManifest } = require('./served_manifest.cjs')
const { servedUrl } = require('./served_url.cjs')
const { SingleFlight } = require('./single_flight.cjs')
const { isManifest, isPolicy, isPublicAddress, isRobots, target } = require('./target.cjs')

const FEEDBACK = 'x-imagxp-feedback'
const REDEMPTIONS = new Set(['accepted', 'refused', 'unavailable'])
const MEBIBYTE = 1024 * 1024
const OPTIONS = new Set([
  ...['policy', 'publisher', 'resolver', 'redeem', 'redeemer', 'maxBody', 'identity', 'manifest', 'maxReceiptBody'],
  ...['onFeedback', 'onVerdict', 'onError', 'audit', 'prefix'],
])

/**
 * What all adapters share: one verdict per request.
 *
 * An adapter describes a request as `{ method, url, headers, host, localAddress, readBody }` and gets a decision:
 * `{ gone: true }` when the client has left, `{ answer }` when the request is answered here, otherwise
 * `{ verdict, headers, receipt }`: the headers to add, as pairs, and who makes the receipt, if one belongs there.
 */
class Guard {
  #publisher
  #resolver
  #options
  #public
  #manifest = null
  #clients
  #redeemers
  #flights = new SingleFlight()

  constructor(options) {
    this.#options = checked(options)
    const { policy, publisher, audit, redeem, redeemer } = this.#options
    this.#publisher = publisher ?? new Publisher(policy, { audit })
    if (isClients(redeem)) this.#clients = new Clients(redeem, this.policy)
    this.#redeemers = new Redeemers(redeemer, this.policy)
    this.#resolver = this.#options.resolver ?? new Resolver(new Fetcher({ allowLoopback: this.policy.allowLoopback }))
    this.#public = this.policy.publicJson()
    const { manifest } = this.#options
    if (manifest !== undefined) this.#manifest = new ServedManifest(manifest, (error) => this.report(error))
    if (this.#options.identity !== undefined && this.policy.contentOrigin === null) {
      throw new TypeError('receipts say who made the content: give the policy a provenance.origin')
    }
  }

  /** The publisher that decides. */
  get publisher() {
    return this.#publisher
  }

  /** The policy it decides by. */
  get policy() {
    return this.#publisher.policy
  }

  /** How much of an answer waits for its receipt, in bytes. */
  get maxReceiptBody() {
    return this.#options.maxReceiptBody
  }

  /** Decides about one request. Never rejects: a fault of ours must not become a way in. */
  async decide(asked) {
    const requested = target(asked.url)
    const request = { ...asked, target: requested === '*' ? requested : this.#options.prefix + requested }
    if (isPolicy(request.method, request.target)) return { answer: Answer.policy(this.#public) }
    try {
      if (this.#manifest !== null && isManifest(request.target)) return { answer: await this.#manifest.answer(request) }
      const verdict = await this.#verdict(request)
      if (verdict === null) return { gone: true }
      const added = await this.#takeFeedback(request, verdict)
      this.#tell(verdict, request)
      return this.#decision(request, verdict, added)
    } catch (error) {
      this.report(error)
      return { answer: Answer.fault() }
    }
  }

  /** Says that something of ours or of a hook went wrong. */
  report(error) {
    // A hook that fails in its turn must not end the process as an unhandled rejection.
    try {
      Promise.resolve(this.#options.onError(error)).catch((again) => console.error('imagxp:', again))
    } catch (again) {
      console.error('imagxp:', again)
    }
  }

  #decision(request, verdict, added) {
    const headers = [...verdict.responseHeaders, ...added]
    const receipt = this.#receipt(request, verdict)
    if (verdict.isAllowed) return { verdict, headers, receipt }
    // Rules that nobody may read bind nobody (RFC 9309 §2.3.1.3).
    const unsigned = verdict.visitor === 'unsigned_browser' || verdict.visitor === 'unsigned_client'
    if (unsigned && isRobots(request.method, request.target)) return { verdict, headers: added, receipt }
    return { verdict, answer: Answer.refusal(verdict, headers) }
  }

  async #verdict(request) {
    if (this.policy.allowLoopback && isPublicAddress(request.localAddress)) {
      throw new Error('the policy has allow_loopback, which is for development; this server listens on another address')
    }
    let verification = this.#verify(request)
    // The check of the digest comes before anything is spent, so the request can be verified again with it. It also comes before the
    // signature: a stranger can make us hold `maxBody` bytes for as long as the server lets a body take.
    if (verification.verdict.code === 'claim.digest_mismatch') {
      const { gone, body } = await request.readBody(this.#options.maxBody)
      if (gone) return null
      // A body that is not held has no digest: then the refusal is final, and the audit log gets it.
      verification = this.#verify(request, body === null ? '' : contentDigest(body))
    }
    let asked = false
    // Manifest, key set, redemption; a refresh may ask for one of the first two again.
    for (let rounds = 0, insertions = 0; verification.pending !== null && rounds < MAX_ROUNDS;) {
      const { pending, verdict } = verification
      let fetched = false
      for (const need of verdict.needs) {
        if (need.kind === 'replay') {
          if ((insertions += 1) > MAX_INSERTIONS) return verdict
          await pending.insert()
          continue
        }
        fetched = true
        if (need.kind === 'redeem') {
          asked = true
          pending.redeemed(await this.#redeem(request, need, verdict))
        } else await this.#fetch(need)
      }
      if (fetched) rounds += 1
      verification = this.#publisher.resume(pending)
    }
    if (!asked) this.#present(request, verification.verdict)
    return verification.verdict
  }

  #verify(request, bodyDigest = undefined) {
    return this.#publisher.verify(request.method, request.target, request.headers, { bodyDigest })
  }

  async #fetch(need) {
    await this.#flights.run(need.url, async () => {
      // A failure is recorded by the publisher; the verdict will say so.
      await this.#resolver.supply(this.#publisher, need).catch(() => {})
    })
  }

  async #redeem(request, need, verdict) {
    const { redeem } = this.#options
    if (redeem === undefined) return 'unavailable'
    try {
      const presented = this.#publisher.presented(verdict, request.headers)
      const redemption =
        this.#clients === undefined
          ? await redeem(need, presented.visa, presented, verdict)
          : await this.#clients.confirm(need, presented, verdict.resource)
      if (REDEMPTIONS.has(redemption)) return redemption
      throw new TypeError('redeem answers accepted, refused or unavailable')
    } catch (error) {
      this.report(error)
      return 'unavailable'
    }
  }

  /** Hands a visa that was taken without asking its broker to that broker's redeemer. The request has been decided; what fails here is the site's loss. */
  #present(request, verdict) {
    if (this.#redeemers.isEmpty || !verdict.isAllowed || verdict.payment.state !== 'visa') return
    try {
      this.#redeemers
        .of(verdict.payment.issuer, verdict.resource)
        ?.push(this.#publisher.presented(verdict, request.headers))
    } catch (error) {
      this.report(error)
    }
  }

  /** What came in `x-imagxp-feedback`. It never decides about the request that carries it. */
  async #takeFeedback(request, verdict) {
    const given = values(request.headers, FEEDBACK)
    if (this.#options.onFeedback === undefined || given.length !== 1) return []
    const carrier = verdict.visitor === 'verified_agent' ? verdict : undefined
    // From the wire it is Latin-1, one character per byte.
    const value = Buffer.from(given[0], 'latin1')
    let taken = this.#publisher.feedback(value, { carrier })
    for (let rounds = 0; taken.verdict.needs.length > 0 && rounds < MAX_ROUNDS; rounds += 1) {
      const [need] = taken.verdict.needs
      if (need.kind === 'replay') await taken.insert()
      else await this.#fetch(need)
      taken = this.#publisher.feedback(value, { carrier, inserted: taken })
    }
    let status = taken.verdict.code ?? 'accepted'
    if (taken.feedback !== null) {
      try {
        await this.#options.onFeedback(taken.feedback, taken.verdict)
      } catch (error) {
        this.report(error)
        status = 'internal.invariant'
      }
    }
    return [['x-imagxp-feedback-status', status]]
  }

  #tell(verdict, { method, target: requested }) {
    const { onVerdict } = this.#options
    if (onVerdict === undefined) return
    try {
      Promise.resolve(onVerdict(verdict, { method, target: requested })).catch((error) => this.report(error))
    } catch (error) {
      this.report(error)
    }
  }

  /** Who makes the receipt: when there is an identity, and the URL served is on the host whose manifest has its key. */
  #receipt(request, verdict) {
    const { identity } = this.#options
    if (identity === undefined || request.method === 'HEAD') return null
    const url = servedUrl(this.policy, request, verdict)
    if (url === null) return null
    const { hostname, host } = new URL(url)
    if (identity.agentId !== hostname && identity.agentId !== host) return null
    return new ReceiptMaker(identity, url, this.policy.contentOrigin, verdict)
  }
}

function checked(options) {
  if (options === null || typeof options !== 'object')
    throw new TypeError('an adapter needs its options: at least a policy')
  const unknown = Object.keys(options).filter((name) => !OPTIONS.has(name))
  if (unknown.length > 0) throw new TypeError(`unknown options: ${unknown.join(', ')}`)
  const { policy, publisher, audit, identity, prefix = '' } = options
  if ((policy === undefined) === (publisher === undefined)) throw new TypeError('give either a policy or a publisher')
  if (publisher !== undefined && audit !== undefined) throw new TypeError('give the audit log to the publisher')
  mustBe(policy, Policy, 'policy')
  mustBe(publisher, Publisher, 'publisher')
  mustBe(identity, Identity, 'identity')
  if (typeof prefix !== 'string' || !/^(?:\/[^/?#]+)*$/.test(prefix)) throw new TypeError('prefix is a path like /shop')
  for (const name of ['redeem', 'onFeedback', 'onVerdict', 'onError']) {
    if (name === 'redeem' && isClients(options.redeem)) continue
    if (options[name] !== undefined && typeof options[name] !== 'function') throw new TypeError(`${name} is a function`)
  }
  for (const name of ['maxBody', 'maxReceiptBody']) {
    if (options[name] !== undefined && !Number.isSafeInteger(options[name]))
      throw new TypeError(`${name} is a number of bytes`)
  }
  const onError = (error) => console.error('imagxp:', error)
  return { maxBody: MEBIBYTE, maxReceiptBody: MEBIBYTE, onError, ...defined(options), prefix }
}

function mustBe(value, kind, name) {
  if (value !== undefined && !(value instanceof kind)) throw new TypeError(`${name} is a ${kind.name} of imagxp`)
}

function defined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

module.exports = { Guard }
