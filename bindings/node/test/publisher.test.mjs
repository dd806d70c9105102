import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  Identity,
  JwkSet,
  Limits,
  MemoryReplayStore,
  Policy,
  PrivateKey,
  Publisher,
  Verification,
  codes,
  contentDigest,
  issueVisa,
  verifyToken,
} from '../index.mjs'
import {
  AGENT_UA,
  NOW,
  ORIGIN,
  SECRET,
  folder,
  knowing,
  policy,
  signed,
  throwsCode,
  throwsType,
  warningsOf,
} from './support.mjs'

const agent = Identity.generate('agent.example')

test('a good request, member by member', () => {
  const publisher = knowing(agent)
  const verification = publisher.verify('GET', '/a', signed(agent), { now: NOW })
  assert.ok(verification instanceof Verification)
  assert.equal(verification.pending, null)
  const { verdict } = verification
  assert.equal(verdict.isAllowed, true)
  assert.equal(verdict.outcome, 'allow')
  assert.equal(verdict.code, null)
  assert.equal(verdict.http, 200)
  assert.equal(typeof verdict.message, 'string')
  assert.equal(verdict.hint, null)
  assert.equal(verdict.detail, null)
  assert.equal(verdict.retry, 'never')
  assert.equal(verdict.visitor, 'verified_agent')
  assert.equal(verdict.wouldDeny, false)
  assert.equal(verdict.agentId, 'agent.example')
  assert.equal(verdict.keyId, agent.keyId)
  assert.equal(verdict.purpose, 'RAG_RETRIEVAL')
  assert.equal(verdict.resource, `${ORIGIN}/a`)
  assert.equal(verdict.binding, 'domain')
  assert.deepEqual(verdict.payment, { state: 'not_required', jti: null, issuer: null, amount: null, currency: null })
  assert.deepEqual(verdict.warnings, [])
  assert.deepEqual(verdict.needs, [])
  assert.deepEqual(verdict.responseHeaders, [])
  assert.equal(verdict.offer, null)
  assert.match(verdict.traceId, /^[0-9a-f]{32}$/)
  const json = JSON.parse(JSON.stringify(verdict))
  assert.deepEqual(json, JSON.parse(verdict.toBytes()))
  assert.equal(json.agent_id, 'agent.example')
  assert.equal(publisher.policy.hash, policy().hash)
})

test('an unknown agent: needs, supply, resume once', () => {
  const publisher = new Publisher(policy(), { secret: SECRET })
  const begun = publisher.verify('GET', '/a', signed(agent), { now: NOW })
  assert.equal(begun.verdict.code, 'identity.manifest_needed')
  const [need] = begun.verdict.needs
  assert.deepEqual({ ...need }, { kind: 'manifest', url: 'https://agent.example/.well-known/imagxp-agent.json' })
  const { pending } = begun
  assert.equal(begun.pending, pending)
  throwsCode(
    () => publisher.supply(need.url, '{"agent_id":"agent.example"}', { now: NOW }),
    'identity.manifest_invalid',
  )
  throwsCode(() => publisher.supply('https://nobody.example/x', '{}', { now: NOW }), 'usage.argument')
  publisher.supply(need.url, agent.manifest().toJSON(), { maxAge: 60, now: NOW })
  assert.equal(publisher.resume(pending, { now: NOW }).verdict.isAllowed, true)
  throwsCode(() => publisher.resume(pending, { now: NOW }), 'usage.argument', /resumed already/)
  throwsCode(() => pending.redeemed('accepted'), 'usage.argument')

  const other = new Publisher(policy(), { secret: SECRET })
  const second = other.verify('GET', '/a', signed(agent), { now: NOW })
  other.supplyFailure(need.url, 'not_found', { now: NOW })
  assert.equal(other.resume(second.pending, { now: NOW }).verdict.code, 'identity.not_found')
  throwsCode(() => other.supplyFailure(need.url, 'sulking'), 'usage.argument')
})

