'use strict'

const { createHash } = require('node:crypto')
const { SignedReceipt } = require('../../index.cjs')

/** Checks the receipt of an answer while its body passes. */
const ReceiptCheck = {
  /**
   * The answer; when receipts are asked for, with a body that fails at its end unless the receipt holds, and `imagxp.receipt`, a promise
   * of the receipt. Without a receipt: `receipt` is `null`, or the answer is refused when receipts are required.
   */
  async of(response, sending, site) {
    if (sending.redirects > 0) Object.defineProperty(response, 'redirected', { value: true })
    if (site.receipts === 'ignore' || !response.ok || response.body === null || sending.method === 'HEAD')
      return response
    let signed
    try {
      signed = SignedReceipt.fromHeaders([...response.headers])
    } catch (error) {
      if (site.receipts === 'verify' && error.code === 'provenance.missing') {
        response.imagxp = { receipt: null }
        return response
      }
      await response.body.cancel()
      throw error
    }
    // Fetched while the body comes.
    const verified = verify(signed, sending.url, site)
    verified.catch(() => {})
    const hash = createHash('sha256')
    let settle
    const receipt = new Promise((resolve, reject) => (settle = { resolve, reject }))
    receipt.catch(() => {})
    const checking = new TransformStream({
      transform(chunk, controller) {
        hash.update(chunk)
        controller.enqueue(chunk)
      },
      async flush() {
        try {
          const found = await verified
          found.check({ url: sending.url, contentSha256: hash.digest(), agentId: site.identity.agentId })
          settle.resolve(found)
        } catch (error) {
          settle.reject(error)
          throw error
        }
      },
    })
    const { status, statusText, headers, url, redirected } = response
    const copy = new Response(response.body.pipeThrough(checking), { status, statusText, headers })
    return Object.defineProperties(copy, {
      url: { value: url },
      redirected: { value: redirected },
      imagxp: { value: { receipt } },
    })
  },
}

/** The receipt, when it speaks of this answer and its publisher has signed it. Before the first nobody is asked for the second. */
async function verify(signed, url, { identity, manifests }) {
  const claimed = signed.receipt
  claimed.check({ url, contentSha256: claimed.contentSha256, agentId: identity.agentId })
  return await manifests.verify(signed)
}

module.exports = { ReceiptCheck }
