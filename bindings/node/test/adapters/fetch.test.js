'use strict'

// wrapFetch against real servers: what they receive is what counts.

const assert = require('node:assert/strict')
const { after, before, beforeEach, describe, test } = require('node:test')
const { buffer } = require('node:stream/consumers')
const { Caps, Feedback, Identity, Policy, PrivateKey, Wallet, contentDigest } = require('imagxp')
const { wrapFetch } = require('imagxp/fetch')
const { Broker, Domain, Listener } = require('./support.js')
const { frameworks, PIECES } = require('./frameworks.js')

/** A server that answers by rules and remembers what it was asked. */
class Recorder {
  static async open() {
    const recorder = new Recorder()
    recorder.listener = await Listener.open()
    recorder.origin = recorder.listener.origin
    recorder.forget()
    recorder.listener.server.on('request', async (request, response) => {
      const body = await buffer(request)
      const headers = Object.entries(request.headersDistinct)
      recorder.requests.push({
        method: request.method,
        target: request.url,
        headers: request.headers,
        lines: headers,
        body,
      })
      const path = request.url.split('?')[0]
      const [status, answer, fields = {}] = recorder.redirects[path] ?? recorder.answers.shift() ?? [200, 'ok']
      if (status === 0) response.destroy()
      else response.writeHead(status, fields).end(answer)
    })
    return recorder
  }

  forget() {
    this.requests = []
    this.redirects = {}
    this.answers = []
  }

  redirect(path, status, location) {
    this.redirects[path] = [status, '', { location }]
  }

  close() {
    return this.listener.close()
  }
}

const OFFER = { error: { code: 'payment.required' }, offer: { price: '0.05', currency: 'EUR', brokers: [] } }
const PLAIN = ['x-imagxp-payload', 'x-imagxp-public-key', 'x-imagxp-signature']
const ours = ({ headers }) =>
  Object.keys(headers)
    .filter((name) => name.startsWith('x-imagxp-'))
    .sort()
const claim = ({ headers }) => JSON.parse(Buffer.from(headers['x-imagxp-payload'], 'base64'))

let server
let elsewhere
let agent

before(async () => {
  server = await Recorder.open()
  elsewhere = await Recorder.open()
  agent = Identity.generate('bot.example.com')
})

beforeEach(() => {
  server.forget()
  elsewhere.forget()
})

after(async () => {
  await server.close()
  await elsewhere.close()
})

const wrapped = (options = {}) => wrapFetch(fetch, { identity: agent, purpose: 'SUMMARY', ...options })