test('refusals are verdicts with a body, never exceptions', () => {
  const publisher = knowing(agent, { members: { unsigned: 'deny' } })
  const headers = signed(agent)
  assert.equal(publisher.verify('GET', '/a', headers, { now: NOW }).verdict.isAllowed, true)
  const replayed = publisher.verify('GET', '/a', headers, { now: NOW }).verdict
  assert.deepEqual([replayed.code, replayed.http, replayed.retry], ['replay.nonce_seen', 409, 'new_nonce'])
  assert.equal(JSON.parse(replayed.body()).error.code, 'replay.nonce_seen')
  const verdictOf = (...given) => publisher.verify(...given).verdict
  assert.equal(verdictOf('GET', '/b', signed(agent), { now: NOW }).code, 'claim.resource_mismatch')
  assert.equal(verdictOf('POST', '/a', signed(agent), { now: NOW }).http, 403)
  assert.equal(verdictOf('GET', '/a', [], { now: NOW }).code, 'auth.required')
  assert.equal(
    verdictOf('GET', '/a', signed(agent, { purpose: 'CRAWL_TRAINING' }), { now: NOW }).code,
    'policy.purpose_denied',
  )
  assert.equal(verdictOf('GET', '/a', signed(agent), { now: '2026-03-01T13:00:00Z' }).code, 'time.expired')
  const digest = contentDigest(Buffer.from('x'))
  const signedBody = signed(agent, { contentDigest: digest })
  assert.equal(verdictOf('GET', '/a', signedBody, { now: NOW }).code, 'claim.digest_mismatch')
  assert.equal(verdictOf('GET', '/a', signedBody, { now: NOW, bodyDigest: digest }).code, null)
  for (const code of codes.ALL) {
    assert.equal(codes.byName(code.name), code)
    assert.equal(codes.byNumber(code.number), code)
  }
  assert.equal(codes.byName('no.such'), undefined)
})

test('headers in every form a framework has, duplicates and all', () => {
  const flat = signed(agent)
  const pairs = Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index], flat[2 * index + 1]])
  const object = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]))
  const many = { ...object, 'set-cookie': ['a', 'b'], 'content-length': 0, nothing: undefined }
  const binary = pairs.map(([name, value]) => [Buffer.from(name), new Uint8Array(Buffer.from(value))])
  for (const headers of [flat, pairs, object, many, binary, new Headers(pairs), new Map(pairs), new Set(pairs)]) {
    assert.equal(knowing(agent).verify('GET', '/a', headers, { now: NOW }).verdict.code, null)
  }
  const publisher = knowing(agent)
  const codeOf = (headers) => publisher.verify('GET', '/a', headers, { now: NOW }).verdict.code
  assert.equal(codeOf([...flat, ...pairs[0]]), 'header.duplicate')
  assert.equal(codeOf({ ...object, 'x-imagxp-signature': [object['x-imagxp-signature'], 'x'] }), 'header.duplicate')
  const joined = new Headers(pairs)
  joined.append('x-imagxp-payload', pairs[0][1])
  assert.equal(codeOf(joined), 'header.duplicate')
  assert.equal(codeOf(Array.from({ length: 101 }, () => ['a', 'b']).flat()), 'header.too_large')
})

test('bytes arrive as they were, and no separator is smuggled', () => {
  const publisher = knowing(agent)
  const flat = signed(agent)
  const codeOf = (headers) => publisher.verify('GET', '/a', headers, { now: NOW }).verdict.code
  // Whatever another header holds, the request is the same; whatever ours hold, it is refused.
  for (const value of ['\n', 'a\nx-imagxp-payload\nAAAA', '\0', '\u00ff', '\u0141\u20ac', '\ud800', '\n\0\x01\x02']) {
    assert.equal(codeOf([...signed(agent), 'x-other', value]), null, JSON.stringify(value))
    for (const at of [1, 3]) {
      const broken = [...flat]
      broken[at] = broken[at].slice(0, 8) + value + broken[at].slice(8)
      assert.notEqual(codeOf(broken), null, JSON.stringify(value))
    }
  }
  assert.equal(codeOf(['a\nx-imagxp-payload', 'b\nc']), 'auth.required', 'one odd header, no payload')
  // A character whose low byte is an ASCII letter must not become that letter.
  const payload = flat[1]
  const lookalike = [...flat]
  lookalike[1] = String.fromCharCode(payload.charCodeAt(0) + 0x100) + payload.slice(1)
  assert.equal(codeOf(lookalike), 'header.base64_invalid')
  // The size that is counted is the size that was sent: 255 is one byte.
  const limits = new Limits({ headerBytes: 4096 })
  const room = knowing(agent, { limits })
  const used = flat.join('').length + 'x-pad'.length
  assert.equal(
    room.verify('GET', '/a', [...flat, 'x-pad', '\u00ff'.repeat(4096 - used)], { now: NOW }).verdict.code,
    null,
  )
  const over = room.verify('GET', '/a', [...flat, 'x-pad', '\u00ff'.repeat(4097 - used)], { now: NOW })
  assert.equal(over.verdict.code, 'header.too_large')
})

