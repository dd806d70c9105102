import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { PrivateKey, PublicKey, canonicalize, contentDigest } from '../index.mjs'
import { folder, rejectsCode, throwsCode, throwsType } from './support.mjs'

const MESSAGE = Buffer.from('a message')

for (const [algorithm, curve] of [
  ['ES256', 'P-256'],
  ['EdDSA', 'Ed25519'],
]) {
  test(`${algorithm}: what is written is read, and Node's own cryptography agrees`, () => {
    const key = PrivateKey.generate(algorithm)
    const { publicKey } = key
    assert.equal(key.algorithm, algorithm)
    assert.equal(publicKey.algorithm, algorithm)
    assert.match(publicKey.thumbprint, /^[\w-]{43}$/)
    assert.equal(publicKey.toJwk().crv, curve)

    for (const read of [
      PublicKey.fromPem(publicKey.toPem()),
      PublicKey.fromSpki(publicKey.toSpkiBase64()),
      PublicKey.fromSpki(publicKey.toSpkiDer()),
      PublicKey.fromJwk(publicKey.toJwk()),
      PublicKey.fromJwk(JSON.stringify(publicKey.toJwk())),
      PrivateKey.fromPem(key.toPem()).publicKey,
      PrivateKey.fromPkcs8Der(key.toPkcs8Der()).publicKey,
      PrivateKey.fromJwk(createPrivateKey(key.toPem()).export({ format: 'jwk' })).publicKey,
    ]) {
      assert.ok(read.equals(publicKey))
      assert.equal(read.thumbprint, publicKey.thumbprint)
    }

    const options = { dsaEncoding: 'ieee-p1363' }
    const digest = algorithm === 'ES256' ? 'sha256' : null
    const signature = key.sign(MESSAGE)
    assert.equal(signature.length, 64)
    assert.deepEqual(key.sign(MESSAGE), signature, 'deterministic')
    assert.ok(verify(digest, MESSAGE, { key: createPublicKey(publicKey.toPem()), ...options }, signature))
    const theirs = sign(digest, MESSAGE, { key: createPrivateKey(key.toPem()), ...options })
    assert.ok(publicKey.verify(MESSAGE, theirs))
    assert.equal(publicKey.verify(Buffer.from('another'), theirs), false)
    assert.equal(publicKey.verify(MESSAGE, theirs.subarray(1)), false)
    assert.equal(publicKey.equals(PrivateKey.generate(algorithm).publicKey), false)
  })
}

test('keys that cannot be read', () => {
  for (const act of [
    () => PublicKey.fromPem('none'),
    () => PublicKey.fromSpki('AAAA'),
    () => PublicKey.fromSpki(new Uint8Array(8)),
    () => PublicKey.fromJwk({ kty: 'EC' }),
    () =>
      PrivateKey.fromPem(
        generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
      ),
    () => PrivateKey.fromPkcs8Der(MESSAGE),
    () => PrivateKey.fromJwk('{"kty":"OKP"}'),
  ]) {
    throwsCode(act, 'key.malformed')
  }
  throwsCode(() => PublicKey.fromJwk('{"a":1,"a":2}'), 'json.duplicate_key')
  throwsCode(() => PrivateKey.generate('RS256'), 'usage.argument', /RS256/)
  throwsType(() => PrivateKey.generate(1))
  throwsType(() => PublicKey.fromSpki(null))
  throwsType(() => PublicKey.fromJwk(Symbol('jwk')))
  throwsType(() => PrivateKey.fromPkcs8Der('text'))
})

test('a key does not show itself', () => {
  const key = PrivateKey.generate()
  const secret = createPrivateKey(key.toPem()).export({ format: 'jwk' }).d
  for (const shown of [inspect(key, { showHidden: true, depth: 9 }), JSON.stringify(key), String(key)]) {
    assert.ok(!shown.includes(secret) && !shown.includes('PRIVATE'), shown)
  }
})

test('key files', async (t) => {
  const path = join(await folder(t), 'key')
  const key = PrivateKey.generate()
  assert.equal(await key.save(path), undefined)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.ok((await PrivateKey.load(path)).publicKey.equals(key.publicKey))
  assert.equal((await rejectsCode(key.save(path), 'io.failed')).cause.code, 'EEXIST')

  await key.save(path, { passphrase: 'correct horse', overwrite: true })
  const written = await readFile(path, 'latin1')
  assert.ok(!written.includes(createPrivateKey(key.toPem()).export({ format: 'jwk' }).d))
  throwsCode(() => PrivateKey.fromPem(written), 'key.malformed')
  assert.ok((await PrivateKey.load(path, { passphrase: Buffer.from('correct horse') })).publicKey.equals(key.publicKey))
  await rejectsCode(PrivateKey.load(path, { passphrase: 'wrong' }), 'key_file.locked')
  await rejectsCode(PrivateKey.load(path), 'key_file.locked')
  throwsCode(() => PrivateKey.load(path, { passphrase: '' }), 'usage.argument')

  await writeFile(path, key.toPem())
  await chmod(path, 0o644)
  await rejectsCode(PrivateKey.load(path), 'io.failed')
  assert.ok((await PrivateKey.load(path, { allowReadable: true })).publicKey.equals(key.publicKey))
  assert.equal((await rejectsCode(PrivateKey.load(`${path}.none`), 'io.failed')).cause.code, 'ENOENT')
})

test('digests and canonical JSON', () => {
  assert.equal(contentDigest(Buffer.from('hello')), 'sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:')
  throwsType(() => contentDigest('hello'))
  assert.equal(canonicalize('{"b":1e1,"a":"\\u20ac"}').toString(), '{"a":"€","b":10}')
  assert.equal(canonicalize(Buffer.from('[ 1 ]')).toString(), '[1]')
  throwsCode(() => canonicalize('{"a":1,"a":1}'), 'json.duplicate_key')
  throwsCode(() => canonicalize('"\\ud800"'), 'json.invalid_unicode')
  throwsCode(() => canonicalize(Uint8Array.of(0xff)), 'json.invalid_unicode')
  throwsType(() => canonicalize({}))
})