describe('signing', () => {
  test('every request is signed anew', async () => {
    const read = wrapped()
    await read(`${server.origin}/a?b=c d#frag`)
    await read(new URL(server.origin), { method: 'head' })
    await read(new Request(`${server.origin}/r`, { headers: { 'x-own': '1', 'user-agent': 'me/2' } }))
    const [first, second, third] = server.requests
    assert.deepEqual(ours(first), PLAIN)
    assert.equal(claim(first).resource, server.origin + first.target)
    assert.equal(first.target, '/a?b=c%20d')
    assert.deepEqual([claim(first).method, claim(second).method], ['GET', 'HEAD'])
    assert.notEqual(claim(first).nonce, claim(second).nonce)
    assert.equal(claim(first).content_digest, undefined)
    assert.equal(first.headers['user-agent'], 'IMAGXP/1.0')
    assert.deepEqual([third.headers['x-own'], third.headers['user-agent']], ['1', 'me/2 IMAGXP/1.0'])
    const payload = Buffer.from(first.headers['x-imagxp-payload'], 'base64')
    assert.ok(agent.publicKey.verify(payload, Buffer.from(first.headers['x-imagxp-signature'], 'hex')))
  })

  test('options of a request', async () => {
    const imagxp = { purpose: 'QUOTATION', visa: 'a.b.c', proof: 'd.e.f', adsDisplayed: true, context: { k: 1 } }
    await wrapped({ compatible: true })(server.origin, { imagxp })
    const [request] = server.requests
    assert.equal(claim(request).purpose, 'QUOTATION')
    assert.deepEqual(claim(request).context, { k: 1, ads_displayed: true })
    assert.equal(request.headers['x-imagxp-payment'], 'a.b.c')
    assert.equal(request.headers['x-imagxp-credential'], 'a.b.c')
    assert.equal(request.headers['x-imagxp-proof'], 'd.e.f')
    await assert.rejects(wrapped()(server.origin, { imagxp: { porpoise: 'x' } }), /porpoise/)
    await assert.rejects(wrapped({ purpose: 'READING' })(server.origin), { code: 'usage.argument' })
    assert.equal(server.requests.length, 1)
  })

  test('feedback travels with a request', async () => {
    const feedback = await new Feedback(`${server.origin}/a`, '0.5', 'OTHER').sign(agent)
    await wrapped()(server.origin, { imagxp: { feedback } })
    const sent = Buffer.from(server.requests[0].headers['x-imagxp-feedback'], 'base64')
    assert.deepEqual(JSON.parse(sent), JSON.parse(feedback))
  })

  test('bodies are bound by their digest', async () => {
    const form = new FormData()
    form.set('a', 'é')
    for (const body of [
      'text',
      Buffer.from('bytes'),
      new TextEncoder().encode('view').buffer,
      new URLSearchParams({ a: 'b' }),
      new Blob(['blob']),
      form,
    ]) {
      await wrapped()(server.origin, { method: 'POST', body })
      const { body: received, headers } = server.requests.at(-1)
      assert.equal(claim(server.requests.at(-1)).content_digest, contentDigest(received))
      if (body === form) assert.ok(received.toString().includes(/boundary=(\S+)/.exec(headers['content-type'])[1]))
    }
    assert.equal(server.requests[0].headers['content-type'], 'text/plain;charset=UTF-8')
  })

  test('bodies that are streams pass untouched', async () => {
    let pulled = 0
    const body = new ReadableStream({
      pull(controller) {
        if (++pulled > 3) controller.close()
        else controller.enqueue(Buffer.from(`${pulled}`))
      },
    })
    await wrapped()(server.origin, { method: 'POST', body, duplex: 'half' })
    assert.equal(server.requests[0].body.toString(), '123')
    assert.equal(claim(server.requests[0]).content_digest, undefined)
  })

  test('headers that a caller set are not sent twice', async () => {
    await wrapped()(server.origin, {
      headers: { 'X-Imagxp-Payload': 'stale', 'x-imagxp-feedback': 'stale', 'x-imagxp-payment': 'stale' },
    })
    assert.deepEqual(ours(server.requests[0]), PLAIN)
    assert.ok(server.requests[0].lines.every(([name, values]) => !name.startsWith('x-imagxp') || values.length === 1))
  })

  test('answers are streams', async () => {
    const response = await wrapped()(server.origin)
    assert.equal(response.bodyUsed, false)
    assert.equal(await response.text(), 'ok')
    assert.equal(response.url, `${server.origin}/`)
  })

  test('a request can be given up', async () => {
    const controller = new AbortController()
    controller.abort()
    await assert.rejects(wrapped()(server.origin, { signal: controller.signal }), { name: 'AbortError' })
    await assert.rejects(wrapped()(new Request(server.origin, { signal: controller.signal })), { name: 'AbortError' })
    assert.equal(server.requests.length, 0)
  })

  test('wrong options', () => {
    const caps = { currency: 'EUR', perRequest: '1' }
    for (const options of [
      { identity: undefined },
      { identity: {} },
      { purpose: undefined },
      { receipts: 'sometimes' },
      { budget: caps, wallet: new Wallet([]) },
      { budget: caps, visas: () => null },
      { budgets: caps },
      { budget: { currency: 'EUR', perRequest: 'many' } },
    ]) {
      assert.throws(() => wrapped(options), Error, JSON.stringify(options))
    }
    assert.throws(() => wrapFetch(fetch), TypeError)
    for (const budget of [
      caps,
      [caps],
      new Caps('EUR', '1'),
      [new Caps('EUR', '1'), { ...caps, currency: 'USD', perDay: '2' }],
    ])
      wrapped({ budget })
  })
})

