'use strict'

const { setTimeout: pause } = require('node:timers/promises')
const { Fetcher, ImagxpError, Manifest, manifestUrl, userAgent } = require('../../index.cjs')

const KNOWN_MS = 300_000
const FAILED_MS = 60_000
const MOST = 1024
// Ten seconds for a turn, where the fetcher has too many requests under way.
const PAUSE_MS = 50
const TURNS = 200

/** The manifests of publishers whose receipts are checked: fetched by one fetcher, once in five minutes. */
class Manifests {
  #options
  #fetcher
  #headers
  // By domain, the one that was fetched first in front.
  #known = new Map()

  constructor({ allowLoopback, fetcher, product }) {
    this.#options = { allowLoopback }
    this.#fetcher = fetcher ?? null
    this.#headers = [
      ['accept', 'application/json'],
      ['user-agent', userAgent(product ?? 'imagxp')],
    ]
  }

  /** The receipt, verified. A key that came after the manifest was fetched is looked for once more. */
  async verify(signed) {
    const domain = signed.publisher(this.#options)
    if (domain === null)
      throw new ImagxpError('identity.not_found', "the publisher's host is no domain that could publish a key")
    const known = this.#lasting(domain)
    const found = known ?? this.#fetched(domain)
    try {
      return signed.verify(await found.manifest)
    } catch (error) {
      if (known === null || error.code !== 'identity.key_mismatch') throw error
    }
    // Another answer may have fetched it meanwhile.
    const newest = this.#known.get(domain)
    return signed.verify(await (newest === undefined || newest === known ? this.#fetched(domain) : newest).manifest)
  }

  /** What is known, for as long as it may be; a clock that steps back makes it unknown. */
  #lasting(domain) {
    const known = this.#known.get(domain)
    const now = Date.now()
    return known !== undefined && known.from <= now && now < known.until ? known : null
  }

  #fetched(domain) {
    const from = Date.now()
    const fetched = { manifest: this.#fetch(domain), from, until: from + KNOWN_MS }
    fetched.manifest.catch((error) => {
      fetched.until = Math.min(fetched.until, from + FAILED_MS)
      // That we were busy says nothing about the publisher.
      if (error.failure === 'busy' && this.#known.get(domain) === fetched) this.#known.delete(domain)
    })
    this.#known.delete(domain)
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value)
    this.#known.set(domain, fetched)
    return fetched
  }

  async #fetch(domain) {
    this.#fetcher ??= new Fetcher(this.#options)
    const { status, body } = await this.#sent(manifestUrl(domain, this.#options))
    if (status === 404 || status === 410)
      throw new ImagxpError('identity.not_found', "the publisher's domain publishes no manifest")
    if (status !== 200)
      throw new ImagxpError('identity.fetch_failed', `the publisher's manifest was answered with status ${status}`)
    return Manifest.parse(body, domain, this.#options)
  }

  async #sent(url) {
    for (let turn = 1; ; turn += 1) {
      try {
        return await this.#fetcher.send('GET', url, this.#headers, { profile: 'manifest' })
      } catch (error) {
        if (error.failure !== 'busy' || error.sent || turn >= TURNS) throw error
        await pause(PAUSE_MS)
      }
    }
  }
}

module.exports = { Manifests }
