// Replay stores that several processes share, on real instances of Redis and PostgreSQL.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { imagxp } from '../adapters/express.mjs'
import {
  Feedback,
  Identity,
  PostgresReplayStore,
  PrivateKey,
  Publisher,
  RedisReplayStore,
  Resolver,
  feedbackHeader,
  issueVisa,
  manifestUrl,
} from '../index.mjs'
import { authority, missing, postgres, redis } from './databases.mjs'
import { freePort } from './ports.mjs'
import { AGENT_UA, ORIGIN, SECRET, policy, rejectsCode, throwsCode, throwsType } from './support.mjs'

const RACER = join(import.meta.dirname, 'racer.mjs')
const agent = Identity.generate('agent.example')
const resolver = new Resolver()
let names = 0

const signed = (identity = agent, options = {}) =>
  [...identity.sign('GET', `${ORIGIN}/a`, 'RAG_RETRIEVAL', options), AGENT_UA].flat()

function site(replayStore, { identities = [agent], members, ...options } = {}) {
  const publisher = new Publisher(policy(members), { secret: SECRET, replayStore, ...options })
  for (const identity of identities) publisher.supply(manifestUrl(identity.agentId), identity.manifest().toBytes())
  return publisher
}

const verdict = async (publisher, headers) => (await resolver.verify(publisher, 'GET', '/a', headers)).verdict
const code = async (publisher, headers) => (await verdict(publisher, headers)).code

/** Asks until there is an answer: connecting anew takes a moment. */
async function patient(publisher, headers) {
  for (let tries = 0; ; tries += 1) {
    const answer = await code(publisher, headers)
    if (answer !== 'replay.store_error' || tries > 400) return answer
    await sleep(50)
  }
}

/** That a request is accepted which nobody has shown before. An insertion that was given up may have been done: it is our own. */
async function acceptedFirst(store, publisher, headers) {
  // PostgreSQL takes connections some time before it answers.
  for (let tries = 0; tries < 400; tries += 1) {
    const well = await store.check().then(
      () => true,
      () => false,
    )
    if (well) break
    await sleep(50)
  }
  const answer = await code(publisher, headers)
  if (answer !== 'replay.store_error') return assert.equal(answer, null)
  assert.ok([null, 'replay.nonce_seen'].includes(await patient(publisher, headers)))
}

/** What each of two processes says of the same hundred requests. */
async function race(kind, address) {
  const given = {
    policy: { version: 1, origins: [ORIGIN], purposes: { RAG_RETRIEVAL: {} } },
    secret: Buffer.from(SECRET).toString('hex'),
    manifestUrl: manifestUrl(agent.agentId),
    manifest: agent.manifest().toJSON(),
    requests: Array.from({ length: 100 }, () => signed()),
  }
  const racers = [0, 1].map(() => {
    const child = spawn(process.execPath, [RACER, kind, address], { stdio: ['pipe', 'pipe', 'inherit'] })
    return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
  })
  for (const { child } of racers) child.stdin.write(`${JSON.stringify({ ...given, warmup: signed() })}\n`)
  for (const { lines } of racers) assert.equal((await lines.next()).value, 'null')
  for (const { child } of racers) child.stdin.write('go\n')
  return Promise.all(racers.map(async ({ lines }) => JSON.parse((await lines.next()).value)))
}

test('without a shared store the race has two winners', async () => {
  assert.deepEqual(await race('memory', ''), Array(2).fill(Array(100).fill(null)))
})