test('headers that are none', () => {
  const publisher = knowing(agent)
  for (const headers of [
    'a: b',
    7,
    null,
    undefined,
    ['a'],
    ['a', 1],
    [['a']],
    [['a', 'b', 'c']],
    [['a', 1]],
    new Uint8Array(4),
    [1, 2],
  ]) {
    throwsType(() => publisher.verify('GET', '/a', headers))
    throwsType(() => publisher.explain('GET', '/a', headers))
  }
  const everything = String.fromCharCode(...Array.from({ length: 128 }, (_, code) => code))
  throwsType(() => publisher.verify('GET', '/a', ['a', everything]))
})

test('observe mode lets pass and tells', () => {
  const publisher = knowing(agent, { members: { mode: 'observe' } })
  const { verdict } = publisher.verify('GET', '/a', ['x-imagxp-payload', 'AAAA'], { now: NOW })
  assert.deepEqual([verdict.isAllowed, verdict.wouldDeny, verdict.http], [true, true, 200])
  assert.notEqual(verdict.code, null)
})

test('explanations spend nothing', () => {
  const publisher = knowing(agent)
  const headers = signed(agent)
  for (let count = 0; count < 2; count += 1) {
    const explained = publisher.explain('GET', '/a', headers, { now: NOW })
    assert.equal(explained.verdict.isAllowed, true)
    assert.ok(explained.steps.every(({ result }) => result === 'passed' || result === 'skipped'))
    assert.deepEqual(Object.keys(explained.steps[0]), ['number', 'name', 'result', 'expected', 'received'])
    assert.equal(explained.toJSON().steps.length, explained.steps.length)
    assert.match(String(explained), /signature/)
  }
  assert.equal(publisher.verify('GET', '/a', headers, { now: NOW }).verdict.isAllowed, true)
})

test('a character of a header is a byte', () => {
  const publisher = new Publisher(policy({ unsigned: 'browsers' }))
  for (const [bytes, code] of [
    ['', null],
    ['\xe9', 'auth.required'],
    ['\xc3\xa9', null],
    ['\u20ac', null],
  ]) {
    const userAgent = `Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0${bytes}`
    const headers = [
      ['user-agent', userAgent],
      ['accept-language', 'en'],
      ['sec-fetch-mode', 'navigate'],
    ]
    assert.equal(publisher.verify('GET', '/a', headers).verdict.code, code, bytes)
  }
})

test("a publisher's own rule", async () => {
  const seen = []
  const rule = (claim, path) => {
    seen.push([claim.agentId, claim.purpose, claim.ts, claim.nonce.length, claim.resource, claim.method, path])
    seen.push([claim.contentDigest, claim.adsDisplayed, claim.extra])
    return path !== '/b'
  }
  const publisher = knowing(agent, { customPolicy: rule })
  assert.equal(publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict.code, null)
  assert.deepEqual(seen[0], ['agent.example', 'RAG_RETRIEVAL', new Date(NOW), 36, `${ORIGIN}/a`, 'GET', '/a'])
  assert.deepEqual(seen[1], [null, null, {}])
  assert.equal(publisher.verify('GET', '/b', signed(agent, { path: '/b' }), { now: NOW }).verdict.code, 'policy.denied')

  const thrower = () => {
    throw new Error('the rule is broken')
  }
  for (const broken of [thrower, () => 'yes', () => 1, () => undefined, async () => true]) {
    const { result, seen: warnings } = await warningsOf(() =>
      knowing(agent, { customPolicy: broken }).verify('GET', '/a', signed(agent), { now: NOW }),
    )
    assert.deepEqual([result.verdict.code, result.verdict.http], ['policy.error', 503])
    assert.deepEqual([warnings.length, warnings[0].code], [1, 'IMAGXP_CALLBACK'])
    assert.ok(!result.verdict.body().includes('broken'))
  }
  throwsType(() => new Publisher(policy(), { customPolicy: 'rule' }), /customPolicy/)
})

