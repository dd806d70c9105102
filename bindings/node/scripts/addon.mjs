// Makes the addon of what cargo has built: `node scripts/addon.mjs LIBRARY FOLDER TYPES` puts the library into FOLDER under this platform's name, and
// writes TYPES from what the macros have left in $NAPI_TYPE_DEF_TMP_FOLDER (nothing, when it is `-`).
//
// This is what `napi build` does after it has called cargo. It always names a target, and then nothing that is compiled is shared with the rest of
// the repository.

import { execFileSync } from 'node:child_process'
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateTypeDef, parseTriple } from '@napi-rs/cli'

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), '..')
const { napi } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'))
const [library, folder, types] = process.argv.slice(2)

const host = /^host: (.*)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))[1]
const addon = join(folder, `${napi.binaryName}.${parseTriple(host).platformArchABI}.node`)
// A new file, never over the old one: a process that runs has that mapped.
await copyFile(library, `${addon}.new`)
await rename(`${addon}.new`, addon)

if (types !== '-') {
  const { dts } = await generateTypeDef({
    typeDefDir: process.env.NAPI_TYPE_DEF_TMP_FOLDER,
    configDtsHeaderFile: napi.dtsHeaderFile,
    cwd: PACKAGE,
  })
  if (!dts.includes('export ')) throw new Error('the macros have left no types')
  // Comments that have gone through a macro come as the raw strings that rustc makes of them.
  await writeFile(types, dts.replace(/^( *(?:\/\*\*|\*)) r"( |$)/gm, '$1$2'))
}
