import assert from 'node:assert/strict'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { AuditLog, Identity, PrivateKey, verifyEvidence, verifyInclusion } from '../index.mjs'
import { NOW, folder, knowing, rejectsCode, signed, throwsCode, throwsType, warningsOf } from './support.mjs'

const agent = Identity.generate('agent.example')

test('a log is written, verified, and proves one record', async (t) => {
  const path = join(await folder(t), 'log')
  const key = PrivateKey.generate('EdDSA')
  const keys = [key.publicKey]
  const log = new AuditLog(path, key, 'pub.example/imagxp-audit')
  const publisher = knowing(agent, { audit: log })
  const verdicts = [0, 1, 2].map(() => publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict)
  assert.ok(verdicts.every((verdict) => verdict.isAllowed))
  assert.ok(log.size >= 3)
  assert.deepEqual(log.torn, [])
  assert.equal(await log.seal(), undefined)
  const { traceId } = verdicts[1]
  const evidence = await AuditLog.prove(path, keys, { traceId })
  const proven = verifyEvidence(evidence, keys)
  assert.equal(proven.key_known, true)
  assert.equal(verifyEvidence(evidence).key_known, false)
  await log.close()
  assert.equal(publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict.http, 503)

  const report = await AuditLog.verify(path, keys)
  assert.deepEqual([report.intact, report.verdicts, report.requestsVerified, report.findings], [true, 3, 3, []])
  await rejectsCode(AuditLog.prove(path, keys, { traceId: 'ff'.repeat(16) }), 'usage.argument')
  throwsCode(() => AuditLog.prove(path, keys, {}), 'usage.argument')
  throwsCode(() => AuditLog.prove(path, keys, { entry: 1, traceId }), 'usage.argument')
  throwsType(() => AuditLog.verify(path, key.publicKey))
  throwsCode(() => verifyEvidence('{}'), 'audit.malformed')
  throwsCode(() => verifyEvidence(evidence, [PrivateKey.generate().publicKey]), 'audit.altered')
  throwsCode(() => verifyInclusion('none', keys, 'entry', []), 'audit.malformed')
  throwsCode(() => verifyInclusion('none', keys, 'entry', ['AA==']), 'usage.argument')

  // One byte changed anywhere in a record is found.
  const files = (await readdir(path)).filter((name) => name.includes('.jsonl') || name.endsWith('.log'))
  assert.ok(files.length > 0, (await readdir(path)).join())
  const file = join(path, files[0])
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('"RAG_RETRIEVAL"', '"RAG_RETRIEVAX"'))
  const altered = await AuditLog.verify(path, keys)
  assert.equal(altered.intact, false)
  assert.equal(typeof altered.findings[0].message, 'string')
})

test('a sink written in JavaScript keeps each record before the verdict', async () => {
  const kept = []
  const publisher = knowing(agent, { audit: (record, manifest) => void kept.push([JSON.parse(record), manifest]) })
  const { verdict } = publisher.verify('GET', '/a', signed(agent), { now: NOW })
  assert.equal(verdict.isAllowed, true)
  assert.equal(kept.length, 1)
  assert.ok(JSON.stringify(kept[0][0]).includes(verdict.traceId))
  assert.equal(JSON.parse(kept[0][1]).agent_id, 'agent.example')
  const thrower = () => {
    throw new Error('the disk is full')
  }
  for (const audit of [thrower, async () => {}]) {
    const broken = knowing(agent, { audit })
    const { result, seen } = await warningsOf(() => broken.verify('GET', '/a', signed(agent), { now: NOW }).verdict)
    assert.deepEqual([result.code, result.http, seen.length], ['audit.unavailable', 503, 1])
  }
})

test('options of a log', async (t) => {
  const path = join(await folder(t), 'log')
  const key = PrivateKey.generate()
  throwsCode(() => new AuditLog(path, key, 'o', { sync: 'sometimes' }), 'usage.argument')
  throwsCode(() => new AuditLog(path, key, 'o', { fileBytes: 0.5 }), 'usage.argument')
  throwsType(() => new AuditLog(path, key.publicKey, 'o'))
  const options = {
    sync: 'interval',
    intervalMs: 10,
    intervalRecords: 2,
    checkpointEntries: 2,
    checkpointSeconds: 1,
    unsigned: true,
  }
  const log = new AuditLog(path, key, 'pub.example/log', { ...options, fileBytes: 1 << 20, earlierKeys: [] })
  await log.close()
  assert.equal((await AuditLog.verify(path, [key.publicKey])).intact, true)
})