test('payment: an offer, a visa, a use', () => {
  const broker = PrivateKey.generate()
  const issuer = 'https://broker.example'
  const members = {
    purposes: { RAG_RETRIEVAL: { allow: true, price: { amount: '0.01', currency: 'USD' } } },
    payment: { required: true, brokers: [{ issuer, jwks_uri: `${issuer}/jwks.json` }] },
  }
  const publisher = knowing(agent, { members })
  const unpaid = publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict
  assert.deepEqual([unpaid.code, unpaid.http, unpaid.retry], ['payment.required', 402, 'pay'])
  assert.equal(unpaid.payment.state, 'unpaid')
  assert.equal(unpaid.offer.price, '0.01')
  assert.equal(unpaid.offer.brokers[0].issuer, issuer)
  const terms = {
    issuer,
    audience: ORIGIN,
    agentId: 'agent.example',
    jti: 'visa-0001',
    amount: '0.01',
    currency: 'USD',
  }
  const visa = issueVisa(broker, { ...terms, jkt: agent.keyId, purposes: ['RAG_RETRIEVAL'], now: NOW })
  const jwks = { keys: [{ ...broker.publicKey.toJwk(), kid: broker.publicKey.thumbprint }] }
  const set = JwkSet.parse(jwks)
  assert.deepEqual([set.size, set.skipped, set.kids], [1, 0, [broker.publicKey.thumbprint]])
  assert.equal(verifyToken(visa, set, { now: NOW, issuer, audience: ORIGIN }).jti, 'visa-0001')
  throwsCode(() => verifyToken(visa, set, { now: NOW, issuer: 'https://other.example' }), 'payment.invalid_token')
  throwsCode(() => verifyToken(visa, set, { now: '2026-03-01T13:00:00Z' }), 'payment.expired')
  const begun = publisher.verify('GET', '/a', signed(agent, { payment: visa }), { now: NOW })
  assert.equal(begun.verdict.needs[0].kind, 'jwks')
  publisher.supply(begun.verdict.needs[0].url, jwks, { now: NOW })
  const paid = publisher.resume(begun.pending, { now: NOW }).verdict
  assert.deepEqual({ ...paid.payment }, { state: 'visa', jti: 'visa-0001', issuer, amount: '0.01', currency: 'USD' })
  const twice = publisher.verify('GET', '/a', signed(agent, { payment: visa }), { now: NOW }).verdict
  assert.equal(twice.code, 'payment.already_used')
  throwsCode(() => issueVisa(broker, { ...terms, amount: 'much' }), 'usage.argument')
  throwsCode(() => issueVisa(broker, { ...terms, maxUses: 1.5 }), 'usage.argument')
  throwsCode(() => issueVisa(broker, { ...terms, lifetimeS: -1 }), 'usage.argument')
  throwsType(() => issueVisa(broker, { ...terms, jti: undefined }), /`jti`/)
  throwsType(() => issueVisa(broker, { ...terms, Audience: ORIGIN }), /no option/)
})

test('a redeemed visa', () => {
  const broker = PrivateKey.generate()
  const issuer = 'https://broker.example'
  const members = {
    purposes: { RAG_RETRIEVAL: { allow: true, price: { amount: '1', currency: 'USD' } } },
    payment: { required: true, brokers: [{ issuer, jwks_uri: `${issuer}/jwks.json`, check: 'redeem' }] },
  }
  for (const [answer, code] of [
    ['accepted', null],
    ['refused', 'payment.invalid_token'],
  ]) {
    const publisher = knowing(agent, { members })
    publisher.supply(
      `${issuer}/jwks.json`,
      { keys: [{ ...broker.publicKey.toJwk(), kid: broker.publicKey.thumbprint }] },
      { now: NOW },
    )
    const terms = { issuer, audience: ORIGIN, agentId: 'agent.example', jti: 'visa-0001', amount: '1', currency: 'USD' }
    const payment = issueVisa(broker, { ...terms, jkt: agent.keyId, now: NOW })
    const { verdict, pending } = publisher.verify('GET', '/a', signed(agent, { payment }), { now: NOW })
    assert.equal(verdict.needs[0].kind, 'redeem')
    throwsCode(() => pending.redeemed('perhaps'), 'usage.argument')
    pending.redeemed(answer)
    assert.equal(publisher.resume(pending, { now: NOW }).verdict.code, code)
  }
})

