'use strict'

const { isIP } = require('node:net')
const { BrokerClient, Redeemer } = require('../../index.cjs')
const { isLoopbackOrigin } = require('./target.cjs')

/** Clients or redeemers: for each broker one for each host of the policy, since a broker pays each host by its own name. */
class Parties {
  #byIssuer = new Map()

  /** Throws where the policy has an origin with an owner that a broker pays none of them for. */
  constructor(kind, given, policy) {
    for (const party of given) {
      if (!(party instanceof kind)) throw new TypeError(`what redeems visas is a ${kind.name} of imagxp`)
      this.#byIssuer.set(party.issuer, [...this.#of(party.issuer), party])
    }
    const { payment } = JSON.parse(policy.publicJson())
    for (const { issuer } of payment.brokers) {
      const parties = this.#of(issuer.replace(/\/$/, ''))
      if (parties.length === 0) continue
      const isPaid = (origin) => parties.some((party) => party.isPaidFor(origin))
      // Beside a site that is paid, this machine is there for development.
      const isRehearsal = !policy.origins.some((origin) => isPaid(origin) && !isLoopbackOrigin(origin))
      const hasOwner = (origin) => (isLoopbackOrigin(origin) ? isRehearsal : !isAddress(origin))
      const owned = policy.origins.find((origin) => hasOwner(origin) && !isPaid(origin))
      if (owned === undefined) continue
      throw new TypeError(
        `a broker pays each host by its own name: ${owned} has no ${kind.name} at ${issuer}: give a list with one for that host, or take the origin out of the policy`,
      )
    }
  }

  #of(issuer) {
    return this.#byIssuer.get(issuer) ?? []
  }

  /** Whether there is none at all. */
  get isEmpty() {
    return this.#byIssuer.size === 0
  }

  /** The one that this broker pays for this page; for a page without a host, which no broker pays, any. */
  find(issuer, page) {
    const parties = this.#of(issuer.replace(/\/$/, ''))
    return parties.find((party) => party.isPaidFor(page ?? '')) ?? parties[0]
  }
}

/** Whether an origin has an address for its host, by which no agent is named. */
function isAddress(origin) {
  return isIP(new URL(origin).hostname.replace(/^\[|\]$/g, '')) !== 0
}

/** Who asks brokers about visas (`check: redeem`). */
class Clients {
  #parties

  /** A client, or an array of them. */
  constructor(given, policy) {
    this.#parties = new Parties(BrokerClient, [given].flat(), policy)
  }

  /** The word of the broker on a visa that came for this page. */
  async confirm(need, presented, page) {
    const client = this.#parties.find(need.url.replace(/\/v1\/visas\/redeem$/, ''), page)
    if (client === undefined) throw new Error('the visa is of a broker whose client the site does not have')
    return client.confirm(presented)
  }
}

/** Who redeems the visas of each broker (`check: offline`). A broker that gets another's visas refuses them, and their own is never asked. */
class Redeemers {
  #parties
  #missed = new Set()

  /** A redeemer, an array of them, or a Map or an object from issuer to redeemer; none without. */
  constructor(given, policy) {
    this.#parties = new Parties(Redeemer, redeemers(given), policy)
  }

  /** Whether there is none at all. */
  get isEmpty() {
    return this.#parties.isEmpty
  }

  /** That of this issuer for this page. Throws where there is none, and is silent about the same issuer from then on: `undefined`. */
  of(issuer, page) {
    const redeemer = this.#parties.find(issuer, page)
    if (redeemer === undefined && !this.#missed.has(issuer)) {
      this.#missed.add(issuer)
      throw new Error(`there is no redeemer for the visas of ${issuer}: they are taken, and nobody redeems them`)
    }
    return redeemer
  }
}

function redeemers(given) {
  if (given === undefined) return []
  if (given instanceof Redeemer) return [given]
  if (Array.isArray(given)) return given
  const found =
    given instanceof Map ? [...given] : typeof given === 'object' && given !== null ? Object.entries(given) : []
  // What is something else has nothing of its own.
  if (found.length === 0 && !(given instanceof Map)) throw wrong()
  return found.map(([issuer, redeemer]) => {
    if (!(redeemer instanceof Redeemer)) throw wrong()
    if (redeemer.issuer === issuer) return redeemer
    throw new TypeError(`redeemer: the one for ${issuer} presents what it gets to ${redeemer.issuer}`)
  })
}

function wrong() {
  return new TypeError(
    'redeemer is a Redeemer of imagxp, an array of them, or a Map or an object from issuer to Redeemer',
  )
}

/** Whether these are clients of brokers. */
const isClients = (given) => [given].flat().some((one) => one instanceof BrokerClient)

module.exports = { Clients, Redeemers, isClients }
