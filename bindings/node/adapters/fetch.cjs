'use strict'

const { Agent, Caps, Identity, Wallet } = require('../index.cjs')
const { Manifests } = require('./fetch/manifests.cjs')
const { Payment } = require('./fetch/payment.cjs')
const { ReceiptCheck } = require('./fetch/receipt_check.cjs')
const { crossesOrigin, redirected } = require('./fetch/redirect.cjs')
const { Sending } = require('./fetch/sending.cjs')

const OPTIONS = new Set([
  ...['identity', 'purpose', 'budget', 'wallet', 'brokers', 'visas', 'receipts'],
  ...['product', 'compatible', 'allowLoopback', 'fetcher'],
])
const RECEIPTS = new Set(['ignore', 'verify', 'require'])
const MAX_REDIRECTS = 20

/**
 * A `fetch` that signs each request anew, with `IMAGXP/1.0` in its User-Agent.
 *
 * Redirects within the origin are signed anew; beyond it they are followed without any of our headers, and never signed again. A 402 is
 * paid from the `budget` through one of `brokers`, as the core's visit decides, and asked for once more; or `visas` is asked for a visa.
 * What is not bought stays a 402, with the reason as `response.imagxp.error`. Per request, `init.imagxp` overrides.
 */
function wrapFetch(fetch, options) {
  const site = checked(options)

  return async function imagxpFetch(input, init = {}) {
    const sending = await Sending.of(input, init, site)
    return sending.told(await read(sending))
  }

  async function read(sending) {
    let payment = null
    let asked = false
    for (let hops = 0; ; hops += 1) {
      const response = await exchanged(fetch, sending, payment)
      payment = null
      const mine = response.status === 402 && !asked && sending.isRepeatable
      if (mine && (site.agents !== null || site.visas !== undefined)) {
        asked = true
        const bought = new Payment(fetch, site, sending)
        const left = await bought.seek(response)
        if (left !== null) return left
        payment = bought
        hops -= 1
        continue
      }
      const next = redirected(sending, response)
      if (next === null) return await ReceiptCheck.of(response, sending, site)
      if (hops >= MAX_REDIRECTS) throw new TypeError('fetch failed', { cause: new Error('redirect count exceeded') })
      await response.body?.cancel()
      if (crossesOrigin(sending, next)) return await elsewhere(fetch, sending, next, site)
      sending.follow(next)
    }
  }
}

/** The answer of another origin, which cannot have a receipt for what was asked of this one. */
async function elsewhere(fetch, sending, next, site) {
  if (site.receipts === 'require') {
    throw new TypeError('fetch failed', { cause: new Error('redirected to another origin, which can give no receipt') })
  }
  const response = await sending.elsewhere(fetch, next)
  if (site.receipts === 'verify') response.imagxp = { receipt: null }
  return response
}

async function exchanged(fetch, sending, payment) {
  try {
    const response = await fetch(sending.url, await sending.signed())
    sending.answered(response)
    if (payment !== null) await payment.used(response.status)
    return response
  } catch (error) {
    if (payment !== null) await payment.unused(error)
    throw error
  }
}

function checked(options) {
  const { identity, purpose, budget, wallet, brokers = [], visas, receipts = 'ignore' } = options ?? {}
  const unknown = Object.keys(options ?? {}).filter((name) => !OPTIONS.has(name))
  if (unknown.length > 0) throw new TypeError(`unknown options: ${unknown.join(', ')}`)
  if (!(identity instanceof Identity)) throw new TypeError('identity is an Identity of imagxp')
  if (typeof purpose !== 'string') throw new TypeError('purpose is one of the five purposes')
  if (!RECEIPTS.has(receipts)) throw new TypeError('receipts is ignore, verify or require')
  if (budget !== undefined && wallet !== undefined) throw new TypeError('give either a budget or a wallet')
  if (visas !== undefined && (budget ?? wallet) !== undefined)
    throw new TypeError('visas and a budget exclude each other')
  const purse = wallet ?? (budget === undefined ? undefined : walletOf(budget))
  const site = { product: 'imagxp', compatible: false, allowLoopback: false, ...options, receipts, agents: null }
  const agents = purse === undefined ? null : new Agents(site, purse, brokers)
  // What cannot pay is told now, not with the first offer.
  agents?.of(purpose)
  return { ...site, agents, manifests: new Manifests(site) }
}

/** `{ currency, perRequest, … }`, one or several. */
function walletOf(budget) {
  const caps = (Array.isArray(budget) ? budget : [budget]).map((one) => {
    if (one instanceof Caps) return one
    const { currency, perRequest, ...more } = one
    return new Caps(currency, perRequest, more)
  })
  return new Wallet(caps)
}

/** One agent of the core per purpose, all with one wallet. */
class Agents {
  #made = new Map()
  #make

  constructor({ identity, product, compatible, allowLoopback }, wallet, brokers) {
    const options = {
      wallet,
      brokers,
      discover: false,
      redirects: 'return',
      receipts: 'ignore',
      compatible,
      allowLoopback,
    }
    this.#make = (purpose) => new Agent(identity, purpose, product, options)
  }

  of(purpose) {
    if (!this.#made.has(purpose)) this.#made.set(purpose, this.#make(purpose))
    return this.#made.get(purpose)
  }
}

module.exports = { wrapFetch }