describe('redirects', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`${status} to another origin carries nothing of ours`, async () => {
      server.redirect('/a', status, `${elsewhere.origin}/b`)
      const init = {
        imagxp: { visa: 'secret.visa.token' },
        headers: { authorization: 'secret', cookie: 'secret', 'x-own': '1' },
      }
      const response = await wrapped({ compatible: true })(`${server.origin}/a`, init)
      assert.deepEqual([response.status, response.redirected, response.url], [200, true, `${elsewhere.origin}/b`])
      assert.equal(elsewhere.requests.length, 1)
      assert.deepEqual(ours(elsewhere.requests[0]), [])
      assert.doesNotMatch(JSON.stringify(elsewhere.requests), /secret/)
      assert.equal(elsewhere.requests[0].headers['x-own'], '1')
      assert.ok(ours(server.requests[0]).length > 0)
    })
  }

  test('an origin that redirects elsewhere and back is not signed for', async () => {
    server.redirect('/a', 302, `${elsewhere.origin}/b`)
    elsewhere.redirect('/b', 302, `${server.origin}/chosen-by-elsewhere`)
    await wrapped()(`${server.origin}/a`)
    assert.deepEqual(
      server.requests.map((request) => ours(request).length > 0),
      [true, false],
    )
  })

  test('within the origin each is signed anew', async () => {
    server.redirect('/a', 302, '/b')
    server.redirect('/b', 307, '/c?d#e')
    const response = await wrapped()(`${server.origin}/a`)
    assert.deepEqual([response.status, response.redirected, response.url], [200, true, `${server.origin}/c?d`])
    assert.deepEqual(
      server.requests.map((request) => claim(request).resource),
      ['/a', '/b', '/c?d'].map((path) => server.origin + path),
    )
    assert.equal(new Set(server.requests.map((request) => claim(request).nonce)).size, 3)
  })

  test('methods and bodies go as RFC 9110 says', async () => {
    for (const [status, method, body] of [
      [301, 'GET', ''],
      [303, 'GET', ''],
      [307, 'POST', 'hello'],
      [308, 'POST', 'hello'],
    ]) {
      server.forget()
      server.redirect('/a', status, '/b')
      await wrapped()(`${server.origin}/a`, { method: 'POST', body: 'hello' })
      const last = server.requests[1]
      assert.deepEqual([last.method, last.body.toString(), claim(last).method], [method, body, method])
      assert.equal(claim(last).content_digest, body === '' ? undefined : contentDigest(Buffer.from(body)))
    }
  })

  test('a body that was a stream cannot be sent again', async () => {
    server.redirect('/a', 307, '/b')
    const body = new Blob(['hello']).stream()
    await assert.rejects(wrapped()(`${server.origin}/a`, { method: 'POST', body, duplex: 'half' }), TypeError)
    assert.equal(server.requests.length, 1)
  })

  test('redirects that never end, lead nowhere, or are not wanted', async () => {
    server.redirect('/a', 302, '/b')
    server.redirect('/b', 302, '/a')
    await assert.rejects(wrapped()(`${server.origin}/a`), TypeError)
    assert.equal(server.requests.length, 21)
    for (const location of ['file:///etc/passwd', 'http://', 'data:,x']) {
      server.redirect('/x', 302, location)
      await assert.rejects(wrapped()(`${server.origin}/x`), TypeError, location)
    }
    assert.equal((await wrapped()(`${server.origin}/a`, { redirect: 'manual' })).status, 302)
    await assert.rejects(wrapped()(`${server.origin}/a`, { redirect: 'error' }), TypeError)
  })
})

