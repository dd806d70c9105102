// Many requests at once, signed and verified: the same as one by one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Identity, Publisher, Verification, contentDigest, manifestUrl } from '../index.mjs'
import { AGENT_UA, NOW, ORIGIN, SECRET, knowing, policy, signed, throwsCode, throwsType } from './support.mjs'

const agent = Identity.generate('agent.example')
const at = Date.parse(NOW)

/** Good ones, and among them copies, forgeries, one without a signature and one for another page. */
function mixed(count) {
  const first = signed(agent)
  return Array.from({ length: count }, (_, index) => {
    const own = signed(agent)
    const forged = (list) => list.with(list.indexOf('x-imagxp-signature') + 1, '11'.repeat(64))
    if (index % 8 === 1) return ['GET', '/a', first]
    if (index % 8 === 3) return ['GET', '/a', forged(own)]
    if (index % 8 === 5) return ['GET', '/a', []]
    if (index % 8 === 6) return ['GET', '/b', own]
    return ['GET', '/a', own]
  })
}

test('a batch has the verdicts of one by one, and spends in the same order', () => {
  const requests = mixed(40)
  const store = () => {
    const keys = []
    const insertIfAbsent = (key) => {
      const hex = Buffer.from(key).toString('hex')
      if (keys.includes(hex)) return 'seen'
      keys.push(hex)
      return 'fresh'
    }
    return { keys, insertIfAbsent, seen: () => false, horizon: () => null }
  }
  const [alone, together] = [store(), store()]
  const single = knowing(agent, { replayStore: alone })
  const expected = requests.map((request) => single.verify(...request, { now: NOW }).verdict.code)
  const batched = knowing(agent, { replayStore: together })
  const verified = [
    ...batched.verifyBatch(requests.slice(0, 10), { now: NOW }),
    ...batched.verifyBatch(requests.slice(10), { now: NOW }),
  ]
  assert.ok(verified.every((one) => one instanceof Verification && one.pending === null))
  assert.deepEqual(
    verified.map(({ verdict }) => verdict.code),
    expected,
  )
  assert.deepEqual(together.keys, alone.keys)
  assert.equal(alone.keys.length, 21)
  assert.deepEqual(batched.verifyBatch([], { now: NOW }), [])
})

test('undecided ones are resumed, each by itself', () => {
  const publisher = new Publisher(policy(), { secret: SECRET })
  const twice = signed(agent)
  const verified = publisher.verifyBatch(
    [
      ['GET', '/a', twice],
      ['GET', '/a', twice],
      ['GET', '/a', signed(agent)],
    ],
    { now: NOW },
  )
  publisher.supply(manifestUrl(agent.agentId), agent.manifest().toBytes(), { now: NOW })
  const codes = verified.map(({ pending }) => publisher.resume(pending, { now: NOW }).verdict.code)
  assert.deepEqual(codes, [null, 'replay.nonce_seen', null])
})

test('headers in every form, a value with the separator in it, and bodies', () => {
  const publisher = knowing(agent)
  const digest = contentDigest(Buffer.from('body'))
  const withBody = () => [
    ...agent.sign('GET', `${ORIGIN}/a`, 'RAG_RETRIEVAL', { now: NOW, contentDigest: digest }),
    AGENT_UA,
  ]
  const verified = publisher.verifyBatch(
    [
      ['GET', '/a', [...agent.sign('GET', `${ORIGIN}/a`, 'RAG_RETRIEVAL', { now: NOW }), AGENT_UA]],
      ['GET', '/a', new Headers(withBody()), digest],
      ['GET', '/a', withBody(), null],
      ['GET', '/a', [...signed(agent), 'x-note', 'two\nlines']],
    ],
    { now: NOW },
  )
  assert.deepEqual(
    verified.map(({ verdict }) => verdict.code),
    [null, null, 'claim.digest_mismatch', null],
  )
  for (const wrong of [
    undefined,
    'GET',
    {},
    [['GET', '/a']],
    [['GET', '/a', [], null, 1]],
    [['GET', '/a', 'x']],
    [['GET', 1, []]],
    [['GET', '/a', [], 1]],
  ]) {
    throwsType(() => publisher.verifyBatch(wrong, { now: NOW }))
  }
  throwsType(() => publisher.verifyBatch([], { bodyDigest: digest }))
})

test('a batch is signed as one by one', () => {
  const options = [
    { adsDisplayed: true, context: { a: 'é' } },
    { contentDigest: contentDigest(Buffer.from('x')) },
    { payment: 'a.b.c', proof: 'd.e.f', compatible: true },
    ...Array.from({ length: 30 }, () => ({})),
  ].map((own, index) => ({ ...own, nonce: `nonce-${String(index).padStart(12, '0')}`, now: at + index }))
  const batch = agent.signBatch(options.map((own) => ['POST', `${ORIGIN}/x`, 'SUMMARY', own]))
  assert.deepEqual(
    batch,
    options.map((own) => agent.sign('POST', `${ORIGIN}/x`, 'SUMMARY', own)),
  )
  const claims = agent
    .signBatch(
      [
        ['GET', `${ORIGIN}/`, 'SUMMARY', { now: at + 5000 }],
        ['GET', `${ORIGIN}/`, 'SUMMARY'],
        ['GET', `${ORIGIN}/`, 'SUMMARY', undefined],
      ],
      { now: NOW },
    )
    .map((headers) => JSON.parse(Buffer.from(new Map(headers).get('x-imagxp-payload'), 'base64')))
  assert.deepEqual(
    claims.map(({ ts }) => Date.parse(ts) - at),
    [5000, 0, 0],
  )
  assert.equal(new Set(claims.map(({ nonce }) => nonce)).size, 3)
  assert.deepEqual(agent.signBatch([]), [])
})

test('a batch is signed whole or not at all', () => {
  let calls = 0
  const external = Identity.external('agent.example', agent.publicKey, () => {
    calls += 1
    throw new Error('locked')
  })
  const good = ['GET', `${ORIGIN}/`, 'SUMMARY']
  throwsCode(
    () => external.signBatch([good, ['GET', '/relative', 'SUMMARY']]),
    'usage.argument',
    /request 1: `\/relative`/,
  )
  const nonce = { nonce: 'nonce-000000000000' }
  throwsCode(() => external.signBatch([[...good, nonce], good, [...good, nonce]]), 'usage.argument', /request 2/)
  assert.equal(calls, 0)
  throwsCode(() => external.signBatch([good, good]), 'usage.signer')
  assert.equal(calls, 1)
  for (const wrong of [
    undefined,
    'GET',
    [['GET']],
    ['GET'],
    [['GET', 1, 'SUMMARY']],
    [[...good, { nonse: 'x' }]],
    [[...good, {}, 1]],
  ]) {
    throwsType(() => agent.signBatch(wrong))
  }
  throwsCode(() => agent.signBatch([['GET', `${ORIGIN}/`, 'READING']]), 'usage.argument', /READING/)
})
