// The whole triangle with the real broker, a process of its own: deposit, 402, visa, content, redemption, feedback, statement.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { imagxp } from '../adapters/express.mjs'
import {
  Agent,
  BrokerClient,
  BrokerError,
  Caps,
  Feedback,
  Fetcher,
  Identity,
  Policy,
  Presented,
  Redeemer,
  Wallet,
} from '../index.mjs'
import { freePort } from './ports.mjs'
import { folder, rejectsCode, throwsCode, throwsType, warningsOf } from './support.mjs'

const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const PROGRAM = join(process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target'), 'debug', 'imagxp')
const LOOPBACK = { allowLoopback: true }

let service
let operator
const servers = []

/** Starts the broker on the data of `service`. */
async function start() {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('IMAGXP_')))
  const child = spawn(PROGRAM, service.args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')])
  const { issuer, operator_token: token } = JSON.parse(line)
  Object.assign(service, { child, issuer, token: token ?? service.token })
}

before(async () => {
  assert.ok(existsSync(PROGRAM), 'the command line is not built: cargo build -p imagxp-cli')
  const data = await mkdtemp(join(tmpdir(), 'imagxp-'))
  const listen = `127.0.0.1:${await freePort()}`
  const args = ['--json', 'serve', '--dev', '--data', data, '--listen', listen, '--admin-listen', '127.0.0.1:0']
  service = { args, data }
  await start()
  operator = BrokerClient.operator(service.issuer, service.token, LOOPBACK)
})

after(async () => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  service.child.kill()
  await once(service.child, 'exit')
  await rm(service.data, { recursive: true })
})