describe('visas from the caller', () => {
  test('an offer is answered once, with a new nonce', async () => {
    server.answers = [
      [402, JSON.stringify(OFFER)],
      [200, 'paid'],
    ]
    const asked = []
    const visas = async (offer) => (asked.push(offer), 'a.b.c')
    const response = await wrapped({ visas })(`${server.origin}/p`, { method: 'POST', body: 'x' })
    assert.equal(await response.text(), 'paid')
    const [first, second] = server.requests
    assert.deepEqual([first.headers['x-imagxp-payment'], second.headers['x-imagxp-payment']], [undefined, 'a.b.c'])
    assert.notEqual(claim(first).nonce, claim(second).nonce)
    assert.equal(second.body.toString(), 'x')
    const expected = { url: `${server.origin}/p`, purpose: 'SUMMARY', code: 'payment.required', terms: OFFER.offer }
    assert.deepEqual(asked, [{ ...expected, agentId: agent.agentId, keyId: agent.keyId }])
    server.answers = Array(3).fill([402, JSON.stringify(OFFER)])
    assert.equal((await wrapped({ visas })(server.origin)).status, 402)
    assert.equal(server.requests.length, 4, 'once, and no more')
  })

  test('offers that are none are left to the caller', async () => {
    const long = `{"offer":{}}${' '.repeat(70_000)}`
    for (const body of ['', '{', '[]', '{"offer":5}', '{"offer":[]}', '{"error":5}', '['.repeat(100_000), long]) {
      server.answers = [[402, body]]
      const response = await wrapped({ visas: () => assert.fail('asked') })(server.origin)
      assert.deepEqual([response.status, await response.text()], [402, body])
    }
  })

  test('offers that are left can still be read', async () => {
    for (const options of [{}, { visas: () => null }]) {
      server.answers = [[402, JSON.stringify(OFFER)]]
      const response = await wrapped(options)(server.origin)
      assert.deepEqual([response.url, await response.json()], [`${server.origin}/`, OFFER])
    }
  })
})

