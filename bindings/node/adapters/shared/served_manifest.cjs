'use strict'

const { Rotation } = require('../../index.cjs')
const { Answer } = require('./answer.cjs')
const { values } = require('./headers.cjs')
const { SingleFlight } = require('./single_flight.cjs')

/** The site's own manifest, as it is served to anybody: who checks a receipt and the broker that pays need its key. */
class ServedManifest {
  #source
  #report
  #flights = new SingleFlight()

  /** `source`: a Manifest, or the Rotation that keeps it. `report` is told when that cannot be read again. */
  constructor(source, report) {
    this.#source = source
    this.#report = report
  }

  /** What a request for it gets. */
  async answer({ method, target, headers }) {
    const conditions = values(headers, 'if-none-match')
    const manifest = await this.#current()
    const condition = conditions.length > 0 ? conditions.join(',') : undefined
    const { status, headers: lines, body } = manifest.response(method, target, condition)
    return new Answer(status, lines, body)
  }

  async #current() {
    if (!(this.#source instanceof Rotation)) return this.#source
    try {
      await this.#flights.run('', () => this.#source.reload())
    } catch (error) {
      // What was read last is still the manifest that publishers expect.
      this.#report(error)
    }
    return this.#source.manifest()
  }
}

module.exports = { ServedManifest }
