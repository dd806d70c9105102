'use strict'

// The programs of docs/guide-node-frameworks.md run, each in a process of its own.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const PACKAGE = path.join(__dirname, '..', '..')
const guide = readFileSync(path.join(PACKAGE, '..', '..', 'docs', 'guide-node-frameworks.md'), 'utf8')
const sections = guide.split(/^## /m).slice(1)
const blocks = sections.flatMap((section) =>
  [...section.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, program]) => [/^\w+/.exec(section)[0], program]),
)

test('each framework has its program', () => {
  assert.deepEqual(
    blocks.map(([name]) => name),
    ['Express', 'Fastify', 'Hono', 'Koa', 'fetch'],
  )
})

for (const [name, program] of blocks) {
  test(`the program below ${name}`, () => {
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: PACKAGE, encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
  })
}