describe('a publisher that wants money', () => {
  let domain
  let broker
  const sites = []

  before(async () => {
    domain = await Domain.open()
    broker = await Broker.open()
  })

  after(async () => {
    await Promise.all([...sites, domain, broker].map((one) => one.close()))
  })

  async function publish(members = {}) {
    const listener = await Listener.open()
    sites.push(listener)
    const identity = Identity.generate(listener.address, 'ES256', { allowLoopback: true })
    const policy = Policy.fromJson({
      version: 1,
      origins: [listener.origin],
      allow_loopback: true,
      purposes: { SUMMARY: {} },
      provenance: { origin: 'HUMAN' },
      paths: [{ match: '/paid*', price: { amount: '0.05', currency: 'EUR' } }],
      ...broker.policy,
      ...members,
    })
    const { server: site } = listener
    const record = { reached: 0 }
    await frameworks['express 5'](
      { server: { on: (event, app) => site.on(event, withManifest(identity, app)) } },
      { policy, identity },
      record,
    )
    return { origin: listener.origin, identity, record }
  }

  /** The site's own manifest is for anyone. */
  function withManifest(identity, app) {
    return (request, response) => {
      if (request.url === '/.well-known/imagxp-agent.json') response.end(identity.manifest().toBytes())
      else app(request, response)
    }
  }

  const reader = (options = {}) =>
    wrapFetch(fetch, { identity: domain.identity, purpose: 'SUMMARY', allowLoopback: true, ...options })
  const budget = { currency: 'EUR', perRequest: '0.10', total: '0.10' }

  test('buys within the budget, and not beyond', async () => {
    const site = await publish()
    const read = reader({ budget, brokers: [broker.pinned] })
    const { sold } = broker
    for (const path of ['/paid/1', '/paid/2']) {
      const response = await read(site.origin + path)
      assert.equal(response.status, 200)
      assert.match((await response.json()).verdict.jti, /^visa-/)
    }
    assert.equal(broker.sold, sold + 2)
    const broke = await read(`${site.origin}/paid/3`)
    assert.equal(broke.status, 402)
    assert.match(broke.imagxp.error.code, /^spend\./)
    assert.equal((await broke.json()).error.code, 'payment.required', 'the answer can still be read')
    assert.equal(broker.sold, sold + 2)
    assert.equal((await read(`${site.origin}/free`)).status, 200)
  })

  test('buys from nobody that it was not told to trust', async () => {
    const site = await publish()
    const { sold } = broker
    const response = await reader({ budget, brokers: ['https://other.example'] })(`${site.origin}/paid/1`)
    assert.equal(response.status, 402)
    assert.ok(response.imagxp.error.code)
    assert.equal(broker.sold, sold)
  })

  test('a broker that does not answer: the end of the payment is unknown, and it counts', async () => {
    const site = await publish()
    const dead = await Recorder.open()
    sites.push(dead)
    dead.answers = [[0, '']]
    const wallet = new Wallet([new Caps('EUR', '0.10', { total: '0.10' })])
    const read = reader({ wallet, brokers: [[broker.issuer, `${dead.origin}/oauth/token`]] })
    await assert.rejects(read(`${site.origin}/paid/1`), { code: 'spend.unknown' })
    assert.equal(wallet.spent('EUR'), '0.05')
    assert.equal(dead.requests.length, 1)
  })

  test('a visa is kept when the paid request gets no answer', async () => {
    const site = await publish()
    const wallet = new Wallet([new Caps('EUR', '0.10')])
    let cut = true
    const cutting = (url, init) => {
      if (cut && new Headers(init.headers).has('x-imagxp-payment')) {
        cut = false
        return Promise.reject(new TypeError('fetch failed'))
      }
      return fetch(url, init)
    }
    const read = wrapFetch(cutting, {
      identity: domain.identity,
      purpose: 'SUMMARY',
      allowLoopback: true,
      wallet,
      brokers: [broker.pinned],
    })
    const { sold } = broker
    await assert.rejects(read(`${site.origin}/paid/1`), TypeError)
    assert.equal((await read(`${site.origin}/paid/1`)).status, 200)
    assert.equal(broker.sold, sold + 1)
    assert.equal(wallet.spent('EUR'), '0.05')
  })

  test('receipts that hold', async () => {
    const site = await publish()
    for (const receipts of ['verify', 'require']) {
      const response = await reader({ receipts })(`${site.origin}/length`)
      assert.equal(await response.text(), PIECES.join(''))
      const receipt = await response.imagxp.receipt
      assert.deepEqual(
        [receipt.url, receipt.origin, receipt.agentId],
        [`${site.origin}/length`, 'HUMAN', domain.identity.agentId],
      )
    }
  })

  test('receipts that are missing, or do not hold', async () => {
    const site = await publish()
    // `fetch` shows no trailers.
    const stream = await reader({ receipts: 'verify' })(`${site.origin}/stream`)
    assert.deepEqual([stream.imagxp.receipt, await stream.text()], [null, PIECES.join('')])
    await assert.rejects(reader({ receipts: 'require' })(`${site.origin}/stream`), { code: 'provenance.missing' })

    const tampering = async (url, init) => {
      const response = await fetch(url, init)
      return new Response((await response.text()).replace('a', 'b'), response)
    }
    for (const receipts of ['verify', 'require']) {
      const read = wrapFetch(tampering, {
        identity: domain.identity,
        purpose: 'SUMMARY',
        allowLoopback: true,
        receipts,
      })
      const changed = await read(`${site.origin}/length`)
      await assert.rejects(changed.text(), { code: 'provenance.mismatch' })
      await assert.rejects(changed.imagxp.receipt, { code: 'provenance.mismatch' })
    }
  })

  test('a key that the publisher does not have', async () => {
    const site = await publish()
    const forger = new Identity(site.identity.agentId, PrivateKey.generate(), { allowLoopback: true })
    const other = await publish()
    assert.notEqual(forger.keyId, other.identity.keyId)
    const forging = async (url, init) => {
      const response = await fetch(url, init)
      const bytes = Buffer.from(await response.arrayBuffer())
      const { Receipt } = require('imagxp')
      const sha256 = require('node:crypto').createHash('sha256').update(bytes).digest()
      const headers = new Headers(response.headers)
      const receipt = new Receipt(url, sha256, { origin: 'HUMAN', traceId: 't', agentId: domain.identity.agentId })
      for (const [name, value] of await receipt.sign(forger)) headers.set(name, value)
      return new Response(bytes, { status: 200, headers })
    }
    const read = wrapFetch(forging, {
      identity: domain.identity,
      purpose: 'SUMMARY',
      allowLoopback: true,
      receipts: 'verify',
    })
    await assert.rejects((await read(`${site.origin}/length`)).text(), { code: 'identity.key_mismatch' })
  })
})
