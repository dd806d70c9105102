'use strict'

// A broker that takes connections and does not answer: whoever reads with visas of its waits, and nobody else.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { BrokerClient, Identity, Presented } = require('imagxp')
const { BROWSER, Broker, Domain, ask, until } = require('./support.js')
const { frameworks } = require('./frameworks.js')
const { publish } = require('./site.js')

const LOOPBACK = { allowLoopback: true }
// As many at once, and as many that wait for their turn.
const [TURNS, PLACES] = [16, 64]

/** How long it takes, in milliseconds, and what comes of it. */
async function timed(act) {
  const begun = Date.now()
  return { ...(await act()), took: Date.now() - begun }
}

test('a broker that stalls holds up nobody else', async (t) => {
  const [broker, domain] = [await Broker.open(), await Domain.open()]
  t.after(() => Promise.all([broker.close(), domain.close()]))
  const site = await publish(t, frameworks['express 5'], {
    unsigned: 'browsers',
    purposes: { RAG_RETRIEVAL: { price: { amount: '1', currency: 'EUR' } }, SUMMARY: {} },
    payment: { brokers: [{ ...broker.policy.payment.brokers[0], check: 'redeem' }] },
    options: ({ address }) => ({
      redeem: new BrokerClient(broker.issuer, Identity.generate(address, 'ES256', LOOPBACK), LOOPBACK),
    }),
  })
  const paid = (jti) => ({
    identity: domain.identity,
    signed: { payment: broker.visa(site.origin, domain.identity, jti) },
  })

  broker.stalled = true
  // One visa, and a fresh nonce each time.
  const stolen = paid('visa-stalled')
  const answers = []
  const read = async () => answers.push(await timed(() => ask(site.origin, '/a', stolen)))
  const begun = Date.now()
  const waiting = Promise.all(Array.from({ length: TURNS + PLACES + 20 }, read))
  const enough = () => answers.length >= 20 && broker.presented.length >= TURNS
  await until(enough, 'the broker is asked, and those are told at once who have no place any more')
  for (let number = 0; number < 3; number += 1) {
    const other = await Domain.open()
    t.after(() => other.close())
    // Its manifest has to be fetched.
    const agent = await timed(() => ask(site.origin, '/b', { identity: other.identity, purpose: 'SUMMARY' }))
    assert.equal(agent.status, 200, agent.text)
    const browser = await timed(() => ask(site.origin, '/b', { headers: BROWSER }))
    assert.equal(browser.status, 200, browser.text)
    assert.ok(agent.took < 3000 && browser.took < 3000, `${agent.took} ms, ${browser.took} ms`)
  }

  await waiting
  for (const { status, code, text } of answers)
    assert.deepEqual([status, code], [503, 'payment.redeem_unavailable'], text)
  // With time for a busy machine.
  assert.ok(Date.now() - begun < 15_000, `a turn counts as waiting: ${Date.now() - begun} ms`)

  broker.stalled = false
  const served = await ask(site.origin, '/a', paid('visa-served'))
  assert.equal(served.status, 200, served.text)
  assert.deepEqual(site.record.errors, [])
})

test('who has neither a turn nor a place is told at once', async (t) => {
  const broker = await Broker.open()
  t.after(() => broker.close())
  broker.stalled = true
  const site = Identity.generate('127.0.0.1:1', 'ES256', LOOPBACK)
  const agent = Identity.generate('agent.example')
  const payment = broker.visa('https://pub.example', agent, 'visa-stalled')
  const presented = Presented.ofRequest(agent.sign('GET', 'https://pub.example/', 'SUMMARY', { payment }))
  const client = new BrokerClient(broker.issuer, site, LOOPBACK)
  const said = []
  const asked = Array.from({ length: TURNS + PLACES + 20 }, async () => said.push(await client.confirm(presented)))
  await until(() => said.length >= 20 && broker.presented.length >= TURNS, 'the broker is asked, and some are told')
  assert.deepEqual([said.length, broker.presented.length], [20, TURNS])
  await Promise.all(asked)
  assert.deepEqual(new Set(said), new Set(['unavailable']))
})
