'use strict'

// Where there are no header lines any more: a Web `Headers` has joined those of one name.

const assert = require('node:assert/strict')
const { before, describe, test } = require('node:test')
const { Feedback, Identity, Policy, Publisher, feedbackHeader, manifestUrl } = require('imagxp')

// Those of bindings/python/tests/test_servers.py.
const OURS = [
  ...['payload', 'signature', 'public-key', 'payment', 'credential', 'proof', 'feedback', 'agent-id', 'alg'],
  'something',
]
const ORIGIN = 'https://pub.example'
const agent = Identity.generate('agent.example')
const taken = []
let app

before(() => {
  const { Hono } = require('hono')
  const policy = Policy.fromJson({ version: 1, origins: [ORIGIN], purposes: { SUMMARY: {} } })
  const publisher = new Publisher(policy)
  publisher.supply(manifestUrl(agent.agentId), agent.manifest().toBytes())
  app = new Hono()
  app.use(require('imagxp/hono').imagxp({ publisher, onFeedback: (feedback) => taken.push(feedback.url) }))
  app.get('/a', (c) => c.text('served'))
})

async function get(headers) {
  const answer = await app.request(`${ORIGIN}/a`, { headers })
  const text = await answer.text()
  const code = text === 'served' ? undefined : JSON.parse(text).error.code
  return { status: answer.status, code, feedback: answer.headers.get('x-imagxp-feedback-status') }
}

const signed = () => new Headers([...agent.sign('GET', `${ORIGIN}/a`, 'SUMMARY')])

describe('two lines are refused, and spend nothing', () => {
  for (const name of OURS.map((end) => `x-imagxp-${end}`)) {
    test(name, async () => {
      const headers = signed()
      const value = headers.get(name) ?? 'eyJhIjoxfQ'
      for (const [first, second] of [
        [value, value],
        [value, 'other'],
        ['', value],
        [value, ''],
      ]) {
        const twice = new Headers(headers)
        twice.delete(name)
        twice.append(name, first)
        twice.append(name.toUpperCase(), second)
        assert.deepEqual(await get(twice), { status: 400, code: 'header.duplicate', feedback: null })
      }
      assert.deepEqual(await get(headers), { status: 200, code: undefined, feedback: null })
    })
  }
})

test('feedback that is raw JSON has commas of its own', async () => {
  const opinion = () => new Feedback(`${ORIGIN}/a`, '0.5', 'OTHER').sign(agent)
  const [one, other] = [opinion().toString('latin1'), opinion().toString('latin1')]
  for (const lines of [
    [one, other],
    [one, one],
    [`{"a":{},"b":1}`, one],
    [feedbackHeader(opinion()), one],
    [one, feedbackHeader(opinion())],
    [one, ''],
  ]) {
    const headers = signed()
    for (const line of lines) headers.append('x-imagxp-feedback', line)
    assert.deepEqual(await get(headers), { status: 400, code: 'header.duplicate', feedback: null })
  }
  assert.deepEqual(taken, [])
  for (const line of [one, feedbackHeader(opinion())]) {
    const headers = signed()
    headers.append('x-imagxp-feedback', line)
    assert.deepEqual(await get(headers), { status: 200, code: undefined, feedback: 'accepted' })
  }
  assert.equal(taken.length, 2)
})
