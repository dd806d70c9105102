'use strict'

// What a redeemer needs of Node itself: promises that fail, and the end of the process.

const { warn } = require('./errors.cjs')

/** Those that may hold visas. */
const active = new Set()
let watching = false

function closeAll() {
  for (const redeemer of active) redeemer.close().catch((error) => warn('a redeemer could not be closed', error))
}

/** `Redeemer` of the package around the addon's. */
const backgroundRedeemer = (Native) =>
  class Redeemer extends Native {
    constructor(client, onOutcome, options) {
      super(client, typeof onOutcome === 'function' ? watched(onOutcome) : onOutcome, options)
    }

    push(presented) {
      super.push(presented)
      active.add(this)
      if (!watching) process.on('beforeExit', closeAll)
      watching = true
    }

    get issuer() {
      return super.issuer
    }

    isPaidFor(url) {
      return super.isPaidFor(url)
    }

    get tally() {
      return super.tally
    }

    flush(withinMs) {
      return super.flush(withinMs)
    }

    async close(withinMs) {
      active.delete(this)
      return super.close(withinMs)
    }
  }

/** What is told may write to a database and take its time; when that fails, it must not end the process. */
const watched = (onOutcome) =>
  function told(...outcome) {
    const done = onOutcome(...outcome)
    if (done instanceof Promise) done.catch((error) => warn('onOutcome failed', error))
  }

module.exports = { backgroundRedeemer }
