'use strict'

const { Manifest, Rotation } = require('../../index.cjs')
const { Answer } = require('./answer.cjs')
const { values } = require('./headers.cjs')
const { SingleFlight } = require('./single_flight.cjs')

/** The site's own manifest, as it is served to anybody: who checks a receipt and the broker that pays need its key. */
class ServedManifest {
  #sources
  #report
  #flights = new SingleFlight()

  /** A Manifest, the Rotation that keeps it, or an array with one for each host. `report` is told when a rotation cannot be read again. */
  constructor(given, report) {
    this.#sources = [given].flat()
    this.#report = report
    if (this.#sources.length === 0 || !this.#sources.every(isSource)) {
      throw new TypeError('manifest is a Manifest or a Rotation of imagxp, or an array of them')
    }
  }

  /** What a request for it gets. */
  async answer({ method, target, headers, host }) {
    const conditions = values(headers, 'if-none-match')
    const manifest = await this.#current(this.#of(host))
    const condition = conditions.length > 0 ? conditions.join(',') : undefined
    const { status, headers: lines, body } = manifest.response(method, target, condition)
    return new Answer(status, lines, body)
  }

  /** The one of the agent that `Host` names, with a port only where the agent's name has one; the first where it names none of them. */
  #of(host = '') {
    const named = host.toLowerCase()
    const of = (name) => this.#sources.find(({ agentId }) => agentId === name)
    return of(named) ?? of(named.replace(/:\d*$/, '')) ?? this.#sources[0]
  }

  async #current(source) {
    if (!(source instanceof Rotation)) return source
    try {
      await this.#flights.run(source.agentId, () => source.reload())
    } catch (error) {
      // What was read last is still the manifest that publishers expect.
      this.#report(error)
    }
    return source.manifest()
  }
}

const isSource = (given) => given instanceof Manifest || given instanceof Rotation

module.exports = { ServedManifest }
