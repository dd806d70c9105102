'use strict'

/** Runs one call per key at a time; whoever asks meanwhile waits for that one. */
class SingleFlight {
  #running = new Map()

  run(key, call) {
    let flight = this.#running.get(key)
    if (flight === undefined) {
      flight = call().finally(() => this.#running.delete(key))
      this.#running.set(key, flight)
    }
    return flight
  }
}

module.exports = { SingleFlight }
