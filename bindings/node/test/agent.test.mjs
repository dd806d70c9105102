// An agent that reads from a real publisher and pays a real broker, both on loopback: what they receive is what counts.

import assert from 'node:assert/strict'
import { createPrivateKey, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  Agent,
  Caps,
  Identity,
  ImagxpError,
  PrivateKey,
  Publisher,
  ReadError,
  Wallet,
  assertionAgent,
  issueVisa,
  manifestUrl,
  readOffer,
  signAssertion,
  verifyAssertion,
} from '../index.mjs'
import { ORIGIN, SECRET, folder, policy, rejectsCode, serving, throwsCode, throwsType } from './support.mjs'

async function text(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** A broker that verifies each assertion, and a site where `/paid` costs 0.01 USD. */
async function world(t, reader) {
  const broker = { key: PrivateKey.generate(), sold: [], issuer: '' }
  broker.issuer = await serving(t, async (request, response) => {
    const form = new URLSearchParams(await text(request))
    const assertion = form.get('client_assertion')
    assert.equal(assertionAgent(assertion), reader.agentId)
    const asked = verifyAssertion(assertion, reader.manifest(), `${broker.issuer}/oauth/token`)
    assert.equal(asked.agentId, reader.agentId)
    const jti = request.headers['idempotency-key']
    broker.sold.push(jti)
    const visa = issueVisa(broker.key, {
      issuer: broker.issuer,
      audience: form.get('resource'),
      agentId: asked.agentId,
      jkt: asked.keyId,
      jti,
      amount: form.get('amount'),
      currency: form.get('currency'),
      purposes: [form.get('purposes')],
    })
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ access_token: visa, token_type: 'Bearer', expires_in: 600 }))
  })

  let publisher
  const site = { requests: [], origin: '' }
  site.origin = await serving(t, (request, response) => {
    site.requests.push(request.url)
    if (request.url === '/robots.txt') return response.end('User-agent: *\nDisallow: /private\n')
    if (request.url.startsWith('/.well-known/')) return response.writeHead(404).end()
    const { verdict } = publisher.verify(request.method, request.url, request.rawHeaders)
    response.writeHead(verdict.http, Object.fromEntries(verdict.responseHeaders))
    return response.end(verdict.isAllowed ? `content of ${request.url}` : verdict.body())
  })
  const rules = policy({
    origins: [site.origin],
    allow_loopback: true,
    purposes: { SUMMARY: {} },
    paths: [{ match: '/paid*', price: { amount: '0.01', currency: 'USD' } }],
    payment: { brokers: [{ issuer: broker.issuer, jwks_uri: `${broker.issuer}/jwks.json` }] },
  })
  publisher = new Publisher(rules, { secret: SECRET })
  publisher.supply(manifestUrl(reader.agentId), reader.manifest().toBytes())
  const { publicKey } = broker.key
  publisher.supply(`${broker.issuer}/jwks.json`, { keys: [{ ...publicKey.toJwk(), kid: publicKey.thumbprint }] })
  return { broker, site }
}

const caps = () => new Caps('USD', '0.05', { perDay: '0.1' })
const key = PrivateKey.generate()
const native = createPrivateKey(key.toPem())
const inMemory = new Identity('reader.example', key)
const external = Identity.external('reader.example', key.publicKey, (message) => sign('sha256', message, native), {
  der: true,
})

