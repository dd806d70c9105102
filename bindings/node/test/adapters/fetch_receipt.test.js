'use strict'

// The receipts that wrapFetch checks.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { after, before, test } = require('node:test')
const { Identity, PrivateKey, Receipt } = require('imagxp')
const { Town } = require('./fetching.js')
const { PIECES } = require('./frameworks.js')

let town

before(async () => {
  town = await Town.open()
})

after(() => town.close())

test('receipts that hold', async () => {
  const site = await town.publish()
  for (const receipts of ['verify', 'require']) {
    const response = await town.reader({ receipts })(`${site.origin}/length`)
    assert.equal(await response.text(), PIECES.join(''))
    const receipt = await response.imagxp.receipt
    assert.deepEqual(
      [receipt.url, receipt.origin, receipt.agentId],
      [`${site.origin}/length`, 'HUMAN', town.domain.identity.agentId],
    )
  }
})

test('receipts that are missing, or do not hold', async () => {
  const site = await town.publish()
  // `fetch` shows no trailers.
  const stream = await town.reader({ receipts: 'verify' })(`${site.origin}/stream`)
  assert.deepEqual([stream.imagxp.receipt, await stream.text()], [null, PIECES.join('')])
  await assert.rejects(town.reader({ receipts: 'require' })(`${site.origin}/stream`), { code: 'provenance.missing' })

  const tampering = async (url, init) => {
    const response = await fetch(url, init)
    return new Response((await response.text()).replace('a', 'b'), response)
  }
  for (const receipts of ['verify', 'require']) {
    const read = town.reader({ receipts }, tampering)
    const changed = await read(`${site.origin}/length`)
    await assert.rejects(changed.text(), { code: 'provenance.mismatch' })
    await assert.rejects(changed.imagxp.receipt, { code: 'provenance.mismatch' })
  }
})

test('a key that the publisher does not have', async () => {
  const site = await town.publish()
  const forger = new Identity(site.identity.agentId, PrivateKey.generate(), { allowLoopback: true })
  const other = await town.publish()
  assert.notEqual(forger.keyId, other.identity.keyId)
  const forging = async (url, init) => {
    const response = await fetch(url, init)
    const bytes = Buffer.from(await response.arrayBuffer())
    const sha256 = createHash('sha256').update(bytes).digest()
    const headers = new Headers(response.headers)
    const receipt = new Receipt(url, sha256, { origin: 'HUMAN', traceId: 't', agentId: town.domain.identity.agentId })
    for (const [name, value] of await receipt.sign(forger)) headers.set(name, value)
    return new Response(bytes, { status: 200, headers })
  }
  const read = town.reader({ receipts: 'verify' }, forging)
  await assert.rejects((await read(`${site.origin}/length`)).text(), { code: 'identity.key_mismatch' })
})
