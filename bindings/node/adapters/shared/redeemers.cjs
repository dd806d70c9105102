'use strict'

const { Redeemer } = require('../../index.cjs')

/** Who redeems the visas of each broker. A broker that gets another's visas refuses them, and their own is never asked. */
class Redeemers {
  #byIssuer
  #missed = new Set()

  /** A redeemer, or a Map or an object from issuer to redeemer; none without. */
  constructor(given) {
    this.#byIssuer = new Map(entries(given))
    for (const [issuer, redeemer] of this.#byIssuer) {
      if (!(redeemer instanceof Redeemer)) throw wrong()
      if (redeemer.issuer !== issuer) {
        throw new TypeError(`redeemer: the one for ${issuer} presents what it gets to ${redeemer.issuer}`)
      }
    }
  }

  /** Whether there is none at all. */
  get isEmpty() {
    return this.#byIssuer.size === 0
  }

  /** That of this issuer. Throws where there is none, and is silent about the same issuer from then on: `undefined`. */
  of(issuer) {
    const redeemer = this.#byIssuer.get(issuer)
    if (redeemer === undefined && !this.#missed.has(issuer)) {
      this.#missed.add(issuer)
      throw new Error(`there is no redeemer for the visas of ${issuer}: they are taken, and nobody redeems them`)
    }
    return redeemer
  }
}

function entries(given) {
  if (given === undefined) return []
  if (given instanceof Redeemer) return [[given.issuer, given]]
  if (given instanceof Map) return given
  const found = typeof given === 'object' && given !== null ? Object.entries(given) : []
  // What is something else has nothing of its own.
  if (found.length === 0) throw wrong()
  return found
}

function wrong() {
  return new TypeError('redeemer is a Redeemer of imagxp, or a Map or an object from issuer to Redeemer')
}

module.exports = { Redeemers }
