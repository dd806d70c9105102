import assert from 'node:assert/strict'
import { createPrivateKey, sign } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Identity, Manifest, ManifestKey, PURPOSES, PrivateKey, isAgentId, manifestUrl, userAgent } from '../index.mjs'
import { NOW, ORIGIN, folder, knowing, rejectsCode, signed, throwsCode, throwsType } from './support.mjs'

const NONCE = 'a-nonce-of-32-characters-0123456'

test('an identity signs the same bytes for the same claim', () => {
  const key = PrivateKey.generate()
  const identity = new Identity('agent.example', key)
  assert.equal(identity.agentId, 'agent.example')
  assert.equal(identity.keyId, key.publicKey.thumbprint)
  assert.ok(identity.publicKey.equals(key.publicKey))
  assert.equal(identity.isExternal, false)
  const options = {
    now: NOW,
    nonce: NONCE,
    context: { b: 1, a: '€' },
    adsDisplayed: true,
    payment: 'x.y.z',
    compatible: true,
  }
  const one = identity.sign('GET', `${ORIGIN}/a`, 'SUMMARY', options)
  assert.deepEqual(identity.sign('GET', `${ORIGIN}/a`, 'SUMMARY', options), one)
  const names = one.map(([name]) => name)
  for (const name of [
    'x-imagxp-payload',
    'x-imagxp-signature',
    'x-imagxp-public-key',
    'x-imagxp-payment',
    'x-imagxp-credential',
  ]) {
    assert.ok(names.includes(name), name)
  }
  const claim = JSON.parse(Buffer.from(new Map(one).get('x-imagxp-payload'), 'base64'))
  assert.deepEqual(claim, {
    agent_id: 'agent.example',
    context: { a: '€', ads_displayed: true, b: 1 },
    method: 'GET',
    nonce: NONCE,
    purpose: 'SUMMARY',
    resource: `${ORIGIN}/a`,
    ts: NOW,
    v: '1.1',
  })
})

test('times: Date, milliseconds, text, and the clock', () => {
  const identity = Identity.generate('agent.example', 'EdDSA')
  const ts = (now) => {
    const headers = new Map(identity.sign('GET', `${ORIGIN}/a`, 'SUMMARY', { now }))
    return JSON.parse(Buffer.from(headers.get('x-imagxp-payload'), 'base64')).ts
  }
  assert.equal(ts(NOW), NOW)
  assert.equal(ts(new Date(NOW)), NOW)
  assert.equal(ts(Date.parse(NOW)), NOW)
  const before = Date.now()
  const clock = Date.parse(ts(undefined))
  assert.ok(before <= clock && clock <= Date.now())
  for (const now of ['yesterday', NaN, Infinity, 1e300, new Date(NaN)]) throwsCode(() => ts(now), 'usage.argument')
  for (const now of [true, {}, [], 1n, () => 1]) throwsType(() => ts(now), /`now`/)
})

test('many requests are signed with a nonce each', () => {
  const identity = Identity.generate('agent.example')
  const requests = Array.from({ length: 20 }, (_, index) => ['GET', `${ORIGIN}/${index}`, 'SUMMARY'])
  const all = identity.signBatch(requests, { now: NOW })
  const nonces = all.map((headers) => JSON.parse(Buffer.from(new Map(headers).get('x-imagxp-payload'), 'base64')).nonce)
  assert.equal(new Set(nonces).size, 20)
})

test('misuse is told with a code and one sentence', () => {
  const key = PrivateKey.generate()
  const identity = new Identity('agent.example', key)
  for (const name of ['', 'x y', 'EXAMPLE.com', 'localhost', '127.0.0.1', 'a..b', `${'a'.repeat(64)}.com`]) {
    throwsCode(() => new Identity(name, key), 'usage.argument')
    assert.equal(isAgentId(name), false)
  }
  assert.ok(isAgentId('127.0.0.1:8080', { allowLoopback: true }))
  assert.equal(manifestUrl('agent.example'), 'https://agent.example/.well-known/imagxp-agent.json')
  assert.equal(manifestUrl('localhost:1', { allowLoopback: true }), 'http://localhost:1/.well-known/imagxp-agent.json')
  throwsCode(() => identity.sign('GET', `${ORIGIN}/`, 'READING'), 'usage.argument', /READING/)
  throwsCode(() => identity.sign('GET', '/relative', 'SUMMARY'), 'usage.argument')
  throwsCode(() => identity.sign('GET', `${ORIGIN}/`, 'SUMMARY', { nonce: 'short' }), 'usage.argument')
  throwsType(() => identity.sign('GET', `${ORIGIN}/`, 'SUMMARY', { noce: NONCE }), /no option `noce`/)
  throwsType(() => identity.sign('GET', `${ORIGIN}/`, 'SUMMARY', { context: () => {} }), /`context`/)
  const cycle = {}
  cycle.self = cycle
  assert.throws(() => identity.sign('GET', `${ORIGIN}/`, 'SUMMARY', { context: cycle }), TypeError)
  throwsType(() => new Identity('agent.example', key.publicKey))
  throwsType(() => new Identity('agent.example', Object.create(PrivateKey.prototype)))
  throwsType(() => new Identity('agent.example', Object.setPrototypeOf(identity.publicKey, PrivateKey.prototype)))
  assert.equal(PURPOSES.length, 5)
  assert.equal(userAgent('MyBot/2'), 'MyBot/2 IMAGXP/1.0')
})

