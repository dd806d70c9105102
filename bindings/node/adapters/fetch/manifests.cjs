'use strict'

const { setTimeout: pause } = require('node:timers/promises')
const { Fetcher, ImagxpError, Manifest, manifestUrl, userAgent } = require('../../index.cjs')
const { SingleFlight } = require('../shared/single_flight.cjs')

const KNOWN_MS = 300_000
const ABSENT_MS = 60_000
const MOST = 1024
// Ten seconds for a turn, where the fetcher has too many requests under way.
const PAUSE_MS = 50
const TURNS = 200

/** The manifests of publishers whose receipts are checked: fetched by one fetcher, once in five minutes. */
class Manifests {
  #options
  #fetcher
  #headers
  // By domain, the one that was fetched first in front: a manifest, or the error that says that there is none.
  #known = new Map()
  #flights = new SingleFlight()

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
    if (known === null) return signed.verify(await this.#fetched(domain))
    if (known.absent !== undefined) throw known.absent
    try {
      return signed.verify(known.manifest)
    } catch (error) {
      if (error.code !== 'identity.key_mismatch') throw error
    }
    return signed.verify(await this.#fetched(domain))
  }

  /** What is known, for as long as it may be; a clock that steps back makes it unknown. */
  #lasting(domain) {
    const known = this.#known.get(domain)
    const now = Date.now()
    return known !== undefined && known.from <= now && now < known.until ? known : null
  }

  /** The manifest, fetched now. A failure is nobody's word: the next page asks again, and a manifest that is known stays known. */
  #fetched(domain) {
    return this.#flights.run(domain, async () => {
      const from = Date.now()
      this.#fetcher ??= new Fetcher(this.#options)
      const { status, body } = await this.#sent(manifestUrl(domain, this.#options))
      if (status === 404 || status === 410) {
        const absent = new ImagxpError('identity.not_found', "the publisher's domain publishes no manifest")
        if (this.#lasting(domain) === null) this.#learn(domain, { absent, from, until: from + ABSENT_MS })
        throw absent
      }
      if (status !== 200)
        throw new ImagxpError('identity.fetch_failed', `the publisher's manifest was answered with status ${status}`)
      const manifest = Manifest.parse(body, domain, this.#options)
      this.#learn(domain, { manifest, from, until: from + KNOWN_MS })
      return manifest
    })
  }

  #learn(domain, known) {
    this.#known.delete(domain)
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value)
    this.#known.set(domain, known)
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
