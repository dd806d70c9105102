'use strict'

// Who is let in, in every framework.

const assert = require('node:assert/strict')
const { mkdtemp, rm } = require('node:fs/promises')
const { once } = require('node:events')
const { get } = require('node:http')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { json } = require('node:stream/consumers')
const { after, before } = require('node:test')
const { Identity, Rotation } = require('imagxp')
const { imagxp } = require('imagxp/express')
const { BROWSER, Broker, Domain, Listener, ask, raw } = require('./support.js')
const { everywhere, publish } = require('./site.js')

const WELL_KNOWN = '/.well-known/imagxp-policy.json'
const MANIFEST = '/.well-known/imagxp-agent.json'

let domain
let broker

before(async () => {
  domain = await Domain.open()
  broker = await Broker.open()
})

after(async () => {
  await domain?.close()
  await broker?.close()
})

everywhere({
  async 'a good read reaches the application'(t, framework) {
    const site = await publish(t, framework, { provenance: { origin: 'HUMAN' } })
    const fetched = domain.fetched
    for (let number = 0; number < 3; number += 1) {
      const answer = await ask(site.origin, `/a/${number}?q=%C3%A9`, { identity: domain.identity })
      assert.equal(answer.status, 200, answer.text)
      const { verdict } = answer.json
      assert.deepEqual([verdict.agentId, verdict.visitor], [domain.identity.agentId, 'verified_agent'])
      assert.equal(verdict.resource, `${site.origin}/a/${number}?q=%C3%A9`)
      assert.equal(answer.headers.get('x-imagxp-content-origin'), 'HUMAN')
      assert.equal(answer.headers.get('x-app'), 'yes')
    }
    assert.equal(domain.fetched, fetched + 1)
  },

  async 'a refused request never reaches the application'(t, framework) {
    const site = await publish(t, framework)
    const training = await ask(site.origin, '/a', { identity: domain.identity, purpose: 'CRAWL_TRAINING' })
    const bot = await ask(site.origin, '/a')
    const unknown = await ask(site.origin, '/no/such/route', { method: 'DELETE' })
    assert.deepEqual([training.status, training.code], [403, 'policy.purpose_denied'])
    assert.equal(training.headers.get('content-type'), 'application/json')
    assert.equal(training.headers.get('cache-control'), 'no-store')
    assert.equal(training.headers.get('content-length'), String(training.bytes.length))
    assert.deepEqual([bot.status, bot.code, bot.headers.get('www-authenticate')], [401, 'auth.required', 'IMAGXP'])
    assert.ok(unknown.status >= 400 && unknown.code !== undefined, unknown.text)
    assert.equal(site.record.reached, 0)
    assert.deepEqual(site.record.errors, [])
  },

  async 'visitors without a signature'(t, framework) {
    const site = await publish(t, framework, {
      unsigned: 'browsers',
      paths: [{ match: '/private/*', unsigned: 'deny' }],
    })
    assert.equal((await ask(site.origin, '/a', { headers: BROWSER })).json.verdict.visitor, 'unsigned_browser')
    // Node's `fetch` sends what browsers send, too.
    const bot = await raw(
      site.origin,
      `GET /a HTTP/1.1\nHost: ${site.address}\nConnection: close\nUser-Agent: reader/1.0\n\n`,
    )
    assert.deepEqual([bot.status, bot.code], [401, 'auth.required'])
    const browser = Object.entries(BROWSER)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join('')
    for (const path of [
      '/private/a',
      '/private%2Fa',
      '/x/../private/a',
      '/%70rivate/a',
      '/x/%2e%2e/private/a',
      '/private/a?b=/c',
      '/private/a#b',
    ]) {
      // As it is: `fetch` would normalise it.
      const answer = await raw(
        site.origin,
        `GET ${path} HTTP/1.1\nHost: ${site.address}\nConnection: close\n${browser}\n`,
      )
      assert.ok(answer.status === 401 || answer.status === 400, `${path}: ${answer.text}`)
    }
    assert.equal(site.record.reached, 1)
  },

  async 'a payment, with a key set that is fetched once'(t, framework) {
    const site = await publish(t, framework, { price: { amount: '1', currency: 'EUR' }, ...broker.policy })
    const unpaid = await ask(site.origin, '/a', { identity: domain.identity })
    assert.deepEqual([unpaid.status, unpaid.code, unpaid.json.offer.price], [402, 'payment.required', '1'])
    const fetched = broker.fetched
    for (const jti of ['visa-0001', 'visa-0002']) {
      const payment = broker.visa(site.origin, domain.identity, jti)
      const paid = await ask(site.origin, '/a', { identity: domain.identity, signed: { payment } })
      assert.equal(paid.json.verdict?.jti, jti, paid.text)
      const again = await ask(site.origin, '/a', { identity: domain.identity, signed: { payment } })
      assert.equal(again.code, 'payment.already_used')
    }
    assert.equal(broker.fetched, fetched + 1)
  },

  async 'a replay'(t, framework) {
    const site = await publish(t, framework)
    const signed = Object.fromEntries(await domain.identity.sign('GET', `${site.origin}/a`, 'RAG_RETRIEVAL'))
    const statuses = []
    for (let round = 0; round < 3; round += 1) statuses.push((await ask(site.origin, '/a', { headers: signed })).status)
    assert.deepEqual(statuses, [200, 409, 409])
  },

  async 'observe mode lets everything pass'(t, framework) {
    const verdicts = []
    const site = await publish(t, framework, {
      mode: 'observe',
      options: { onVerdict: (verdict) => verdicts.push(verdict.code) },
    })
    const { verdict } = (await ask(site.origin, '/a', { identity: domain.identity, purpose: 'CRAWL_TRAINING' })).json
    assert.deepEqual(
      [verdict.wouldDeny, verdict.code, verdict.agentId],
      [true, 'policy.purpose_denied', domain.identity.agentId],
    )
    assert.equal((await ask(site.origin, '/a')).json.verdict.wouldDeny, true)
    assert.deepEqual(verdicts, ['policy.purpose_denied', 'auth.required'])
  },

  async 'a hundred requests fetch the manifest once'(t, framework) {
    const site = await publish(t, framework)
    const fetched = domain.fetched
    const crowd = Array.from({ length: 100 }, (_, number) =>
      ask(site.origin, `/${number}`, { identity: domain.identity }),
    )
    assert.deepEqual(new Set((await Promise.all(crowd)).map(({ status }) => status)), new Set([200]))
    assert.equal(domain.fetched, fetched + 1)
  },

  async 'an agent whose domain does not answer'(t, framework) {
    const site = await publish(t, framework)
    const closed = await Listener.open()
    const identity = Identity.generate(closed.address, 'ES256', { allowLoopback: true })
    await closed.close()
    const answer = await ask(site.origin, '/a', { identity })
    assert.deepEqual([answer.status, answer.code], [503, 'identity.fetch_failed'])
    assert.equal(site.record.reached, 0)
  },

  async 'garbage never causes a fetch'(t, framework) {
    const site = await publish(t, framework)
    const fetched = domain.fetched
    const signed = Object.fromEntries(await domain.identity.sign('GET', `${site.origin}/a`, 'RAG_RETRIEVAL'))
    signed['x-imagxp-signature'] = [...signed['x-imagxp-signature']].reverse().join('')
    assert.equal((await ask(site.origin, '/a', { headers: signed })).code, 'sig.invalid')
    assert.equal(domain.fetched, fetched)
  },

  async 'the public policy is for anyone'(t, framework) {
    const site = await publish(t, framework, { agents: [{ match: 'secret.example.com' }] })
    const found = await ask(site.origin, WELL_KNOWN)
    assert.deepEqual([found.status, found.bytes.equals(site.policy.publicJson())], [200, true])
    assert.equal(found.headers.get('access-control-allow-origin'), '*')
    assert.doesNotMatch(found.text, /secret/)
    const head = await ask(site.origin, WELL_KNOWN, { method: 'HEAD' })
    assert.deepEqual([head.status, head.bytes.length], [200, 0])
    assert.equal(head.headers.get('content-length'), String(found.bytes.length))
    assert.equal((await ask(site.origin, WELL_KNOWN, { method: 'POST' })).status, 401)
    assert.equal(site.record.reached, 0)
  },

  async 'the manifest is for anyone'(t, framework) {
    const identity = Identity.generate('pub.example')
    const site = await publish(t, framework, { unsigned: 'deny', options: { manifest: identity.manifest() } })
    const found = await ask(site.origin, MANIFEST)
    assert.deepEqual([found.status, found.bytes.equals(identity.manifest().toBytes())], [200, true], found.text)
    for (const name of ['cache-control', 'content-type', 'access-control-allow-origin', 'x-content-type-options'])
      assert.match(found.headers.get(name), /^(public, max-age=\d+|application\/json|\*|nosniff)$/, name)
    assert.equal((await ask(site.origin, `${MANIFEST}?a=b`)).status, 200)
    const head = await ask(site.origin, MANIFEST, { method: 'HEAD' })
    assert.deepEqual([head.status, head.bytes.length], [200, 0])
    assert.equal(head.headers.get('content-length'), String(found.bytes.length))
    const headers = { 'if-none-match': `"other", ${found.headers.get('etag')}` }
    const known = await ask(site.origin, MANIFEST, { headers })
    assert.deepEqual([known.status, known.bytes.length, known.headers.get('etag')], [304, 0, found.headers.get('etag')])
    const post = await ask(site.origin, MANIFEST, { method: 'POST' })
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
    for (const other of [`${MANIFEST}5`, `${MANIFEST}/x`, `/mounted${MANIFEST}`])
      assert.equal((await ask(site.origin, other)).status, 401, other)
    assert.equal(site.record.reached, 0)
  },

  async 'each host has a manifest of its own'(t, framework) {
    const folder = await mkdtemp(join(tmpdir(), 'imagxp-'))
    t.after(() => rm(folder, { recursive: true }))
    const www = await Rotation.create(join(folder, 'keys'), 'www.pub.example')
    const development = Identity.generate('127.0.0.1:1', 'ES256', { allowLoopback: true })
    const manifest = [Identity.generate('pub.example').manifest(), www, development.manifest()]
    const site = await publish(t, framework, { unsigned: 'deny', options: { manifest } })
    for (const [host, agentId] of [
      ['pub.example', 'pub.example'],
      ['www.pub.example', 'www.pub.example'],
      ['WWW.pub.example:443', 'www.pub.example'],
      ['127.0.0.1:1', '127.0.0.1:1'],
      ['127.0.0.1:2', 'pub.example'],
      ['other.example', 'pub.example'],
    ]) {
      const request = get(site.origin + MANIFEST, { headers: { host, 'x-forwarded-host': 'www.pub.example' } })
      const [response] = await once(request, 'response')
      assert.deepEqual([response.statusCode, (await json(response)).agent_id], [200, agentId], host)
    }
    for (const wrong of [[], [manifest[0], 1], {}]) {
      assert.throws(() => imagxp({ policy: site.policy, manifest: wrong }), /manifest is a Manifest or a Rotation/)
    }
  },

  async 'without the option the manifest is guarded like everything'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'deny' })
    assert.equal((await ask(site.origin, MANIFEST)).status, 401)
  },

  async 'a rotation is read again for each request'(t, framework) {
    const folder = await mkdtemp(join(tmpdir(), 'imagxp-'))
    t.after(() => rm(folder, { recursive: true }))
    const keys = join(folder, 'keys')
    const other = await Rotation.create(keys, 'pub.example')
    const site = await publish(t, framework, { options: { manifest: new Rotation(keys) } })
    const listed = async () => (await ask(site.origin, MANIFEST)).json.keys.length
    assert.equal(await listed(), 1)
    await other.prepare()
    await other.publish()
    assert.deepEqual(await Promise.all([listed(), listed(), listed()]), [2, 2, 2])
    // What cannot be read again is what was read last.
    await rm(keys, { recursive: true })
    assert.deepEqual([await listed(), site.record.errors.length > 0], [2, true])
  },

  async 'robots.txt is for anyone'(t, framework) {
    const site = await publish(t, framework)
    const found = await ask(site.origin, '/robots.txt')
    assert.deepEqual([found.status, found.json?.path], [200, '/robots.txt'], found.text)
    assert.equal(found.headers.get('www-authenticate'), null)
    assert.equal((await ask(site.origin, '/robots.txt/x')).status, 401)
    assert.equal((await ask(site.origin, '/robots.txt', { method: 'POST' })).status, 401)
    // Whoever claims to be an agent is judged as one, here too.
    assert.equal((await ask(site.origin, '/robots.txt', { headers: { 'x-imagxp-payload': '!' } })).status, 400)
  },
})
