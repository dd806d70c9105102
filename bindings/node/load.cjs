'use strict'

// Finds the addon for this machine: the one built beside this file, or the package of this platform.

const { existsSync } = require('node:fs')
const { join } = require('node:path')

const PLATFORMS = new Set([
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-x64-msvc',
])

function isMusl() {
  // The report asks every network interface unless it is told not to, which can take seconds.
  const report = process.report
  const before = report.excludeNetwork
  report.excludeNetwork = true
  const { header } = report.getReport()
  report.excludeNetwork = before
  return header.glibcVersionRuntime === undefined
}

function platform() {
  const { platform: system, arch } = process
  if (system === 'linux') return `${system}-${arch}-${isMusl() ? 'musl' : 'gnu'}`
  if (system === 'win32') return `${system}-${arch}-msvc`
  return `${system}-${arch}`
}

function load() {
  const name = platform()
  const built = join(__dirname, `imagxp.${name}.node`)
  if (existsSync(built)) return require(built)
  const wanted = `@imagxp/imagxp-${name}`
  try {
    return require(wanted)
  } catch (cause) {
    const advice = !PLATFORMS.has(name)
      ? `there is no build for ${name}`
      : cause.code === 'MODULE_NOT_FOUND'
        ? `the package ${wanted} is missing: install without --omit=optional, on the platform it is to run on`
        : `the package ${wanted} cannot be loaded`
    const error = new Error(`imagxp: ${advice}`, { cause })
    error.code = 'IMAGXP_ADDON_MISSING'
    throw error
  }
}

module.exports = load()