test('an external signer', () => {
  const key = PrivateKey.generate()
  const native = createPrivateKey(key.toPem())
  const external = (answer, options) => Identity.external('agent.example', key.publicKey, answer, options)
  const der = external((message) => sign('sha256', message, native), { der: true })
  const flat = external((message) => sign('sha256', message, { key: native, dsaEncoding: 'ieee-p1363' }))
  for (const identity of [der, flat]) {
    assert.ok(identity.isExternal)
    const publisher = knowing(identity)
    assert.equal(publisher.verify('GET', '/a', signed(identity), { now: NOW }).verdict.code, null)
    throwsCode(() => identity.save('/nowhere'), 'usage.argument')
  }

  const thrown = new RangeError('the HSM is gone')
  const broken = external(() => {
    throw thrown
  })
  assert.throws(
    () => broken.sign('GET', `${ORIGIN}/`, 'SUMMARY'),
    (error) => error.code === 'usage.signer' && error.cause === thrown && !error.message.includes('HSM'),
  )
  for (const answer of [undefined, null, 'text', 7, {}, new Uint8Array(63), new Uint8Array(64), Promise.resolve()]) {
    throwsCode(() => external(() => answer).sign('GET', `${ORIGIN}/`, 'SUMMARY'), 'usage.signer')
  }
  throwsCode(
    () => external(() => new Uint8Array(64), { der: true }).sign('GET', `${ORIGIN}/`, 'SUMMARY'),
    'usage.signer',
  )
  throwsCode(
    () => external((message) => PrivateKey.generate().sign(message)).sign('GET', `${ORIGIN}/`, 'SUMMARY'),
    'usage.signer',
    /does not verify/,
  )
  throwsType(() => external('not a function'))
  // A primitive may be thrown, too.
  const odd = external(() => {
    throw 'a string'
  })
  throwsCode(() => odd.sign('GET', `${ORIGIN}/`, 'SUMMARY'), 'usage.signer')
})

test('manifests', () => {
  const [identity, next] = [Identity.generate('agent.example'), PrivateKey.generate('EdDSA').publicKey]
  const other = new ManifestKey(next, { notBefore: NOW, notAfter: new Date('2027-01-01T00:00:00Z') })
  assert.ok(other.key.equals(next))
  assert.deepEqual(other.notBefore, new Date(NOW))
  assert.deepEqual(other.notAfter, new Date('2027-01-01T00:00:00Z'))
  assert.equal(other.existsAt(NOW), true)
  assert.equal(other.existsAt(0), false)
  assert.equal(new ManifestKey(next).notBefore, null)

  const manifest = identity.manifest({ contact: 'security@agent.example', others: [other] })
  assert.equal(manifest.agentId, 'agent.example')
  assert.equal(manifest.contact, 'security@agent.example')
  assert.deepEqual(
    manifest.keys.map(({ key }) => key.thumbprint),
    [identity.keyId, next.thumbprint],
  )
  assert.equal(manifest.keysAt(0).length, 1)
  assert.deepEqual(JSON.parse(manifest.toBytes()), JSON.parse(JSON.stringify(manifest)))
  const again = Manifest.parse(manifest.toJSON(), 'agent.example')
  assert.deepEqual(again.toBytes(), manifest.toBytes())
  throwsCode(() => Manifest.parse('{}', 'agent.example'), 'identity.manifest_invalid')
  throwsCode(() => Manifest.parse(manifest.toBytes(), 'other.example'), 'identity.manifest_invalid')
  throwsType(() => identity.manifest({ others: [next] }))

  const path = '/.well-known/imagxp-agent.json'
  const answer = manifest.response('GET', path)
  assert.deepEqual([answer.status, answer.body], [200, manifest.toBytes()])
  const { etag } = Object.fromEntries(answer.headers.map(([name, value]) => [name.toLowerCase(), value]))
  assert.equal(manifest.response('GET', path, etag).status, 304)
  assert.equal(manifest.response('POST', path).status, 405)
  assert.equal(manifest.response('GET', '/').status, 404)
})

test('identities in files and in the environment', async (t) => {
  const at = await folder(t)
  const identity = Identity.generate('agent.example')
  const path = join(at, 'key')
  await identity.save(path, { passphrase: 'open' })
  const loaded = await Identity.load('agent.example', path, { passphrase: 'open' })
  assert.equal(loaded.keyId, identity.keyId)
  await rejectsCode(Identity.load('agent.example', path, { passphrase: 'wrong' }), 'key_file.locked')
  throwsCode(() => Identity.load('no name', path), 'usage.argument')

  const key = PrivateKey.generate()
  const env = join(at, '.env')
  const variables = {
    IMAGXP_AGENT_ID: 'env.example',
    IMAGXP_PRIVATE_KEY: key.toPkcs8Der().toString('base64'),
    IMAGXP_PUBLIC_KEY: key.publicKey.toSpkiBase64(),
  }
  await writeFile(
    env,
    Object.entries(variables)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  const found = Identity.fromEnv(env)
  assert.deepEqual([found.agentId, found.keyId], ['env.example', key.publicKey.thumbprint])
  throwsCode(() => Identity.fromEnv(env, { agentId: 'other.example' }), 'usage.argument')
  throwsCode(() => Identity.fromEnv(join(at, 'none')), 'io.failed')

  Object.assign(process.env, variables)
  t.after(() => Object.keys(variables).forEach((name) => delete process.env[name]))
  assert.equal(Identity.fromEnv().keyId, key.publicKey.thumbprint)
  delete process.env.IMAGXP_AGENT_ID
  assert.equal(Identity.fromEnv(null, { agentId: 'given.example' }).agentId, 'given.example')
  throwsCode(() => Identity.fromEnv(), 'usage.argument', /IMAGXP_AGENT_ID/)
})
