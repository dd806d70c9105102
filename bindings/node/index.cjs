'use strict'

const addon = require('./load.cjs')
const { BrokerError, FetchError, ImagxpError, ReadError, makeError, warn } = require('./errors.cjs')
const { backgroundRedeemer } = require('./redeemer.cjs')
const { Verification, discoverer, install } = require('./verification.cjs')

addon._install(makeError, warn, () => {})
install(addon)

const ALL = addon
  ._codes()
  .map(([name, number, http, retry, message, hint]) => Object.freeze({ name, number, http, retry, message, hint }))
const codes = Object.freeze({
  ALL: Object.freeze(ALL),
  byName: (name) => ALL.find((code) => code.name === name),
  byNumber: (number) => ALL.find((code) => code.number === number),
})

const exported = Object.fromEntries(Object.entries(addon).filter(([name]) => !name.startsWith('_')))

module.exports = {
  ...exported,
  BrokerError,
  FEEDBACK_REASONS: Object.freeze(addon._feedbackReasons()),
  FetchError,
  ImagxpError,
  PURPOSES: Object.freeze(addon._purposes()),
  ReadError,
  Redeemer: backgroundRedeemer(addon.Redeemer),
  Verification,
  codes,
  discover: discoverer(addon.discover),
  version: require('./package.json').version,
}
