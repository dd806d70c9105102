'use strict'

const addon = require('./load.cjs')
const { FetchError, ImagxpError, ReadError, makeError, warn } = require('./errors.cjs')
const { Verification, install } = require('./verification.cjs')

addon._install(makeError, warn)
install(addon)

const exported = Object.fromEntries(Object.entries(addon).filter(([name]) => !name.startsWith('_')))

module.exports = {
  ...exported,
  FEEDBACK_REASONS: Object.freeze(addon._feedbackReasons()),
  FetchError,
  ImagxpError,
  PURPOSES: Object.freeze(addon._purposes()),
  ReadError,
  Verification,
  version: require('./package.json').version,
}
