import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Identity, MemoryReplayStore } from '../index.mjs'
import { NOW, knowing, signed, throwsCode, throwsType, warningsOf } from './support.mjs'

const agent = Identity.generate('agent.example')

/** A store over a Map, as one over a database would be. */
class Store {
  kept = new Map()

  insertIfAbsent(key, agentKey, expiresAt, now) {
    assert.ok(key instanceof Uint8Array && key.length === 16 && agentKey instanceof Uint8Array)
    assert.ok(expiresAt > now)
    const name = Buffer.from(key).toString('hex')
    if (this.kept.has(name)) return 'seen'
    this.kept.set(name, expiresAt)
    return 'fresh'
  }

  seen(key, now) {
    assert.equal(now, Date.parse(NOW))
    return this.kept.has(Buffer.from(key).toString('hex'))
  }

  horizon() {
    return null
  }
}

test('a store written in JavaScript is asked', () => {
  const replayStore = new Store()
  const headers = signed(agent)
  const codes = [0, 1].map(
    () => knowing(agent, { replayStore }).verify('GET', '/a', headers, { now: NOW }).verdict.code,
  )
  assert.deepEqual(codes, [null, 'replay.nonce_seen'])
  assert.equal(replayStore.kept.size, 1)
})

test('whatever a store does wrong is 503, and told', async () => {
  const thrower = () => {
    throw new Error('the database is gone')
  }
  // The last of the first row is an answer that a store may give: it says itself that it failed.
  const wrong = [
    ...[thrower, () => 'perhaps', () => true, () => undefined, async () => 'fresh', () => 'error'].map(
      (insertIfAbsent) => ({ insertIfAbsent }),
    ),
    ...[thrower, () => 'no', () => undefined, async () => false].map((seen) => ({ seen })),
    ...[thrower, () => 'never', () => NaN, () => 0.5, () => 1n, async () => null].map((horizon) => ({ horizon })),
  ]
  const honest = wrong[5]
  for (const methods of wrong) {
    const publisher = knowing(agent, { replayStore: Object.assign(new Store(), methods) })
    const { result, seen } = await warningsOf(() => publisher.verify('GET', '/a', signed(agent), { now: NOW }))
    const shown = Object.entries(methods).join()
    assert.deepEqual(
      [result.verdict.code, result.verdict.http, result.verdict.outcome],
      ['replay.store_error', 503, 'undecided'],
      shown,
    )
    assert.equal(seen.length > 0, methods !== honest, shown)
    assert.ok(!result.verdict.body().includes('database'))
  }
  const full = knowing(agent, { replayStore: Object.assign(new Store(), { insertIfAbsent: () => 'full' }) })
  assert.equal(full.verify('GET', '/a', signed(agent), { now: NOW }).verdict.code, 'replay.store_full')
})

test('a horizon is respected', () => {
  const replayStore = Object.assign(new Store(), { horizon: () => Date.parse(NOW) + 3_600_000 })
  const { verdict } = knowing(agent, { replayStore }).verify('GET', '/a', signed(agent), { now: NOW })
  assert.equal(verdict.code, 'time.expired')
})

test('a store without its methods is none', () => {
  for (const replayStore of [
    {},
    { insertIfAbsent() {} },
    Object.assign(new Store(), { seen: 1 }),
    7,
    'store',
    () => {},
  ]) {
    throwsType(() => knowing(agent, { replayStore }))
  }
})

test('the store in memory', () => {
  const replayStore = new MemoryReplayStore({ maxEntries: 2, maxPerAgent: 2 })
  const publisher = knowing(agent, { replayStore })
  const codes = [0, 1, 2].map(() => publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict.code)
  assert.deepEqual(codes, [null, null, 'replay.store_full'])
  assert.equal(replayStore.size, 2)
  throwsCode(() => new MemoryReplayStore({ maxEntries: -1 }), 'usage.argument')
  throwsType(() => new MemoryReplayStore({ max: 1 }))
})

test('a store that verifies itself does not lock up', () => {
  const inner = knowing(agent)
  let nested
  const replayStore = new Store()
  const publisher = knowing(agent, {
    replayStore: {
      insertIfAbsent: (...given) => {
        nested = inner.verify('GET', '/a', signed(agent), { now: NOW }).verdict.code
        return replayStore.insertIfAbsent(...given)
      },
      seen: (...given) => replayStore.seen(...given),
      horizon: () => null,
    },
  })
  assert.equal(publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict.code, null)
  assert.equal(nested, null)
})