for (const [what, reader] of [
  ['a key in memory', inMemory],
  ['an external signer, called back on its own thread', external],
]) {
  test(`a page is read and paid once with ${what}`, async (t) => {
    const { broker, site } = await world(t, reader)
    const wallet = new Wallet([caps()])
    const options = { wallet, brokers: [broker.issuer], allowLoopback: true, userAgent: 'Test/1' }
    const agent = new Agent(reader, 'SUMMARY', 'TestBot', options)
    const page = await agent.read(`${site.origin}/paid/1`)
    assert.deepEqual(
      [page.status, page.body.toString(), page.url],
      [200, 'content of /paid/1', `${site.origin}/paid/1`],
    )
    assert.ok(page.headers.some(([name]) => name === 'date'))
    assert.equal(page.report.payment.state, 'bought')
    assert.deepEqual(
      page.report.steps.slice(0, 4).map(({ step }) => step),
      ['robots', 'policy', 'request', 'offer'],
    )
    assert.deepEqual([broker.sold, wallet.spent('USD')], [[page.report.payment.purchase], '0.01'])
    assert.equal((await agent.read(`${site.origin}/free`, { method: 'HEAD' })).report.payment.state, 'none')
    const denied = await rejectsCode(agent.read(`${site.origin}/private`), 'robots.denied')
    assert.ok(denied instanceof ReadError)
    assert.equal(denied.report.steps.at(-1).step, 'robots')
    assert.deepEqual([wallet.spentToday('USD'), wallet.open, broker.sold.length], ['0.01', [], 1])
  })
}

test('caps and brokers', async (t) => {
  const { broker, site } = await world(t, inMemory)
  for (const [wallet, brokers, code] of [
    [new Wallet(), [broker.issuer], 'spend.limit'],
    [new Wallet([new Caps('USD', '0.009')]), [broker.issuer], 'spend.limit'],
    [new Wallet([caps()]), [], 'spend.broker_denied'],
    [new Wallet([caps()]), ['https://other.example'], 'spend.broker_denied'],
  ]) {
    const agent = new Agent(inMemory, 'SUMMARY', 'TestBot', { wallet, brokers, allowLoopback: true })
    await rejectsCode(agent.read(`${site.origin}/paid`), code)
    assert.equal(wallet.spent('USD'), '0')
  }
  assert.deepEqual(broker.sold, [])
  const brokers = [[broker.issuer, `${broker.issuer}/oauth/token`]]
  const agent = new Agent(inMemory, 'SUMMARY', 'TestBot', {
    wallet: new Wallet([caps()]),
    brokers,
    allowLoopback: true,
  })
  assert.equal((await agent.read(`${site.origin}/paid`)).status, 200)
})

test('a signer that fails ends the read with its reason', async (t) => {
  const { site } = await world(t, inMemory)
  const broken = Identity.external('reader.example', key.publicKey, () => {
    throw new Error('the HSM is gone')
  })
  const agent = new Agent(broken, 'SUMMARY', 'TestBot', { allowLoopback: true })
  const error = await rejectsCode(agent.read(`${site.origin}/free`), 'usage.signer')
  assert.equal(error.cause.message, 'the HSM is gone')
})

test('the machine without I/O', () => {
  const wallet = new Wallet([caps()])
  const agent = new Agent(inMemory, 'SUMMARY', 'TestBot', {
    wallet,
    brokers: ['https://broker.example'],
    discover: false,
  })
  const visit = agent.visit('GET', `${ORIGIN}/paid`)
  const first = visit.start()
  assert.deepEqual(
    [first.kind, first.method, first.url, first.report, first.error],
    ['send', 'GET', `${ORIGIN}/paid`, null, null],
  )
  assert.ok(first.headers.some(([name]) => name === 'x-imagxp-payload'))
  const offer = {
    error: {},
    offer: {
      price: '0.01',
      currency: 'USD',
      purposes: ['SUMMARY'],
      brokers: [{ issuer: 'https://broker.example', token_endpoint: 'https://broker.example/oauth/token' }],
    },
  }
  assert.deepEqual(readOffer(JSON.stringify(offer)), {
    price: '0.01',
    currency: 'USD',
    purposes: ['SUMMARY'],
    brokers: [{ issuer: 'https://broker.example', tokenEndpoint: 'https://broker.example/oauth/token' }],
  })
  throwsCode(() => readOffer('{}'), 'offer.malformed')
  const second = visit.answered(402, [], JSON.stringify(offer))
  assert.deepEqual(
    [second.kind, second.method, second.url],
    ['request_token', 'POST', 'https://broker.example/oauth/token'],
  )
  assert.match(second.body.toString(), /client_assertion=/)
  const last = visit.failed('the line broke', { sent: true })
  assert.equal(last.kind, 'refused')
  assert.ok(last.error instanceof ImagxpError)
  assert.deepEqual([last.error.report.url, last.report.url], [`${ORIGIN}/paid`, `${ORIGIN}/paid`])
  assert.equal(wallet.open.length, 1)
  assert.equal(wallet.open[0].phase, 'unknown')
  throwsType(() => visit.answered('200', [], ''))
  throwsType(() => visit.answered(200, 7, ''))
  const done = new Agent(inMemory, 'SUMMARY', 'TestBot', { discover: false }).visit('GET', `${ORIGIN}/free`)
  done.start({ nonce: 'a-nonce-of-32-characters-0123456', now: Date.now() })
  assert.equal(done.answered(200, { 'content-type': 'text/plain' }, 'body').kind, 'done')
})

