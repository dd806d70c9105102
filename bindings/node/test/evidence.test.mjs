import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { FEEDBACK_REASONS, Feedback, Identity, Receipt, SignedReceipt, feedbackHeader } from '../index.mjs'
import { NOW, ORIGIN, knowing, signed, throwsCode, throwsType } from './support.mjs'

const site = Identity.generate('pub.example')
const agent = Identity.generate('agent.example')
const sha256 = (text) => createHash('sha256').update(text).digest()
const URL_READ = `${ORIGIN}/a`

test('a receipt is signed, found, verified and compared', () => {
  const options = { origin: 'HUMAN', traceId: 'ab'.repeat(16), agentId: 'agent.example', now: NOW }
  const receipt = new Receipt(URL_READ, sha256('body'), options)
  assert.deepEqual(
    [receipt.url, receipt.origin, receipt.traceId, receipt.agentId, receipt.ts, receipt.contentSha256],
    [URL_READ, 'HUMAN', options.traceId, 'agent.example', new Date(NOW), sha256('body')],
  )
  const lines = receipt.sign(site)
  assert.deepEqual(
    lines.map(([name]) => name),
    ['x-imagxp-provenance', 'x-imagxp-provenance-sig'],
  )
  for (const headers of [lines, lines.flat(), Object.fromEntries(lines), new Headers(lines)]) {
    const found = SignedReceipt.fromHeaders(headers)
    assert.equal(found.publisher(), 'pub.example')
    assert.equal(found.keyId, site.keyId)
    assert.equal(found.receipt.url, URL_READ)
    const verified = found.verify(site.manifest())
    assert.equal(
      verified.check({
        url: URL_READ,
        contentSha256: sha256('body').toString('hex'),
        agentId: 'agent.example',
        now: NOW,
      }),
      undefined,
    )
    throwsCode(() => verified.check({ url: URL_READ, contentSha256: sha256('other'), now: NOW }), 'provenance.mismatch')
    const late = { url: URL_READ, contentSha256: sha256('body'), agentId: 'agent.example', now: '2027-03-01T12:00:00Z' }
    throwsCode(() => verified.check(late), 'provenance.mismatch')
    verified.check({ ...late, anyTime: true })
    throwsCode(() => found.verify(agent.manifest()), 'identity.key_mismatch')
  }
  throwsCode(() => SignedReceipt.fromHeaders([]), 'provenance.missing')
  throwsCode(
    () => SignedReceipt.fromHeaders(['x-imagxp-provenance', '!', 'x-imagxp-provenance-sig', '!']),
    'provenance.malformed',
  )
  throwsType(() => SignedReceipt.fromHeaders('text'))
  throwsCode(() => new Receipt(URL_READ, 'abcd', options), 'usage.argument', /32 bytes/)
  throwsCode(() => new Receipt(URL_READ, sha256(''), { ...options, origin: 'ROBOT' }), 'usage.argument')
  throwsType(() => new Receipt(URL_READ, 7, options))
  throwsType(() => new Receipt(URL_READ, sha256('')))
  throwsType(() => new Receipt(URL_READ, sha256(''), { origin: 'HUMAN' }), /`traceId`/)
})

test('feedback is signed once and taken once', () => {
  const opinion = new Feedback(URL_READ, 0.25, 'LOW_QUALITY_SPAM', { jti: 'visa-0001', contentSha256: sha256('body') })
  assert.deepEqual(
    [opinion.url, opinion.qualityScore, opinion.scoreMillionths, opinion.reason, opinion.jti, opinion.contentSha256],
    [URL_READ, '0.25', 250_000, 'LOW_QUALITY_SPAM', 'visa-0001', sha256('body')],
  )
  assert.deepEqual([opinion.agentId, opinion.ts], [null, null])
  const body = opinion.sign(agent, { now: NOW })
  const publisher = knowing(agent)
  const taken = publisher.feedback(feedbackHeader(body), { now: NOW })
  assert.equal(taken.verdict.code, null)
  assert.deepEqual(
    [taken.feedback.agentId, taken.feedback.ts, taken.feedback.scoreMillionths],
    ['agent.example', new Date(NOW), 250_000],
  )
  const again = publisher.feedback(body, { now: NOW })
  assert.deepEqual([again.verdict.code, again.feedback], ['replay.nonce_seen', null])
  assert.equal(publisher.feedback('{}', { now: NOW }).verdict.isAllowed, false)

  const carrier = publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict
  assert.equal(publisher.feedback(opinion.sign(agent, { now: NOW }), { carrier, now: NOW }).verdict.code, null)
  throwsType(() => publisher.feedback(body, { carrier: {} }), /carrier/)

  assert.equal(FEEDBACK_REASONS.length, 6)
  for (const score of [0, 1, 0.000001, 1e-6, '0.5', '1.0']) new Feedback(URL_READ, score, 'OTHER')
  for (const score of [-0.1, 1.1, 1e-7, NaN, Infinity, '', 'good'])
    throwsCode(() => new Feedback(URL_READ, score, 'OTHER'), 'usage.argument')
  for (const score of [true, null, undefined, {}, 1n]) throwsType(() => new Feedback(URL_READ, score, 'OTHER'))
  throwsCode(() => new Feedback(URL_READ, 1, 'BECAUSE'), 'usage.argument')
})
