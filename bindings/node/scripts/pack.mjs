// Makes what is published: the package `imagxp`, and the package of each platform whose addon is there.
//
// Usage: node scripts/pack.mjs FOLDER [ADDON...]   writes FOLDER/*.tgz; an ADDON is a file named imagxp.<platform>.node
//
// The package names its platforms as optional dependencies only here: in the repository npm would look for them in the registry.
// Each has the licence and the notice with it, an addon also those of what is linked into it on its platform, and a bill of materials.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const [folder, ...addons] = process.argv.slice(2)
const root = fileURLToPath(new URL('..', import.meta.url))
const repository = join(root, '..', '..')
const LEGAL = ['LICENSE', 'NOTICE']
const LINKED = ['third-party.txt', 'sbom.cdx.json']
const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
const write = (path, object) => writeFileSync(path, `${JSON.stringify(object, null, 2)}\n`)
const platforms = readdirSync(join(root, 'npm')).map((name) => ({
  name,
  manifest: read(join(root, 'npm', name, 'package.json')),
}))

// What the package of each platform is compiled for: `linux-x64-gnu` for `x86_64-unknown-linux-gnu`.
function platformOf(triple) {
  const [machine, , system, environment] = triple.split('-')
  const parts = [{ windows: 'win32' }[system] ?? system, { x86_64: 'x64', aarch64: 'arm64' }[machine], environment]
  return parts.filter(Boolean).join('-')
}

function pack(from) {
  // npm reports the name of what it made.
  const made = execFileSync('npm', ['pack', '--json', '--pack-destination', resolve(folder)], {
    cwd: from,
    encoding: 'utf8',
  })
  console.log(join(folder, JSON.parse(made)[0].filename.replace('@', '').replace('/', '-')))
}

mkdirSync(folder, { recursive: true })
const work = mkdtempSync(join(tmpdir(), 'imagxp-pack-'))
try {
  const { private: _, devDependencies: __, napi: built, ...manifest } = read(join(root, 'package.json'))
  manifest.optionalDependencies = Object.fromEntries(
    platforms.map(({ manifest: { name, version } }) => [name, version]),
  )
  const main = join(work, 'imagxp')
  mkdirSync(main)
  for (const name of [...manifest.files, 'README.md']) cpSync(join(root, name), join(main, name), { recursive: true })
  for (const name of LEGAL) cpSync(join(repository, name), join(main, name))
  manifest.files.push(...LEGAL)
  write(join(main, 'package.json'), manifest)
  pack(main)

  for (const addon of addons) {
    const platform = platforms.find(({ manifest: { main: file } }) => file === basename(addon))
    if (platform === undefined) throw new Error(`${addon} is for no platform`)
    const triple = built.targets.find((target) => platformOf(target) === platform.name)
    if (triple === undefined) throw new Error(`nothing is built for ${platform.name}`)
    const at = join(work, platform.name)
    cpSync(join(root, 'npm', platform.name), at, { recursive: true })
    cpSync(addon, join(at, basename(addon)))
    execFileSync(join(repository, 'packaging', 'notices.sh'), ['imagxp-node', at, '--target', triple])
    write(join(at, 'package.json'), { ...platform.manifest, files: [...platform.manifest.files, ...LEGAL, ...LINKED] })
    pack(at)
  }
} finally {
  rmSync(work, { recursive: true })
}
