// What a broker is shown of a request with a visa.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Identity, Presented, PrivateKey, issueVisa } from '../index.mjs'
import { NOW, ORIGIN, knowing, signed, throwsCode, throwsType } from './support.mjs'

const agent = Identity.generate('agent.example')
const broker = PrivateKey.generate()
const issuer = 'https://broker.example'

/** A publisher that knows the agent and the broker. */
function paid(check) {
  const members = {
    purposes: { RAG_RETRIEVAL: { allow: true, price: { amount: '1', currency: 'USD' } } },
    payment: { required: true, brokers: [{ issuer, jwks_uri: `${issuer}/jwks.json`, check }] },
  }
  const publisher = knowing(agent, { members })
  const keys = [{ ...broker.publicKey.toJwk(), kid: broker.publicKey.thumbprint }]
  publisher.supply(`${issuer}/jwks.json`, { keys }, { now: NOW })
  return publisher
}

const visa = (jti) =>
  issueVisa(broker, {
    issuer,
    audience: ORIGIN,
    agentId: 'agent.example',
    jti,
    amount: '1',
    currency: 'USD',
    jkt: agent.keyId,
    now: NOW,
  })

/** The lines of a request, without the key that they need not have. */
function keyless(options) {
  const lines = signed(agent, options)
  lines.splice(
    lines.findIndex((line) => line.toLowerCase() === 'x-imagxp-public-key'),
    2,
  )
  return lines
}

test('a verdict that waits for a broker, and one that has let a visa in', () => {
  for (const check of ['redeem', 'offline']) {
    const publisher = paid(check)
    const payment = visa(`visa-${check}`)
    const lines = keyless({ payment })
    const { verdict } = publisher.verify('GET', '/a', lines, { now: NOW })
    assert.equal(verdict.isAllowed, check === 'offline')
    const presented = publisher.presented(verdict, lines, { now: NOW })
    assert.ok(presented instanceof Presented)
    assert.equal(presented.visa, payment)
    // A line break in another header changes nothing.
    assert.equal(publisher.presented(verdict, [...lines, 'x-other', 'a\nb'], { now: NOW }).visa, payment)
    throwsCode(() => publisher.presented(verdict, [], { now: NOW }), 'usage.argument', /no visa/)
    throwsCode(
      () => publisher.presented(verdict, lines, { now: '2026-03-03T12:00:00Z' }),
      'usage.argument',
      /manifest is not at hand/,
    )
    throwsType(() => publisher.presented(verdict, 'lines'))
    throwsType(() => publisher.presented(verdict, lines, { time: NOW }), /no option/)
  }
})

test('a verdict that takes no visa', () => {
  const publisher = paid('offline')
  const lines = keyless({ payment: visa('visa-0001') })
  const unpaid = publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict
  assert.equal(unpaid.code, 'payment.required')
  const free = knowing(agent).verify('GET', '/a', signed(agent), { now: NOW }).verdict
  assert.equal(free.isAllowed, true)
  for (const verdict of [unpaid, free]) {
    throwsCode(() => publisher.presented(verdict, lines, { now: NOW }), 'usage.argument', /takes no visa/)
  }
  throwsType(() => publisher.presented({ isAllowed: true }, lines))
})
