// The site as it is on the Internet, and what the adapter refuses there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Manifest, Policy, PrivateKey } from 'imagxp'
import { imagxpProxy, policyHandler, withImagxp } from 'imagxp/next'
import { StartedSite } from './started_site.mjs'

test('on the Internet: a key that stays, and nothing for development', async (t) => {
  const settings = { PUBLISHER_ORIGIN: 'https://pub.example', PUBLISHER_BROKER: 'https://broker.example' }
  const manifestOf = async (more) => {
    const site = await StartedSite.open({ ...settings, ...more })
    t.after(() => site.close())
    const found = await fetch(`${site.origin}/.well-known/imagxp-agent.json`)
    return { status: found.status, text: await found.text(), site }
  }
  const key = PrivateKey.generate()
  const found = await manifestOf({ PUBLISHER_KEY: key.toPem() })
  assert.equal(found.status, 200, found.text + found.site.log)
  assert.equal(Manifest.parse(found.text, 'pub.example').keys[0].key.thumbprint, key.publicKey.thumbprint)
  const elsewhere = await manifestOf({ PUBLISHER_KEY: key.toPem(), PUBLISHER_ORIGIN: 'https://pub.example:8443' })
  assert.equal(JSON.parse(elsewhere.text).agent_id, 'pub.example', elsewhere.text + elsewhere.site.log)
  const keyless = await manifestOf({})
  assert.equal(keyless.status, 500)
  assert.match(keyless.site.log, /PUBLISHER_KEY is not set/)
})

test('the switch for development is refused with the origin of a real site', () => {
  const options = (origins, allow_loopback = true) => ({
    policy: Policy.fromJson({ version: 1, origins, allow_loopback, purposes: {} }),
  })
  const page = () => new Response('page')
  for (const make of [imagxpProxy, policyHandler, (given) => withImagxp(page, given)]) {
    for (const origin of ['https://pub.example', 'https://localhost.example', 'https://127.0.0.1.example']) {
      assert.throws(() => make(options([origin])), /allow_loopback/, origin)
      assert.throws(() => make(options(['http://127.0.0.1:3000', origin])), /allow_loopback/, origin)
    }
    for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:3000'])
      assert.equal(typeof make(options([origin])), 'function')
    assert.equal(typeof make(options(['https://pub.example'], false)), 'function')
  }
})
