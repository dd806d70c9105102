// Values and servers that many tests need.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImagxpError, Policy, Publisher, manifestUrl } from '../index.mjs'

export const NOW = '2026-03-01T12:00:00.000Z'
export const ORIGIN = 'https://pub.example'
export const SECRET = Uint8Array.from({ length: 16 }, (_, index) => index)
export const AGENT_UA = ['User-Agent', 'test IMAGXP/1.0']

/** A policy that allows retrieval and denies training. */
export function policy(members = {}) {
  return Policy.fromJson({
    version: 1,
    origins: [ORIGIN],
    purposes: { RAG_RETRIEVAL: { allow: true }, CRAWL_TRAINING: { allow: false } },
    ...members,
  })
}

/** A publisher that has the identity's manifest. */
export function knowing(identity, { now = NOW, members, ...options } = {}) {
  const publisher = new Publisher(policy(members), { secret: SECRET, ...options })
  publisher.supply(manifestUrl(identity.agentId), identity.manifest().toBytes(), { now })
  return publisher
}

/** The headers of a good request, as `req.rawHeaders` has them. */
export function signed(identity, { path = '/a', purpose = 'RAG_RETRIEVAL', ...options } = {}) {
  return [...identity.sign('GET', ORIGIN + path, purpose, { now: NOW, ...options }), AGENT_UA].flat()
}

/** Asserts that it throws an `ImagxpError` with this code. */
export function throwsCode(act, code, message) {
  assert.throws(act, (error) => {
    assert.ok(error instanceof ImagxpError, `${error.name}: ${error.message}`)
    assert.equal(error.code, code, error.message)
    if (message !== undefined) assert.match(error.message, message)
    return true
  })
}

/** Asserts that the promise rejects with an `ImagxpError` with this code; gives the error. */
export async function rejectsCode(promise, code) {
  const error = await promise.then(
    () => assert.fail(`fulfilled instead of ${code}`),
    (reason) => reason,
  )
  assert.ok(error instanceof ImagxpError, `${error.name}: ${error.message}`)
  assert.equal(error.code, code, error.message)
  return error
}

/** Asserts that it throws a `TypeError` with the code of misuse. */
export function throwsType(act, message) {
  assert.throws(act, (error) => {
    assert.ok(error instanceof TypeError, `${error.name}: ${error.message}`)
    assert.equal(error.code, 'usage.argument')
    if (message !== undefined) assert.match(error.message, message)
    return true
  })
}

/** A folder for the length of one test. */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'imagxp-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Serves on a free port of loopback for the length of one test; gives the origin. */
export async function serving(t, listener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${server.address().port}`
}

/** The warnings of the package while `act` runs. */
export async function warningsOf(act) {
  const seen = []
  const note = (warning) => warning.name === 'ImagxpWarning' && seen.push(warning)
  process.on('warning', note)
  try {
    const result = await act()
    // Warnings are emitted on the next tick.
    await new Promise((resolve) => setImmediate(resolve))
    return { result, seen }
  } finally {
    process.off('warning', note)
  }
}
