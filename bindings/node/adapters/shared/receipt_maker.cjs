'use strict'

const { Receipt } = require('../../index.cjs')

// No content, and a part of it, which must not be taken for the whole.
const PARTS = new Set([204, 206])
const NAMES = ['x-imagxp-provenance', 'x-imagxp-provenance-sig']

/** Makes the receipt of one answer once the hash of its body is known. */
class ReceiptMaker {
  #identity
  #members
  #url

  constructor(identity, url, origin, verdict) {
    this.#identity = identity
    this.#url = url
    this.#members = { origin, traceId: verdict.traceId, agentId: verdict.agentId ?? undefined }
  }

  /** The receipt's headers, as pairs. */
  sign(sha256) {
    return new Receipt(this.#url, sha256, this.#members).sign(this.#identity)
  }
}

/** Whether an answer gets a receipt: successful, with a body of its own, and without a receipt or trailers of the application's. */
function getsReceipt(status, has) {
  return status >= 200 && status < 300 && !PARTS.has(status) && !has('trailer') && !has(NAMES[0])
}

/** Whether a body of this `Content-Length` may wait for its receipt; one without a length may never end. */
function mayWait(contentLength, max) {
  return /^\d+$/.test(String(contentLength ?? '')) && Number(contentLength) <= max
}

module.exports = { NAMES, ReceiptMaker, getsReceipt, mayWait }
