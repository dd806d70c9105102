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
  const { platform, arch } = process
  if (platform === 'linux') return `${platform}-${arch}-${isMusl() ? 'musl' : 'gnu'}`
  if (platform === 'win32') return `${platform}-${arch}-msvc`
  return `${platform}-${arch}`
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