test('policies', async (t) => {
  const rules = policy({ provenance: { origin: 'HUMAN' }, allow_loopback: true })
  assert.deepEqual(rules.origins, [ORIGIN])
  assert.deepEqual([rules.mode, rules.allowLoopback, rules.contentOrigin], ['enforce', true, 'HUMAN'])
  assert.equal(policy().contentOrigin, null)
  assert.match(rules.hash, /^[0-9a-f]{64}$/)
  assert.equal(JSON.parse(Policy.schema()).type, 'object')
  assert.ok('purposes' in JSON.parse(rules.publicJson()))
  assert.ok(Array.isArray(rules.remarks()))
  assert.match(rules.emit('robots'), /IMAGXP-Policy/i)
  assert.match(rules.emit('headers', { path: '/a', origin: ORIGIN }), /Link/i)
  assert.match(rules.emit('rsl', { rslUrl: 'https://pub.example/license.xml' }), /</)
  throwsCode(() => rules.emit('poem'), 'usage.argument')
  throwsCode(() => Policy.fromJson({ version: 1 }), 'usage.policy')
  throwsCode(
    () => Policy.fromJson('{"version":1,"origins":["https://a.example"],"nonsense":1}'),
    'usage.policy',
    /nonsense/,
  )
  throwsType(() => Policy.fromJson(7))

  const toml = `version = 1\norigins = ["${ORIGIN}"]\n[purposes.RAG_RETRIEVAL]\nallow = true\n[purposes.CRAWL_TRAINING]\nallow = false\n`
  assert.equal(Policy.fromToml(toml).hash, policy().hash)
  const at = await folder(t)
  await writeFile(join(at, 'policy.toml'), toml)
  await writeFile(
    join(at, 'policy.json'),
    JSON.stringify({
      version: 1,
      origins: [ORIGIN],
      purposes: { RAG_RETRIEVAL: { allow: true }, CRAWL_TRAINING: { allow: false } },
    }),
  )
  for (const name of ['policy.toml', 'policy.json']) assert.equal(Policy.fromFile(join(at, name)).hash, policy().hash)
  throwsCode(() => Policy.fromFile(join(at, 'none')), 'io.failed')
  for (const text of ['version =', 'version = 1979-05-27', 'version = nan', `a = ${'['.repeat(40)}${']'.repeat(40)}`]) {
    throwsCode(() => Policy.fromToml(text), 'usage.policy')
  }
})

test('what a publisher is made of', () => {
  throwsCode(() => new Publisher(policy(), { secret: new Uint8Array(15) }), 'usage.argument', /16 bytes/)
  throwsType(() => new Publisher(policy(), { replaystore: new MemoryReplayStore() }), /no option `replaystore`/)
  throwsType(() => new Publisher(policy(), { limits: {} }), /Limits/)
  throwsType(() => new Publisher(policy(), { audit: 7 }), /audit/)
  throwsType(() => new Publisher({}), /Policy/)
  throwsType(() => new Publisher(policy(), 'options'))
  const limits = new Limits({ payloadHeader: 1024, headerLines: 1e9 })
  assert.equal(limits.payloadHeader, 1024)
  assert.ok(limits.headerLines < 1e9, 'what is above the cap is lowered to it')
  for (const name of ['keyHeader', 'token', 'headerBytes', 'string', 'resource', 'manifest', 'directory']) {
    assert.equal(new Limits({ [name]: 100 })[name], 100, name)
    assert.ok(new Limits()[name] > 100)
    for (const wrong of [-1, 0.5, NaN, 2 ** 60]) throwsCode(() => new Limits({ [name]: wrong }), 'usage.argument')
    throwsType(() => new Limits({ [name]: '9' }))
  }
  const { verdict } = knowing(agent, { limits: new Limits({ payloadHeader: 16 }) }).verify('GET', '/a', signed(agent), {
    now: NOW,
  })
  assert.equal(verdict.code, 'header.too_large')
  assert.equal(knowing(agent).verify('GET', '/a', [...AGENT_UA]).verdict.visitor, 'unsigned_client')
})

test('publishers that share a secret name their verdicts differently', () => {
  // Of processes, and of threads of one; at one time.
  const named = () => new Publisher(policy(), { secret: SECRET }).verify('GET', '/a', [], { now: NOW }).verdict.traceId
  assert.equal(new Set(Array.from({ length: 20 }, named)).size, 20)
})