/** A domain on this machine whose manifest the broker can fetch. */
async function party(handle) {
  const own = {}
  const server = createServer((request, response) => {
    if (request.url === '/.well-known/imagxp-agent.json') {
      response.setHeader('content-type', 'application/json').end(own.identity.manifest().toBytes())
    } else if (own.handle === undefined) {
      response.writeHead(404).end()
    } else {
      own.handle(request, response)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  servers.push(server)
  const name = `127.0.0.1:${server.address().port}`
  own.origin = `http://${name}`
  own.identity = Identity.generate(name, 'ES256', LOOPBACK)
  own.client = new BrokerClient(service.issuer, own.identity, LOOPBACK)
  own.handle = handle?.(own)
  return own
}

async function agent() {
  const own = await party()
  await operator.deposit(own.identity.agentId, '10', { asset: 'USD', reference: own.identity.agentId })
  return own
}

/** A publisher whose pages cost 0.5 USD; a broker is asked before they are served. */
const site = (check, served = [], options = () => ({})) =>
  party(({ origin, client }) => {
    const policy = Policy.fromJson({
      version: 1,
      origins: [origin],
      allow_loopback: true,
      purposes: { SUMMARY: { allow: true, price: { amount: '0.5', currency: 'USD' } } },
      payment: {
        required: true,
        brokers: [{ issuer: service.issuer, jwks_uri: `${service.issuer}/.well-known/jwks.json`, check }],
      },
    })
    const app = express()
    app.use(imagxp({ policy, ...(check === 'redeem' ? { redeem: client } : {}), ...options(client) }))
    app.use((request, response) => {
      if ('x-imagxp-payment' in request.headers) served.push(Presented.ofRequest(request.rawHeaders))
      response.end('content')
    })
    return app
  })

const reader = ({ identity }) =>
  new Agent(identity, 'SUMMARY', 'TestBot', {
    ...LOOPBACK,
    wallet: new Wallet([new Caps('USD', '1')]),
    brokers: [service.issuer],
  })

const balance = async ({ client }) => (await client.account()).accounts[0]?.balance ?? '0'

test('deposit, 402, visa, content, redemption, feedback, statement', async () => {
  const [buyer, publisher] = [await agent(), await site('redeem')]
  const page = await reader(buyer).read(`${publisher.origin}/page`)
  assert.equal(page.body.toString(), 'content')
  assert.equal(page.report.payment.state, 'bought')
  const [visa] = (await buyer.client.visas({ limit: 5 })).visas
  assert.deepEqual([visa.state, visa.amount, visa.publisher], ['REDEEMED', '0.5', publisher.identity.agentId])
  assert.equal(await balance(publisher), '0')
  const feedback = new Feedback(page.url, 0.9, 'HIGH_QUALITY', { jti: visa.jti })
  const released = await buyer.client.feedback(feedback)
  assert.deepEqual([released.state, released.fee], ['RELEASED', '0.01'])
  assert.deepEqual([await balance(buyer), await balance(publisher)], ['9.5', '0.49'])
  const twice = await rejectsCode(buyer.client.feedback(feedback), 'feedback.already_given')
  assert.ok(twice instanceof BrokerError)
  assert.deepEqual([twice.status, twice.unknown, twice.transient], [409, false, false])
  assert.ok(twice.requestId.length > 0 && twice.idempotencyKey.length >= 16)

  // Bad: withheld, contested, decided.
  await reader(buyer).read(`${publisher.origin}/bad`)
  const [{ jti }] = (await buyer.client.visas({ state: 'REDEEMED' })).visas
  const withheld = await buyer.client.feedback(new Feedback(page.url, '0.1', 'INACCURATE', { jti }))
  assert.equal(withheld.state, 'WITHHELD')
  assert.equal((await publisher.client.contest(jti, 'it is what it is')).state, 'DISPUTED')
  assert.equal((await operator.decide(jti, 'split', { amount: '0.25', memo: 'half' })).state, 'SPLIT')
  assert.equal((await publisher.client.visa(jti)).released, '0.25')

  const statement = await buyer.client.statement({ asset: 'USD' })
  assert.deepEqual([statement.opening, statement.closing], ['0', '9.25'])
  assert.equal((await publisher.client.statement({ since: '2020-01-01T00:00:00Z' })).closing, '0.735')
  const transfers = await buyer.client.transfers({ limit: 2 })
  assert.equal(transfers.transfers.length, 2)
  assert.ok((await buyer.client.transfers({ cursor: transfers.next_cursor })).transfers.length > 0)
  await rejectsCode(buyer.client.account(publisher.identity.agentId), 'account.not_found')
})

test('visas are redeemed after they were served, each once', async () => {
  const served = []
  const [buyer, publisher] = [await agent(), await site('offline', served)]
  for (const path of ['/a', '/b']) assert.equal((await reader(buyer).read(publisher.origin + path)).status, 200)
  const results = await publisher.client.redeem([...served, served[0]], { key: 'batch-0000-0000-1' })
  assert.deepEqual(
    results.map(({ accepted, error }) => [accepted, error?.code]),
    [
      [true, undefined],
      [true, undefined],
      [false, 'visa.state'],
    ],
  )
  const again = await publisher.client.redeem([...served, served[0]], { key: 'batch-0000-0000-1' })
  assert.deepEqual(
    again.map(({ repeated }) => repeated),
    [true, true, false],
  )
})

/** What a redeemer tells, and the redeemer. */
function redeeming(client, options) {
  const outcomes = []
  const redeemer = new Redeemer(client, (...outcome) => outcomes.push(outcome), options)
  return { outcomes, redeemer }
}

test('visas are redeemed in the background', async () => {
  const served = []
  const [buyer, publisher] = [await agent(), await site('offline', served)]
  for (const path of ['/a', '/b', '/c']) assert.equal((await reader(buyer).read(publisher.origin + path)).status, 200)
  const states = async () => (await buyer.client.visas()).visas.map(({ state }) => state)
  assert.deepEqual(await states(), ['ISSUED', 'ISSUED', 'ISSUED'])

  const { outcomes, redeemer } = redeeming(publisher.client, { capacity: 4, intervalMs: 600_000 })
  for (const presented of [...served, served[0]]) redeemer.push(presented)
  throwsCode(() => redeemer.push(served[0]), 'redeemer.full')
  assert.deepEqual(redeemer.tally, { waiting: 4, accepted: 0, refused: 0, failed: 0 })
  assert.equal(await redeemer.flush(), true)
  assert.deepEqual(redeemer.tally, { waiting: 0, accepted: 3, refused: 1, failed: 0 })
  assert.equal(await redeemer.close(), 0)
  throwsCode(() => redeemer.push(served[0]), 'redeemer.closed')
  assert.deepEqual(
    outcomes.map(([presented]) => presented.visa),
    [...served, served[0]].map(({ visa }) => visa),
  )
  assert.deepEqual(
    outcomes.map(([, result, error]) => [result.accepted, result.error?.code, error]),
    [...Array(3).fill([true, undefined, null]), [false, 'visa.state', null]],
  )
  assert.deepEqual(await states(), ['REDEEMED', 'REDEEMED', 'REDEEMED'])
})

test('a visa waits for others no longer than the interval', async () => {
  const served = []
  const [buyer, publisher] = [await agent(), await site('offline', served)]
  await reader(buyer).read(`${publisher.origin}/a`)
  const redeemed = new Promise((resolve) => {
    new Redeemer(publisher.client, (presented, result) => resolve(result), { intervalMs: 50 }).push(served[0])
  })
  assert.equal((await redeemed).accepted, true)
})

test('an adapter hands visas to a redeemer, once', async () => {
  for (const [check, expected] of [
    ['offline', ['ISSUED', 'REDEEMED', 'REDEEMED']],
    // The broker was asked before: there is nothing left to redeem.
    ['redeem', ['REDEEMED', 'REDEEMED', 'REDEEMED']],
  ]) {
    let told
    const faults = []
    const options = (client) => {
      told = redeeming(client, { capacity: 2, intervalMs: 600_000 })
      return { redeemer: told.redeemer, onError: (error) => faults.push(error.code) }
    }
    const [buyer, publisher] = [await agent(), await site(check, [], options)]
    for (const path of ['/a', '/b', '/c']) assert.equal((await reader(buyer).read(publisher.origin + path)).status, 200)
    assert.equal(await told.redeemer.close(), 0)
    const states = (await buyer.client.visas()).visas.map(({ state }) => state)
    assert.deepEqual(states.sort(), expected)
    // One more than there is room for is served all the same, and said.
    assert.deepEqual([told.outcomes.length, faults], check === 'offline' ? [2, ['redeemer.full']] : [0, []])
  }
})

test('what cannot be presented is reported, and a failing report does no harm', async () => {
  const { client, identity } = await agent()
  const gone = new BrokerClient(`http://127.0.0.1:${await freePort()}`, identity, LOOPBACK)
  const visa = await client.issue('http://127.0.0.1:1', '0.5', 'USD', 'SUMMARY')
  const headers = identity.sign('GET', 'http://127.0.0.1:1/', 'SUMMARY', { payment: visa.token })
  const outcomes = []
  for (const fail of [
    () => {
      throw new Error('the site is at fault')
    },
    () => Promise.reject(new Error('the site is at fault')),
  ]) {
    const told = (...outcome) => {
      outcomes.push(outcome)
      return fail()
    }
    const redeemer = new Redeemer(gone, told, { intervalMs: 0 })
    redeemer.push(Presented.ofRequest(headers))
    const { result, seen } = await warningsOf(() => redeemer.close(300))
    assert.equal(result, 1)
    assert.deepEqual(
      seen.map(({ message, detail }) => [message, /at fault/.test(detail)]),
      [['onOutcome failed', true]],
    )
  }
  for (const [presented, result, error] of outcomes) {
    assert.deepEqual([presented.visa, result], [visa.token, null])
    assert.ok(error instanceof BrokerError)
    assert.equal(error.code, 'broker.unreachable')
  }
  assert.equal(outcomes.length, 2)
})

test('the broker is away for a while: what waits is redeemed when it is back', async () => {
  const served = []
  const [buyer, publisher] = [await agent(), await site('offline', served)]
  for (const path of ['/a', '/b']) await reader(buyer).read(publisher.origin + path)
  const { outcomes, redeemer } = redeeming(publisher.client, { intervalMs: 0, batch: 1 })
  service.child.kill('SIGKILL')
  await once(service.child, 'exit')
  for (const presented of served) redeemer.push(presented)
  assert.equal(await redeemer.flush(1000), false)
  assert.deepEqual([redeemer.tally.waiting, outcomes], [2, []])
  await start()
  assert.equal(await redeemer.flush(), true)
  assert.deepEqual(redeemer.tally, { waiting: 0, accepted: 2, refused: 0, failed: 0 })
  assert.equal(await redeemer.close(), 0)
})

test('a process that has nothing left to do redeems what waits', async (t) => {
  const [buyer, publisher] = [await agent(), await site('offline')]
  const visa = await buyer.client.issue(publisher.origin, '0.5', 'USD', 'SUMMARY')
  const headers = buyer.identity.sign('GET', `${publisher.origin}/b`, 'SUMMARY', { payment: visa.token })
  const key = join(await folder(t), 'key.pem')
  await publisher.identity.save(key)
  const given = { issuer: service.issuer, name: publisher.identity.agentId, key, headers }
  const program = `
    import { BrokerClient, Identity, Presented, Redeemer } from ${JSON.stringify(join(REPOSITORY, 'bindings/node/index.mjs'))}
    const { issuer, name, key, headers } = ${JSON.stringify(given)}
    const identity = await Identity.load(name, key, { allowLoopback: true })
    const client = new BrokerClient(issuer, identity, { allowLoopback: true })
    const told = (presented, result, error) => console.log(JSON.stringify([result?.accepted, error?.code]))
    new Redeemer(client, told, { intervalMs: 3_600_000 }).push(Presented.ofRequest(headers))
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [[line], [status]] = await Promise.all([once(createInterface(child.stdout), 'line'), once(child, 'exit')])
  assert.deepEqual([line, status], ['[true,null]', 0])
  assert.equal((await buyer.client.visa(visa.jti)).state, 'REDEEMED')
})

test('a visa that the broker refuses buys nothing', async () => {
  const served = []
  const [buyer, publisher] = [await agent(), await site('redeem', served)]
  const visa = await buyer.client.issue(publisher.origin, '0.5', 'USD', 'SUMMARY')
  const url = `${publisher.origin}/page`
  const headers = [
    ...buyer.identity.sign('GET', url, 'SUMMARY', { payment: visa.token }),
    ['User-Agent', 'test IMAGXP/1.0'],
  ]
  assert.equal(await publisher.client.confirm(Presented.ofRequest(headers)), 'accepted')
  assert.equal(await publisher.client.confirm(Presented.ofRequest(headers)), 'refused')
  const answer = await new Fetcher(LOOPBACK).send('GET', url, headers)
  assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [402, 'payment.invalid_token'])
  assert.deepEqual(served, [])
})

test('one key is one purchase', async () => {
  const { client } = await agent()
  const buy = (amount) => client.issue('http://127.0.0.1:9', amount, 'USD', 'SUMMARY', { key: 'purchase-0000-0002' })
  assert.equal((await buy('0.25')).jti, (await buy('0.25')).jti)
  assert.equal((await client.account()).accounts[0].available, '9.75')
  await rejectsCode(buy('0.26'), 'idempotency.mismatch')
  await rejectsCode(client.issue('http://127.0.0.1:9', '1000', 'USD', 'SUMMARY'), 'account.insufficient')
  assert.equal((await client.metadata()).issuer, service.issuer)
})

test('a broker that is not there', async () => {
  const { identity } = await agent()
  const client = new BrokerClient(`http://127.0.0.1:${await freePort()}`, identity, { ...LOOPBACK, attempts: 1 })
  const error = await rejectsCode(client.contest('a-visa', 'no'), 'broker.unreachable')
  assert.deepEqual([error.status, error.unknown, error.transient], [null, false, true])
})

test('misuse', async () => {
  const { client, identity } = await agent()
  throwsCode(() => new BrokerClient('http://broker.example', identity), 'usage.argument')
  throwsCode(() => new BrokerClient(service.issuer, identity), 'usage.argument')
  throwsCode(() => BrokerClient.operator(service.issuer, 'a b', LOOPBACK), 'usage.argument')
  throwsCode(
    () => new BrokerClient(service.issuer, identity, { ...LOOPBACK, fetcher: new Fetcher() }),
    'usage.argument',
  )
  throwsCode(() => client.issue('http://127.0.0.1:9', '1', 'USD', 'READING'), 'usage.argument')
  throwsCode(() => Presented.ofRequest({ 'x-imagxp-payload': 'p' }), 'usage.argument')
  throwsType(() => client.visas({ limits: 1 }))
  throwsType(() => new Redeemer(client, null))
  throwsType(() => new Redeemer(client, () => {}, { interval: 5 }))
  throwsCode(() => new Redeemer(client, () => {}, { batch: 0 }), 'usage.argument')
  throwsCode(() => new Redeemer(client, () => {}, { intervalMs: -1 }), 'usage.argument')
  throwsCode(() => new Redeemer(operator, () => {}), 'usage.argument')
  throwsType(() => client.redeem(['x']))
  const policy = Policy.fromJson({ version: 1, origins: ['https://pub.example'], purposes: {} })
  assert.throws(() => imagxp({ policy, redeemer: client }), /redeemer is a Redeemer/)
  await rejectsCode(client.redeem([]), 'usage.argument')
  await rejectsCode(client.visa('../x'), 'usage.argument')
  await rejectsCode(operator.account(), 'usage.argument')
  await rejectsCode(
    BrokerClient.operator(service.issuer, 'imagxp_op_none', LOOPBACK).account('a.example'),
    'auth.token_invalid',
  )
})