for (const [kind, start, Store] of [
  ['redis', redis, RedisReplayStore],
  ['postgres', postgres, PostgresReplayStore],
]) {
  describe(kind, { skip: missing() }, () => {
    let database
    /** Stores that share one set of nonces. */
    const maker = () => {
      const name = `n${(names += 1)}`
      return (options = {}) => new Store(database.address, { name, timeLimitMs: 10_000, ...options })
    }

    before(async () => {
      database = await start()
      const store = maker()()
      await acceptedFirst(store, site(store), signed())
    })
    after(() => database.end())

    test('two processes race for each nonce and one wins', async () => {
      const [one, other] = await race(kind, database.address)
      for (const [index, first] of one.entries()) {
        assert.deepEqual([first, other[index]].sort(), [null, 'replay.nonce_seen'])
      }
    })

    test('verifying by itself waits for nothing, and says what it needs', async () => {
      const publisher = site(maker()())
      const headers = signed()
      const first = publisher.verify('GET', '/a', headers)
      assert.deepEqual([first.verdict.code, first.verdict.http], ['replay.store_error', 503])
      assert.deepEqual(first.verdict.needs, [{ kind: 'replay', url: '' }])
      const copy = publisher.verify('GET', '/a', headers)
      for (const { pending } of [first, copy]) await pending.insert()
      assert.equal(publisher.resume(first.pending).verdict.isAllowed, true)
      assert.equal(publisher.resume(copy.pending).verdict.code, 'replay.nonce_seen')
      throwsCode(() => first.pending.insert(), 'usage.argument')
      // What this process knows costs no question, and no signature check.
      const again = publisher.verify('GET', '/a', headers)
      assert.deepEqual([again.verdict.code, again.pending], ['replay.nonce_seen', null])
      // Not asked: resumed without an answer, it waits again, and nobody has passed.
      const asked = publisher.verify('GET', '/a', signed())
      assert.deepEqual(publisher.resume(asked.pending).verdict.needs, [{ kind: 'replay', url: '' }])
    })

    test('quotas', async () => {
      const make = maker()
      const neighbour = Identity.generate('other.example')
      const [one, two] = [0, 1].map(() => site(make({ maxPerAgent: 2 }), { identities: [agent, neighbour] }))
      const codes = [await code(one, signed()), await code(two, signed()), await code(one, signed())]
      assert.deepEqual(codes, [null, null, 'replay.store_full'])
      assert.equal(await code(two, signed(neighbour)), null)
      // PostgreSQL counts all of them once a second.
      await sleep(1200)
      const small = site(make({ maxEntries: 3 }), { identities: [neighbour] })
      assert.equal(await code(small, signed(neighbour)), 'replay.store_full')
    })

    test('the uses of a visa are counted over processes', async () => {
      const make = maker()
      const key = PrivateKey.generate()
      const issuer = 'https://broker.example'
      const members = {
        purposes: { RAG_RETRIEVAL: { allow: true, price: { amount: '1', currency: 'USD' } } },
        payment: { required: true, brokers: [{ issuer, jwks_uri: `${issuer}/jwks`, check: 'offline' }] },
      }
      const sites = [0, 1].map(() => site(make(), { members }))
      const keys = { keys: [{ ...key.publicKey.toJwk(), kid: key.publicKey.thumbprint }] }
      for (const publisher of sites) publisher.supply(`${issuer}/jwks`, keys)
      const terms = { issuer, audience: ORIGIN, agentId: agent.agentId, jti: 'visa-0001', amount: '1', currency: 'USD' }
      const payment = issueVisa(key, { ...terms, jkt: agent.keyId, maxUses: 6 })
      const seen = []
      // The second knows nothing of what the first has counted.
      for (const index of [0, 0, 0, 1, 1, 0, 0, 1]) seen.push(await code(sites[index], signed(agent, { payment })))
      assert.deepEqual(seen, [...Array(6).fill(null), 'payment.already_used', 'payment.already_used'])
    })

    test('feedback counts once', async () => {
      const make = maker()
      const taken = async (publisher, value) => {
        const first = publisher.feedback(value)
        assert.deepEqual(first.verdict.needs, [{ kind: 'replay', url: '' }])
        await first.insert()
        const second = publisher.feedback(value, { inserted: first })
        // One insertion is one feedback.
        assert.notEqual(publisher.feedback(value, { inserted: first }).verdict.code, null)
        return second
      }
      const value = feedbackHeader(new Feedback(`${ORIGIN}/a`, '0.5', 'OTHER').sign(agent))
      const first = await taken(site(make()), value)
      assert.deepEqual([first.verdict.code, first.feedback.url], [null, `${ORIGIN}/a`])
      assert.equal((await taken(site(make()), value)).verdict.code, 'replay.nonce_seen')
    })

    test('a store that is down refuses in time, and recovers', async () => {
      const own = await start()
      try {
        const store = new Store(own.address, { timeLimitMs: 2000 })
        const publisher = site(store)
        const accepted = signed()
        await acceptedFirst(store, publisher, accepted)
        await store.check()
        await own.crash()
        const begin = performance.now()
        for (let count = 0; count < 100; count += 1) {
          const { outcome, code: why, http } = await verdict(publisher, signed())
          assert.deepEqual([outcome, why, http], ['undecided', 'replay.store_error', 503])
        }
        assert.ok(performance.now() - begin < 4000, 'who asks a store that is known to be down does not wait')
        const error = await rejectsCode(store.check(), 'io.failed')
        assert.match(error.message, /storage\.unavailable/)
        await own.start()
        assert.equal(await patient(site(store), accepted), 'replay.nonce_seen', 'what was accepted is remembered')
        await acceptedFirst(store, publisher, signed())
      } finally {
        await own.end()
      }
    })
  })
}

