'use strict'

// The receipts that wrapFetch checks.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { after, before, test } = require('node:test')
const { Fetcher, Identity, PrivateKey, Receipt } = require('imagxp')
const { Recorder, Town } = require('./fetching.js')
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

/** A fetch whose answers have receipts by this identity, of the URL that was asked for unless another is named. */
const forging = (forger, named) => async (url, init) => {
  const response = await fetch(url, init)
  const bytes = Buffer.from(await response.arrayBuffer())
  const sha256 = createHash('sha256').update(bytes).digest()
  const headers = new Headers(response.headers)
  const agentId = town.domain.identity.agentId
  const receipt = new Receipt(named ?? url, sha256, { origin: 'HUMAN', traceId: 't', agentId })
  for (const [name, value] of await receipt.sign(forger)) headers.set(name, value)
  return new Response(bytes, { status: 200, headers })
}

/** The key that a site has next. */
const next = (site) => new Identity(site.identity.agentId, PrivateKey.generate(), { allowLoopback: true })

test('a key that the publisher does not have', async () => {
  const site = await town.publish()
  const forger = next(site)
  const other = await town.publish()
  assert.notEqual(forger.keyId, other.identity.keyId)
  const read = town.reader({ receipts: 'verify' }, forging(forger))
  await assert.rejects((await read(`${site.origin}/length`)).text(), { code: 'identity.key_mismatch' })
  assert.equal(site.record.manifests, 1, 'what was just fetched is not fetched again')
})

test('one manifest is fetched for many pages, and anew after five minutes', async (t) => {
  const site = await town.publish()
  for (const fetcher of [undefined, new Fetcher({ allowLoopback: true })]) {
    site.record.manifests = 0
    const read = town.reader({ receipts: 'require', fetcher })
    for (let page = 0; page < 3; page += 1) {
      assert.equal(await (await read(`${site.origin}/length`)).text(), PIECES.join(''))
    }
    assert.equal(site.record.manifests, 1)
  }
  const read = town.reader({ receipts: 'require' })
  site.record.manifests = 0
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  await Promise.all([1, 2, 3].map(async () => (await read(`${site.origin}/length`)).text()))
  t.mock.timers.tick(299_000)
  await (await read(`${site.origin}/length`)).text()
  assert.equal(site.record.manifests, 1)
  t.mock.timers.tick(2_000)
  await (await read(`${site.origin}/length`)).text()
  assert.equal(site.record.manifests, 2)
})

test('a key that is new is looked for once', async () => {
  const site = await town.publish()
  let signer = site.identity
  const read = town.reader({ receipts: 'require' }, (url, init) => forging(signer)(url, init))
  const page = async () => (await read(`${site.origin}/length`)).text()
  await page()
  signer = next(site)
  site.record.identity = signer
  await Promise.all([page(), page(), page()])
  await page()
  assert.equal(site.record.manifests, 2)
  signer = next(site)
  await assert.rejects(page(), { code: 'identity.key_mismatch' })
  assert.equal(site.record.manifests, 3)
})

test('a receipt for another place sends nobody there', async () => {
  const site = await town.publish()
  const victim = town.keep(await Recorder.open())
  const address = new URL(victim.origin).host
  const forger = Identity.generate(address, 'ES256', { allowLoopback: true })
  const read = town.reader({ receipts: 'verify' }, forging(forger, `${victim.origin}/length`))
  await assert.rejects((await read(`${site.origin}/length`)).text(), { code: 'provenance.mismatch' })
  // Neither does one for another reader.
  const other = await town.publish()
  const another = new Receipt(`${site.origin}/length`, '0'.repeat(64), {
    origin: 'HUMAN',
    traceId: 't',
    agentId: 'a.example',
  })
  const lines = await another.sign(site.identity)
  const misled = async (url, init) => {
    const response = await fetch(url, init)
    const headers = new Headers(response.headers)
    for (const [name, value] of lines) headers.set(name, value)
    return new Response(response.body, { status: 200, headers })
  }
  const page = await town.reader({ receipts: 'verify' }, misled)(`${site.origin}/length`)
  await assert.rejects(page.text(), { code: 'provenance.mismatch' })
  assert.deepEqual([victim.requests.length, site.record.manifests, other.record.manifests], [0, 0, 0])
})

test('where the fetcher is busy there is a turn later, and a site without a manifest has said so', async () => {
  const site = await town.publish()
  const real = new Fetcher({ allowLoopback: true })
  let turns = 0
  const send = (...given) => {
    turns += 1
    if (turns < 4) return Promise.reject(Object.assign(new Error('too many'), { failure: 'busy', sent: false }))
    return real.send(...given)
  }
  const read = town.reader({ receipts: 'require', fetcher: { send } })
  assert.equal(await (await read(`${site.origin}/length`)).text(), PIECES.join(''))
  assert.deepEqual([turns, site.record.manifests], [4, 1])

  let asked = 0
  const missing = () => ((asked += 1), Promise.resolve({ status: 404, body: Buffer.alloc(0) }))
  const reader = town.reader({ receipts: 'require', fetcher: { send: missing } })
  for (let page = 0; page < 2; page += 1) {
    await assert.rejects((await reader(`${site.origin}/length`)).text(), { code: 'identity.not_found' })
  }
  assert.equal(asked, 1, 'that is remembered for a minute')
})

/** Ways in which a manifest does not come. */
const failures = {
  'no answer': () => Promise.reject(Object.assign(new Error('cut off'), { failure: 'failed', sent: true })),
  'the status 500': () => Promise.resolve({ status: 500, body: Buffer.alloc(0) }),
  'no manifest': () => Promise.resolve({ status: 200, body: Buffer.from('{') }),
}
for (const [what, fail] of Object.entries(failures)) {
  test(`a manifest that failed once is asked for with the next page: ${what}`, async (t) => {
    const site = await town.publish()
    const real = new Fetcher({ allowLoopback: true })
    let fails = true
    let signer = site.identity
    const fetcher = { send: (...given) => (fails ? fail() : real.send(...given)) }
    const read = town.reader({ receipts: 'require', fetcher }, (url, init) => forging(signer)(url, init))
    const page = async () => (await read(`${site.origin}/length`)).text()
    await assert.rejects(page())
    fails = false
    assert.equal(await page(), PIECES.join(''))
    // A new key, while the manifest cannot be fetched: what the known one says still counts.
    fails = true
    const first = signer
    signer = next(site)
    await assert.rejects(page())
    signer = first
    assert.equal(await page(), PIECES.join(''))
    assert.equal(site.record.manifests, 1)
    // No longer than five minutes: a key may have been withdrawn. And the page after the next one holds again.
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    t.mock.timers.tick(301_000)
    await assert.rejects(page())
    fails = false
    assert.equal(await page(), PIECES.join(''))
    assert.equal(site.record.manifests, 2)
  })
}

test('a new key whose manifest is gone for a moment forgets no key that is known', async () => {
  const site = await town.publish()
  const real = new Fetcher({ allowLoopback: true })
  let gone = false
  let signer = site.identity
  const absent = () => Promise.resolve({ status: 404, body: Buffer.alloc(0) })
  const fetcher = { send: (...given) => (gone ? absent() : real.send(...given)) }
  const read = town.reader({ receipts: 'require', fetcher }, (url, init) => forging(signer)(url, init))
  const page = async () => (await read(`${site.origin}/length`)).text()
  await page()
  gone = true
  const first = signer
  signer = next(site)
  await assert.rejects(page(), { code: 'identity.not_found' })
  signer = first
  assert.equal(await page(), PIECES.join(''))
  assert.equal(site.record.manifests, 1)
})
