// The package as a whole: its types, its exports, what is published, and the surface that all languages share.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as imagxp from '../index.mjs'
import { folder } from './support.mjs'

const run = promisify(execFile)
const require = createRequire(import.meta.url)
const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const REPOSITORY = join(PACKAGE, '..', '..')
const json = async (...path) => JSON.parse(await readFile(join(...path), 'utf8'))
const tool = (name) => join(PACKAGE, 'node_modules', '.bin', name)

/** Runs a program; its output is the message when it fails. */
async function ok(program, args, options) {
  return run(program, args, options).catch((error) => assert.fail(`${error.stdout}\n${error.stderr}`))
}

test('both kinds of module export the same', () => {
  const common = require('../index.cjs')
  assert.deepEqual(Object.keys(imagxp).sort(), Object.keys(common).sort())
  for (const [name, value] of Object.entries(common)) assert.equal(imagxp[name], value, name)
  assert.ok(Object.keys(common).every((name) => !name.startsWith('_')))
})

test('index.d.ts declares what is exported, and nothing else', async () => {
  const text = await readFile(join(PACKAGE, 'index.d.ts'), 'utf8')
  const declared = [...text.matchAll(/^export declare (?:class|const|function) (\w+)/gm)].map(([, name]) => name)
  assert.deepEqual([...new Set(declared)].sort(), Object.keys(imagxp).sort())
  // Of each class, every method and member, on both sides.
  for (const [, name, body] of text.matchAll(/^export declare class (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)) {
    const type = imagxp[name]
    const merged = [...text.matchAll(new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'gm'))].map(
      ([, more]) => more,
    )
    const members = [...[body, ...merged].join('').matchAll(/^ {2}(static |get |readonly )?(\w+)[(:]/gm)]
    const instance = members.filter(
      ([, kind, member]) => kind !== 'static ' && kind !== 'readonly ' && member !== 'constructor',
    )
    const own = Object.getOwnPropertyNames(type.prototype).filter(
      (member) => !['constructor', 'name'].includes(member) && !member.startsWith('_'),
    )
    assert.deepEqual(instance.map(([, , member]) => member).sort(), own.sort(), name)
    const statics = members.filter(([, kind]) => kind === 'static ').map(([, , member]) => member)
    const hidden = ['length', 'name', 'prototype', 'arguments', 'caller', 'stackTraceLimit', 'captureStackTrace']
    assert.deepEqual(
      statics.sort(),
      Object.getOwnPropertyNames(type)
        .filter((member) => !hidden.includes(member))
        .sort(),
      name,
    )
  }
})

test('index.d.ts is what napi writes', async () => {
  assert.equal(
    await readFile(join(PACKAGE, '.built.d.ts'), 'utf8'),
    await readFile(join(PACKAGE, 'index.d.ts'), 'utf8'),
    'run: scripts/node.sh types',
  )
})

test('the surface is what surface.json says', async () => {
  const surface = await json(REPOSITORY, 'tests', 'surface.json')
  const listed = new Set()
  for (const { name, node } of surface.operations) {
    if (node === null) {
      assert.ok(surface.gaps.node?.[name], `${name}: no reason is given for the gap`)
      continue
    }
    assert.ok(Array.isArray(node), `${name} has no column for node`)
    for (const symbol of node) {
      const [first, member] = symbol.split('.')
      listed.add(first)
      // An interface is a type only.
      if (first === 'ReplayStore') continue
      const thing = imagxp[first]
      assert.ok(thing !== undefined, symbol)
      assert.ok(member === undefined || member in thing || member in thing.prototype, symbol)
    }
  }
  // What no operation names: values that operations give, constants, errors.
  const values = ['Answer', 'Claim', 'Explanation', 'PURPOSES', 'Verification', 'ImagxpError', 'ReadError']
  listed.delete('ReplayStore')
  assert.deepEqual([...listed, ...values].sort(), Object.keys(imagxp).sort())
})

/** Packs the package and installs it, with the given addons, into a folder of its own. */
async function installed(t, addons) {
  const at = await folder(t)
  const packed = join(at, 'packed')
  const { stdout } = await ok(process.execPath, [join(PACKAGE, 'scripts', 'pack.mjs'), packed, ...addons])
  const archives = stdout.trim().split('\n')
  const project = join(at, 'project')
  for (const archive of archives) {
    const name = archive.includes('imagxp-imagxp-')
      ? `@imagxp/${archive.match(/imagxp-imagxp-([\w-]+?)-\d/)[0].slice(7, -2)}`
      : 'imagxp'
    const place = join(project, 'node_modules', name)
    await mkdir(place, { recursive: true })
    await ok('tar', ['-xzf', archive, '--strip-components=1', '-C', place])
  }
  return { archives, project }
}

async function builtAddon() {
  const files = await readdir(PACKAGE)
  return join(
    PACKAGE,
    files.find((name) => name.endsWith('.node')),
  )
}

test('what is published loads in both kinds of module, and type-checks', async (t) => {
  const { archives, project } = await installed(t, [await builtAddon()])
  const manifest = await json(project, 'node_modules', 'imagxp', 'package.json')
  const platforms = await readdir(join(PACKAGE, 'npm'))
  assert.deepEqual(
    Object.keys(manifest.optionalDependencies).sort(),
    platforms.map((name) => `@imagxp/imagxp-${name}`).sort(),
  )
  assert.ok(!('scripts' in manifest) && !('devDependencies' in manifest), 'nothing runs at installation')
  const [scoped] = await readdir(join(project, 'node_modules', '@imagxp'))
  const addon = join(project, 'node_modules', '@imagxp', scoped)
  for (const carried of [join(project, 'node_modules', 'imagxp'), addon]) {
    for (const name of ['LICENSE', 'NOTICE']) {
      assert.equal(await readFile(join(carried, name), 'utf8'), await readFile(join(REPOSITORY, name), 'utf8'))
    }
  }
  assert.match(await readFile(join(addon, 'third-party.txt'), 'utf8'), /^ {2}napi \d/m)
  const bill = await json(addon, 'sbom.cdx.json')
  assert.ok(bill.bomFormat === 'CycloneDX' && bill.components.some(({ name }) => name === 'napi'))

  const options = { cwd: project }
  const esm = "import { Identity } from 'imagxp'; console.log(Identity.generate('a.example').agentId)"
  const cjs = "console.log(require('imagxp').Identity.generate('a.example').agentId)"
  for (const args of [
    ['--input-type=module', '-e', esm],
    ['-e', cjs],
  ]) {
    assert.equal((await ok(process.execPath, args, options)).stdout, 'a.example\n')
  }
  await ok(tool('attw'), [archives[0], '--format', 'ascii', '--profile', 'node16'])

  const types = join(PACKAGE, 'test', 'types')
  for (const name of await readdir(types)) await cp(join(types, name), join(project, name))
  await mkdir(join(project, 'node_modules', '@types'), { recursive: true })
  await cp(join(PACKAGE, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'), {
    recursive: true,
  })
  await cp(join(PACKAGE, 'node_modules', 'undici-types'), join(project, 'node_modules', 'undici-types'), {
    recursive: true,
  })
  await ok(tool('tsc'), ['-p', project])
})

test('each addon has the notices of what is linked on its platform, wherever it is packed', async (t) => {
  const platforms = ['win32-x64-msvc', 'linux-arm64-gnu']
  const at = await folder(t)
  const addons = platforms.map((name) => join(at, `imagxp.${name}.node`))
  for (const addon of addons) await writeFile(addon, 'packed, and loaded by nobody')
  const { project } = await installed(t, addons)
  for (const name of platforms) {
    const carried = join(project, 'node_modules', '@imagxp', `imagxp-${name}`)
    const bill = await json(carried, 'sbom.cdx.json')
    const named = [
      /^ {2}windows-\S+ \d/m.test(await readFile(join(carried, 'third-party.txt'), 'utf8')),
      bill.components.some((component) => component.name.startsWith('windows-')),
    ]
    assert.deepEqual(named, [name.startsWith('win32'), name.startsWith('win32')], name)
  }
})

test('a missing addon is named', async (t) => {
  const { project } = await installed(t, [])
  const program = "try { require('imagxp') } catch (error) { console.log(error.code, error.message) }"
  const { stdout } = await ok(process.execPath, ['-e', program], { cwd: project })
  assert.match(stdout, /^IMAGXP_ADDON_MISSING imagxp: the package @imagxp\/imagxp-[\w-]+ is missing/)
  const musl = `Object.defineProperty(process, 'arch', { value: 's390x' }); ${program}`
  const other = await ok(process.execPath, ['-e', musl], { cwd: project })
  assert.match(other.stdout, /there is no build for linux-s390x/)
  // A file that is no addon is there, but cannot be loaded.
  const { stdout: named } = await ok(process.execPath, ['-e', program], { cwd: project })
  const wanted = named.match(/@imagxp\/imagxp-([\w-]+)/)
  const place = join(project, 'node_modules', wanted[0])
  await cp(join(PACKAGE, 'npm', wanted[1]), place, { recursive: true })
  await writeFile(join(place, `imagxp.${wanted[1]}.node`), 'no addon')
  const broken = await ok(process.execPath, ['-e', program], { cwd: project })
  assert.match(broken.stdout, /cannot be loaded/)
})

test('each platform names its own machine', async () => {
  const libc = { gnu: 'glibc', musl: 'musl' }
  for (const name of await readdir(join(PACKAGE, 'npm'))) {
    const manifest = await json(PACKAGE, 'npm', name, 'package.json')
    const [os, cpu, abi] = name.split('-')
    assert.equal(manifest.name, `@imagxp/imagxp-${name}`)
    assert.deepEqual([manifest.os, manifest.cpu], [[os], [cpu]])
    assert.deepEqual(manifest.libc, abi in libc ? [libc[abi]] : undefined)
    assert.deepEqual([manifest.main, manifest.files], [`imagxp.${name}.node`, [`imagxp.${name}.node`]])
  }
})

test('no file of the package knows a machine or a registry', async () => {
  const { files } = await json(PACKAGE, 'package.json')
  for (const name of [...files.filter((file) => file.includes('.')), 'package-lock.json']) {
    const text = await readFile(join(PACKAGE, name), 'utf8')
    assert.doesNotMatch(text, /\/home\/|\/tmp\/|\/root\/|registry\.npmjs|"resolved"/, name)
  }
})
