import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Dashboard } from './dashboard.js'

const folder = fileURLToPath(new URL('.', import.meta.url))

test('every visitor comes to what it must', async () => {
  const program = spawn(process.execPath, ['start.js', '--once'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err, [code]] = await Promise.all([text(program.stdout), text(program.stderr), once(program, 'exit')])
  assert.equal(code, 0, out + err)
  assert.match(out, /11 of 11 visits as stated/)
  for (const shown of [
    'policy.purpose_denied',
    'payment.required',
    'visa 0.05 EUR',
    'replay.nonce_seen',
    'unsigned_browser',
    '/robots.txt',
  ]) {
    assert.ok(out.includes(shown), `${shown} is not in\n${out}`)
  }
})

test('it ends when told to', async () => {
  const program = spawn(process.execPath, ['start.js', '--alone', '--port', '0'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [first] = await once(program.stdout, 'data')
  const origin = /http:\/\/127\.0\.0\.1:\d+/.exec(first.toString())[0]
  assert.equal(
    (
      await fetch(`${origin}/posts/1`, {
        headers: { 'user-agent': 'reader-bot/1.0' },
      })
    ).status,
    401,
  )
  program.kill('SIGTERM')
  assert.deepEqual(await once(program, 'exit'), [0, null])
})

test('the dashboard of a terminal stays within it, and obeys nobody', () => {
  let written = ''
  const dashboard = new Dashboard('title', {
    isTTY: true,
    columns: 60,
    write: (text) => (written += text),
  })
  const verdict = {
    outcome: 'allow',
    code: null,
    visitor: 'unsigned_browser',
    agentId: null,
    purpose: null,
    payment: { state: 'not_required' },
  }
  for (let number = 0; number < 30; number += 1)
    dashboard.add(verdict, {
      method: 'GET',
      target: `/\x1b[2J\u202e${'x'.repeat(100)}`,
    })
  assert.deepEqual(dashboard.sums, { ok: 30 })
  const last = written.slice(written.lastIndexOf('\x1b[J') + 3)
  assert.equal(last.split('\n').length, 12 + 6)
  assert.doesNotMatch(written, /\x1b\[2J|\u202e/)
  for (const shown of last.split('\n')) assert.ok(shown.replace(/\x1b\[\d*m/g, '').length <= 60, shown)
})