test('a wallet that is closed lets its file go', async (t) => {
  const path = join(await folder(t), 'books')
  const wallet = new Wallet([caps()], { path })
  const terms = { agentId: 'a.example', issuer: 'https://broker.example', audience: 'https://pub.example' }
  const price = { ...terms, purpose: 'SUMMARY', amount: '0.01', currency: 'USD' }
  assert.equal(wallet.reserve('purchase-0000000000000001', price), null)
  assert.throws(() => new Wallet([caps()], { path }), { code: 'io.failed', message: /here or in another process/ })
  wallet.close()
  wallet.close()
  const next = new Wallet([caps()], { path })
  assert.deepEqual(
    [next.open.map(({ phase }) => phase), next.spent('USD'), wallet.spent('USD')],
    [['unknown'], '0.01', '0.01'],
  )
  throwsCode(() => wallet.reserve('purchase-0000000000000002', price), 'io.failed')
  throwsCode(() => wallet.settle('purchase-0000000000000001', 'released'), 'io.failed')
  assert.equal(next.open.length, 1)
  const another = new Wallet([caps()])
  another.close()
  throwsCode(() => another.reserve('purchase-0000000000000001', price), 'io.failed')
})

test('a step of a visit away from the event loop', async (t) => {
  const path = join(await folder(t), 'books')
  const wallet = new Wallet([caps()], { path })
  let signed = 0
  let visit = null
  const signer = (message) => {
    signed += 1
    // The step that asks for this signature holds the visit, and waits for this thread.
    if (visit !== null) throwsCode(() => visit.failed('meanwhile'), 'usage.argument')
    return sign('sha256', message, native)
  }
  const identity = Identity.external('reader.example', key.publicKey, signer, { der: true })
  const agent = new Agent(identity, 'SUMMARY', 'TestBot', {
    wallet,
    brokers: ['https://broker.example'],
    discover: false,
  })
  const begun = agent.visit('GET', `${ORIGIN}/paid`)
  assert.equal(begun.start().kind, 'send')
  visit = begun
  signed = 0
  const offer = {
    price: '0.01',
    currency: 'USD',
    purposes: ['SUMMARY'],
    brokers: [{ issuer: 'https://broker.example', token_endpoint: 'https://broker.example/oauth/token' }],
  }
  const asked = visit.answeredAsync(402, [], JSON.stringify({ offer }))
  assert.equal(signed, 0, 'the loop goes on, and is what calls the signer')
  assert.equal((await asked).kind, 'request_token')
  assert.ok(signed > 0)
  assert.match(await readFile(path, 'utf8'), /"phase":"reserved"/)
  const last = await visit.failedAsync('the line broke')
  assert.deepEqual([last.kind, last.error.code], ['refused', 'spend.unknown'])
  assert.match(await readFile(path, 'utf8'), /"phase":"unknown"/)
  assert.equal((await visit.failedAsync('once more', { sent: false })).error.code, 'usage.argument', 'it is over')
  await assert.rejects(visit.answeredAsync('200', [], ''), TypeError)
  await assert.rejects(visit.answeredAsync(200, 7, ''), TypeError)
})

