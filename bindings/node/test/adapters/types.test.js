'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { readdirSync } = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const PACKAGE = path.join(__dirname, '..', '..')
const ADAPTERS = readdirSync(path.join(PACKAGE, 'adapters'))
  .filter((name) => name.endsWith('.mjs'))
  .map((name) => path.basename(name, '.mjs'))

test('the types of the adapters, in strict mode, in both kinds of module', () => {
  const tsc = path.join(PACKAGE, 'node_modules', 'typescript', 'bin', 'tsc')
  const run = spawnSync(process.execPath, [tsc, '--project', path.join(__dirname, 'types')], { encoding: 'utf8' })
  assert.equal(run.status, 0, run.stdout)
})

test('every adapter is exported, and nothing else of their folder', () => {
  const { exports } = require('../../package.json')
  const found = Object.keys(exports).filter((name) => !['.', './package.json'].includes(name))
  assert.deepEqual(found.sort(), ADAPTERS.map((name) => `./${name}`).sort())
  assert.throws(() => require('imagxp/shared/guard'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
})

test('both kinds of module export the same', async () => {
  // `imagxp/next` needs Next, which only its example has.
  for (const name of ADAPTERS.filter((one) => one !== 'next')) {
    const { default: _, ...exported } = await import(`imagxp/${name}`)
    assert.deepEqual(exported, { ...require(`imagxp/${name}`) })
  }
})
