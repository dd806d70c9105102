import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Robots, discover, isPublicAddress, linkPolicyUrl } from '../index.mjs'
import { ORIGIN, policy, throwsCode, throwsType } from './support.mjs'

const TEXT = 'User-agent: *\nDisallow: /private\nIMAGXP-Policy: https://pub.example/policy.json\n'

test('robots.txt', () => {
  const robots = Robots.parse(TEXT)
  assert.equal(robots.allows('TestBot', '/a'), true)
  assert.equal(robots.allows('TestBot', '/private/a'), false)
  assert.deepEqual(robots.policyUrls('TestBot'), ['https://pub.example/policy.json'])
  assert.equal(Robots.parse(Uint8Array.of(0xff, 0xfe)).allows('TestBot', '/'), true)
  assert.equal(Robots.fromAnswer(404, '').allows('TestBot', '/private'), true)
  assert.equal(Robots.fromAnswer(503, TEXT).allows('TestBot', '/a'), false)
  throwsCode(() => Robots.fromAnswer(-1, ''), 'usage.argument')
  throwsType(() => Robots.fromAnswer('200', ''))
})

test('what a site asks, from every text', () => {
  const found = discover(`${ORIGIN}/a`, 'TestBot', {
    robots: TEXT,
    robotsStatus: 200,
    headers: [
      ['Link', '</.well-known/imagxp-policy.json>; rel="imagxp-policy"'],
      ['Content-Usage', 'train-ai=n'],
    ],
    policy: policy().publicJson(),
    rsl: { 'https://pub.example/license.xml': Buffer.from('<rsl xmlns="https://rslstandard.org/rsl"></rsl>') },
  })
  assert.equal(found.crawlAllowed, true)
  assert.equal(found.hasErrors, found.toJSON().errors?.length > 0 || found.hasErrors)
  assert.ok(found.policyUrls.includes('https://pub.example/policy.json'))
  assert.ok(Array.isArray(found.licenseUrls))
  assert.equal(found.state('CRAWL_TRAINING'), 'disallowed')
  assert.equal(found.advice('CRAWL_TRAINING'), 'refrain')
  assert.deepEqual(JSON.parse(JSON.stringify(found)), JSON.parse(found.toBytes()))
  assert.equal(discover(`${ORIGIN}/a`, 'TestBot').state('SUMMARY'), 'unstated')
  throwsCode(() => found.state('READING'), 'usage.argument')
  throwsCode(() => discover('not a url', 'TestBot'), 'usage.argument')
  throwsType(() => discover(`${ORIGIN}/a`, 'TestBot', { rsl: { x: 7 } }), /rsl/)
  throwsType(() => discover(`${ORIGIN}/a`, 'TestBot', { headers: 'x' }))
  throwsType(() => discover(`${ORIGIN}/a`, 'TestBot', { robot: '' }), /no option `robot`/)
  assert.equal(linkPolicyUrl(['<https://pub.example/p>; rel="imagxp-policy"'], `${ORIGIN}/`), 'https://pub.example/p')
  assert.equal(linkPolicyUrl([], `${ORIGIN}/`), null)
})

test('addresses', () => {
  assert.equal(isPublicAddress('8.8.8.8'), true)
  for (const text of ['127.0.0.1', '::1', '10.0.0.1', '::ffff:127.0.0.1', 'localhost', ''])
    assert.equal(isPublicAddress(text), false, text)
})
