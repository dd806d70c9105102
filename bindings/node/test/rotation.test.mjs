import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { PrivateKey, Rotation } from '../index.mjs'
import { folder, rejectsCode, throwsCode, throwsType } from './support.mjs'

const at = (minutes) => new Date(Date.parse('2026-03-01T12:00:00Z') + minutes * 60_000)

test('a rotation takes its steps in order, and waits', async (t) => {
  const path = join(await folder(t), 'agent')
  const key = PrivateKey.generate()
  const rotation = await Rotation.create(path, 'agent.example', {
    key,
    contact: 'me@agent.example',
    passphrase: 'open',
  })
  assert.deepEqual(
    [rotation.agentId, rotation.stage, rotation.otherKey, rotation.readyAt, rotation.revoked],
    ['agent.example', 'settled', null, null, []],
  )
  assert.ok(rotation.signingKey.equals(key.publicKey))
  assert.equal(rotation.manifest().contact, 'me@agent.example')
  assert.equal((await rotation.identity({ passphrase: 'open' })).keyId, key.publicKey.thumbprint)
  await rejectsCode(rotation.identity({ passphrase: 'wrong' }), 'key_file.locked')
  await rejectsCode(rotation.publish(), 'rotation.order')

  await rotation.prepare({ algorithm: 'EdDSA', passphrase: 'open' })
  const next = rotation.otherKey
  assert.deepEqual([rotation.stage, next.algorithm], ['prepared', 'EdDSA'])
  await rotation.publish({ maxAge: 300, now: at(0) })
  assert.equal(rotation.manifest().keys.length, 2)
  const early = await rejectsCode(rotation.switch({ now: at(1) }), 'rotation.order')
  assert.match(early.message, /2026-03-01T/)
  assert.ok(rotation.readyAt instanceof Date && rotation.readyAt > at(0))
  await rotation.switch({ now: rotation.readyAt })
  assert.ok(rotation.signingKey.equals(next))

  const other = new Rotation(path)
  await other.abort({ now: at(600) }).catch((error) => assert.equal(error.code, 'rotation.order'))
  await rotation.reload()
  assert.equal(rotation.stage, other.stage)
  if (rotation.stage === 'switched') await rotation.retire({ now: at(6000) })
  await rotation.revoke(rotation.signingKey.thumbprint, { passphrase: 'open' })
  assert.equal(rotation.revoked.length, 1)
  throwsCode(() => rotation.revoke('none'), 'usage.argument')
})

test('folders that are none', async (t) => {
  const path = join(await folder(t), 'agent')
  throwsCode(() => new Rotation(path), 'io.failed')
  throwsType(() => new Rotation(7))
  const made = await Rotation.create(path, '127.0.0.1:1', { allowLoopback: true })
  assert.equal(made.agentId, '127.0.0.1:1')
  await rejectsCode(Rotation.create(path, 'agent.example'), 'io.failed')
  throwsCode(() => Rotation.create(path, 'no name'), 'usage.argument')
})
