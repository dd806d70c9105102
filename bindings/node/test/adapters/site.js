'use strict'

// A publisher on loopback behind any of the frameworks, and a table of behaviours run over all of them: what one adapter does, all do.

const { createHash } = require('node:crypto')
const { describe, test } = require('node:test')
const { Identity, Policy, SignedReceipt } = require('imagxp')
const { Listener } = require('./support.js')
const { frameworks } = require('./frameworks.js')

const sha256 = (bytes) => createHash('sha256').update(bytes).digest()

/** A publisher on loopback, for one test. */
async function publish(t, framework, { options = {}, others = [], ...members } = {}) {
  const listener = await Listener.open()
  const policy = Policy.fromJson({
    version: 1,
    origins: [listener.origin, ...others],
    allow_loopback: true,
    purposes: { RAG_RETRIEVAL: {}, CRAWL_TRAINING: { allow: false } },
    ...members,
  })
  const record = { reached: 0, errors: [] }
  const given = typeof options === 'function' ? options(listener, policy) : options
  const adapter = {
    onError: (error) => record.errors.push(error),
    ...('publisher' in given ? {} : { policy }),
    ...given,
  }
  const close = await framework(listener, adapter, record)
  t.after(async () => {
    await close()
    await listener.close()
  })
  return { origin: listener.origin, address: listener.address, listener, policy, record }
}

/** Options for receipts: the site's key lies at its own address. */
function receipts(more = {}) {
  return {
    provenance: { origin: 'HYBRID' },
    options: (listener) => ({
      identity: Identity.generate(listener.address, 'ES256', { allowLoopback: true }),
      maxReceiptBody: 1000,
      ...more,
    }),
  }
}

/** The receipt in an answer's headers or trailers, held against the body. */
function receiptOf(fields, { url, bytes, agentId }) {
  const receipt = SignedReceipt.fromHeaders(Object.entries(fields)).receipt
  receipt.check({ url, contentSha256: sha256(bytes), agentId })
  return receipt
}

/** Runs each behaviour over every framework. */
function everywhere(behaviours) {
  for (const [name, framework] of Object.entries(frameworks)) {
    describe(name, () => {
      for (const [what, behaviour] of Object.entries(behaviours)) test(what, (t) => behaviour(t, framework))
    })
  }
}

module.exports = { everywhere, publish, receiptOf, receipts }