test('a Redis that hangs does not stop the loop', { skip: missing() }, async () => {
  const own = await redis()
  const server = createServer()
  try {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const store = new RedisReplayStore(own.address, { timeLimitMs: 2000 })
    const publisher = site(store, { members: { unsigned: 'allow' } })
    const app = express().use(imagxp({ publisher }))
    app.use((request, response) => response.end('content'))
    server.on('request', app)
    const get = (pairs) => fetch(`http://127.0.0.1:${server.address().port}/a`, { headers: pairs })
    const headers = () => [...agent.sign('GET', `${ORIGIN}/a`, 'RAG_RETRIEVAL'), AGENT_UA]
    await acceptedFirst(store, publisher, signed())
    assert.equal((await get(headers())).status, 200)
    own.freeze(true)
    const begin = performance.now()
    const waiting = get(headers()).then((answer) => [answer.status, performance.now() - begin])
    await sleep(100)
    let turns = 0
    for (const until = performance.now() + 300; performance.now() < until; turns += 1) await sleep(1)
    assert.ok(turns > 30, `the loop has turned ${turns} times only`)
    const browser = [
      ['User-Agent', 'Mozilla/5.0 Firefox/140.0'],
      ['Accept-Language', 'en'],
      ['Sec-Fetch-Mode', 'navigate'],
    ]
    assert.equal((await get(browser)).status, 200)
    assert.ok(performance.now() - begin < 1500)
    const [status, took] = await waiting
    assert.equal(status, 503)
    assert.ok(took > 1000 && took < 4000, `${took} ms`)
    own.freeze(false)
    await acceptedFirst(store, publisher, signed())
  } finally {
    server.close()
    server.closeAllConnections()
    await own.end()
  }
})

test('Redis over TLS is believed by its authority only', { skip: missing() }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'imagxp-tls-'))
  const other = join(folder, 'other')
  await mkdir(other)
  const { ca, chain, key } = authority(folder)
  const stranger = authority(other).ca
  const port = await freePort()
  const own = await redis(
    ...['--tls-port', `${port}`, '--tls-cert-file', chain, '--tls-key-file', key, '--tls-auth-clients', 'no'],
  )
  try {
    const url = `rediss://localhost:${port}`
    const believed = new RedisReplayStore(url, { caFile: ca, timeLimitMs: 10_000 })
    const publisher = site(believed)
    const headers = signed()
    await acceptedFirst(believed, publisher, headers)
    assert.equal(await code(publisher, headers), 'replay.nonce_seen')
    // Another authority, those of the Internet, and a name that is not the certificate's.
    for (const [address, caFile] of [
      [url, stranger],
      [url, undefined],
      [`rediss://127.0.0.1:${port}`, ca],
    ]) {
      const store = new RedisReplayStore(address, { caFile, timeLimitMs: 5000 })
      const error = await rejectsCode(store.check(), 'io.failed')
      assert.match(error.message, /certificate|tls/i)
      assert.equal(await code(site(store), signed()), 'replay.store_error')
    }
    throwsCode(() => new RedisReplayStore(url, { caFile: join(folder, 'nothing.pem') }), 'usage.argument')
  } finally {
    await own.end()
    await rm(folder, { recursive: true, force: true })
  }
})

test('misuse', async () => {
  const address = 'redis://localhost'
  throwsCode(() => new RedisReplayStore('redis://:s3cret@['), 'usage.argument', /^(?!.*s3cret)/)
  throwsCode(() => new PostgresReplayStore('nonsense s3cret'), 'usage.argument', /^(?!.*s3cret)/)
  throwsCode(() => new RedisReplayStore(address, { name: 'A-b' }), 'usage.argument')
  throwsCode(() => new RedisReplayStore(address, { connections: 0 }), 'usage.argument')
  throwsCode(() => new RedisReplayStore(address, { timeLimitMs: 0 }), 'usage.argument')
  throwsCode(() => new RedisReplayStore(address, { timeLimitMs: -1 }), 'usage.argument')
  throwsType(() => new RedisReplayStore(address, { timeLimit: 1 }))
  throwsType(() => new RedisReplayStore(7))
  // Without it each process would have keys of its own, and each would accept a copy.
  const replayStore = new RedisReplayStore(address)
  throwsCode(() => new Publisher(policy(), { replayStore }), 'usage.argument', /secret/)
  const nobody = site(new PostgresReplayStore('postgres://user@127.0.0.1:1/x', { timeLimitMs: 1000 }))
  assert.equal(await code(nobody, signed()), 'replay.store_error')
})