test('what is fetched for a visit is asked for as it is', () => {
  const visit = new Agent(inMemory, 'SUMMARY', 'TestBot').visit('GET', `${ORIGIN}/free`)
  const first = visit.start()
  assert.deepEqual([first.kind, first.headers], ['fetch_robots', [['accept-encoding', 'identity']]])
  const refused = visit.answered(200, { 'Content-Encoding': 'gzip' }, 'User-agent: *\nAllow: /\n')
  assert.deepEqual([refused.kind, refused.error.code, refused.headers], ['refused', 'robots.denied', []])
})

test('misuse of an agent', async () => {
  const agent = (options, product = 'TestBot', purpose = 'SUMMARY') => new Agent(inMemory, purpose, product, options)
  throwsCode(() => agent({}, 'no token'), 'usage.argument')
  throwsCode(() => agent({}, 'TestBot', 'READING'), 'usage.argument')
  throwsCode(() => agent({ redirects: 'all' }), 'usage.argument')
  throwsCode(() => agent({ receipts: 'all' }), 'usage.argument')
  throwsCode(() => agent({ brokers: ['not a url'] }), 'usage.argument')
  throwsType(() => agent({ brokers: [7] }), /brokers/)
  throwsType(() => agent({ brokers: [['https://a.example']] }))
  throwsType(() => agent({ wallet: {} }), /wallet/)
  throwsCode(() => agent().visit('GET', 'nowhere'), 'usage.argument')
  await assert.rejects(agent().read('nowhere'), (error) => error.code === 'usage.argument')
  throwsType(() => agent().read(7))
})

test('wallets keep their books', async (t) => {
  const path = join(await folder(t), 'books')
  const terms = {
    agentId: 'reader.example',
    issuer: 'https://b.example',
    audience: ORIGIN,
    purpose: 'SUMMARY',
    amount: '0.03',
    currency: 'USD',
  }
  const wallet = new Wallet([new Caps('USD', '0.05', { total: '0.05', perHost: '0.05' })], { path })
  assert.equal(wallet.reserve('purchase-one-0123456789', terms), null)
  throwsCode(() => wallet.reserve('purchase-two-0123456789', { ...terms, amount: '0.03' }), 'spend.limit')
  assert.deepEqual(
    wallet.open.map(({ id, amount, currency, phase }) => [id, amount, currency, phase]),
    [['purchase-one-0123456789', '0.03', 'USD', 'reserved']],
  )
  wallet.settle('purchase-one-0123456789', 'released')
  assert.deepEqual([wallet.spent('USD'), wallet.visas], ['0', 0])
  assert.equal(wallet.reserve('purchase-three-0123456789', { ...terms, now: Date.now() }), null)
  wallet.settle('purchase-three-0123456789', 'spent')
  assert.equal(wallet.spent('USD'), '0.03')
  throwsCode(() => wallet.settle('purchase-three-0123456789', 'perhaps'), 'usage.argument')
  throwsCode(() => new Wallet([caps()], { path }), 'io.failed')
  throwsCode(() => new Caps('USD', 'much'), 'usage.argument')
  const all = new Caps('USD', '1', { perHost: '2', perDay: '3', total: '4' })
  assert.deepEqual([all.currency, all.perRequest, all.perHost, all.perDay, all.total], ['USD', '1', '2', '3', '4'])
  assert.equal(new Caps('USD', '1').total, null)
  throwsType(() => new Wallet([{}]))
})

test('assertions', () => {
  const endpoint = 'https://broker.example/oauth/token'
  const now = '2026-03-01T12:00:00.000Z'
  const made = signAssertion(inMemory, endpoint, { jti: 'assertion-0001-0123456789', now })
  const found = verifyAssertion(made, inMemory.manifest(), endpoint, { now })
  assert.deepEqual(
    [found.agentId, found.keyId, found.jti],
    ['reader.example', inMemory.keyId, 'assertion-0001-0123456789'],
  )
  assert.deepEqual(found.exp, new Date('2026-03-01T12:01:00.000Z'))
  assert.throws(() => verifyAssertion(made, inMemory.manifest(), `${endpoint}/other`, { now }), ImagxpError)
  throwsCode(() => assertionAgent('none'), 'sig.malformed')
})
