// What a user of CommonJS writes, compiled with `strict`: types only, it is not run.

import imagxp = require('imagxp')

const key: imagxp.PrivateKey = imagxp.PrivateKey.generate('EdDSA')
const identity = new imagxp.Identity('a.example', key)
const lines: [string, string][] = identity.sign('GET', 'https://pub.example/', 'SUMMARY', { now: 0 })
const options: imagxp.SignOptions = { compatible: true, adsDisplayed: true }
// @ts-expect-error a function that there is not
imagxp.verifyEverything()

export = { lines, options }
