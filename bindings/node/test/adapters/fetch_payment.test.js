'use strict'

// What wrapFetch does about a 402.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { mkdtemp, rm } = require('node:fs/promises')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { after, before, beforeEach, describe, test } = require('node:test')
const { Caps, Feedback, Identity, Visit, Wallet } = require('imagxp')
const { wrapFetch } = require('imagxp/fetch')
const { Recorder, Town, claim } = require('./fetching.js')
const { Listener } = require('./support.js')

const OFFER = { error: { code: 'payment.required' }, offer: { price: '0.05', currency: 'EUR', brokers: [] } }

let server
let agent
/** A token endpoint where nobody listens: no port that a server is given. */
const nobody = 'http://127.0.0.1:2/oauth/token'

before(async () => {
  server = await Recorder.open()
  agent = Identity.generate('bot.example.com')
})

beforeEach(() => {
  server.forget()
})

after(async () => {
  await server.close()
})

const wrapped = (options = {}) => wrapFetch(fetch, { identity: agent, purpose: 'SUMMARY', ...options })

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

describe('what cannot be paid for', () => {
  const brokers = ['https://broker.example']
  const budget = { currency: 'EUR', perRequest: '0.10' }

  test('a page that nobody pays for, such as one without TLS, stays a 402', async () => {
    server.answers = [[402, JSON.stringify(OFFER)]]
    const response = await wrapped({ budget, brokers })(`${server.origin}/p`)
    assert.deepEqual([response.status, await response.json()], [402, OFFER])
    assert.equal(response.imagxp.error.code, 'usage.argument')
    assert.equal(server.requests.length, 1)
  })

  test('the mistake of a visas function is no reason', async () => {
    server.answers = [[402, JSON.stringify(OFFER)]]
    const visas = () => Identity.generate('not a domain')
    await assert.rejects(wrapped({ visas })(`${server.origin}/p`), { code: 'usage.argument' })
  })

  test('a key that no broker takes is refused at once', () => {
    const identity = Identity.generate('bot.example.com', 'EdDSA')
    assert.throws(() => wrapped({ identity, budget, brokers }), { code: 'usage.argument', message: /ES256/ })
    assert.equal(typeof wrapped({ identity, budget }), 'function')
  })
})

describe('a publisher that wants money', () => {
  let town

  before(async () => {
    town = await Town.open()
  })

  after(() => town.close())

  const budget = { currency: 'EUR', perRequest: '0.10', total: '0.10' }

  test('buys within the budget, and not beyond', async () => {
    const site = await town.publish()
    const read = town.reader({ budget, brokers: [town.broker.pinned] })
    const { sold } = town.broker
    for (const path of ['/paid/1', '/paid/2']) {
      const response = await read(site.origin + path)
      assert.equal(response.status, 200)
      assert.match((await response.json()).verdict.jti, /^visa-/)
    }
    assert.equal(town.broker.sold, sold + 2)
    const broke = await read(`${site.origin}/paid/3`)
    assert.equal(broke.status, 402)
    assert.match(broke.imagxp.error.code, /^spend\./)
    assert.equal((await broke.json()).error.code, 'payment.required', 'the answer can still be read')
    assert.equal(town.broker.sold, sold + 2)
    assert.equal((await read(`${site.origin}/free`)).status, 200)
  })

  test('feedback is given once, and the answer says what became of it', async () => {
    const taken = []
    const site = await town.publish({ onFeedback: (feedback) => void taken.push(feedback.url) })
    const read = town.reader({ budget, brokers: [town.broker.pinned] })
    const statuses = { '/paid/1': 200, '/paid/2': 200, '/paid/3': 402, '/free': 200 }
    for (const [path, status] of Object.entries(statuses)) {
      const url = site.origin + path
      const feedback = await new Feedback(url, '0.5', 'OTHER').sign(town.domain.identity)
      const answer = await read(url, { imagxp: { feedback } })
      assert.deepEqual([answer.status, answer.headers.get('x-imagxp-feedback-status')], [status, 'accepted'], path)
      assert.match(answer.headers.get('content-type'), /json/)
    }
    assert.deepEqual(
      taken,
      Object.keys(statuses).map((path) => site.origin + path),
    )
  })

  test('buys from nobody that it was not told to trust', async () => {
    const site = await town.publish()
    const { sold } = town.broker
    const response = await town.reader({ budget, brokers: ['https://other.example'] })(`${site.origin}/paid/1`)
    assert.equal(response.status, 402)
    assert.ok(response.imagxp.error.code)
    assert.equal(town.broker.sold, sold)
  })

  test('a broker that does not answer: the end of the payment is unknown, and it counts', async () => {
    const site = await town.publish()
    const dead = town.keep(await Recorder.open())
    dead.answers = [[0, '']]
    const wallet = new Wallet([new Caps('EUR', '0.10', { total: '0.10' })])
    const read = town.reader({ wallet, brokers: [[town.broker.issuer, `${dead.origin}/oauth/token`]] })
    await assert.rejects(read(`${site.origin}/paid/1`), { code: 'spend.unknown' })
    assert.equal(wallet.spent('EUR'), '0.05')
    assert.equal(dead.requests.length, 1)
  })

  test('a broker that cannot be reached: the payment is released', async () => {
    const site = await town.publish()
    const coded = (code) => Object.assign(new Error(`connect ${code}`), { code })
    const all = (...codes) => Object.assign(new AggregateError(codes.map(coded)), { code: codes[0] })
    const pay = async (own) => {
      const wallet = new Wallet([new Caps('EUR', '0.10')])
      const read = town.reader({ wallet, brokers: [[town.broker.issuer, nobody]] }, own)
      let code
      try {
        const response = await read(`${site.origin}/paid/1`)
        assert.equal((await response.json()).error.code, 'payment.required', 'the answer can still be read')
        code = response.imagxp.error.code
      } catch (error) {
        code = error.code
      }
      return [code, wallet.spent('EUR'), wallet.open.length]
    }
    const released = ['io.failed', '0', 0]
    const unknown = ['spend.unknown', '0.05', 1]
    assert.deepEqual(await pay(fetch), released)
    // What Node's own fetch says of what its connections meet.
    const place = Symbol.for('undici.globalDispatcher.1')
    const connections = globalThis[place]
    const says = async (error) => {
      globalThis[place] = {
        dispatch(options, handler) {
          if (String(options.origin) + options.path !== nobody) return connections.dispatch(options, handler)
          queueMicrotask(() => (handler.onError ? handler.onError(error) : handler.onResponseError(null, error)))
          return true
        },
      }
      try {
        return await pay(fetch)
      } finally {
        globalThis[place] = connections
      }
    }
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])
      assert.deepEqual(await says(coded(code)), released, code)
    assert.deepEqual(await says(all('ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT')), released)
    const unclear = [coded('ECONNRESET'), coded('UND_ERR_SOCKET'), all('ECONNREFUSED', 'ECONNRESET'), all()]
    for (const cause of unclear) assert.deepEqual(await says(cause), unknown, String(cause.code))
    // A fetch of the caller's own may have sent it, and have tried again; also one that stands in for Node's.
    const own = globalThis.fetch
    const failure = new TypeError('fetch failed', { cause: coded('ECONNREFUSED') })
    const retrying = async (url, init) => (url === nobody ? Promise.reject(failure) : own(url, init))
    assert.deepEqual(await pay(retrying), unknown)
    globalThis.fetch = retrying
    try {
      assert.deepEqual(await pay(retrying), unknown)
    } finally {
      globalThis.fetch = own
    }
  })

  test("a page's dispatcher is not the broker's: it may be bound to the page's site", async () => {
    const site = await town.publish()
    const asked = []
    const dispatcher = {
      dispatch(options, handler) {
        asked.push(String(options.origin) + options.path)
        return globalThis[Symbol.for('undici.globalDispatcher.1')].dispatch(options, handler)
      },
    }
    const read = town.reader({ budget, brokers: [town.broker.pinned] })
    assert.equal((await read(`${site.origin}/paid/1`, { dispatcher })).status, 200)
    const page = `${site.origin}/paid/1`
    assert.deepEqual(asked, [page, page])
  })

  test('a broker that never answers: the caller gives up, or ten seconds pass', async (t) => {
    const site = await town.publish()
    const silent = town.keep(await Listener.open())
    const slow = town.keep(await Listener.open())
    slow.server.on('request', (_, response) => response.writeHead(200).write('{'))
    t.mock.timers.enable({ apis: ['setTimeout'] })
    for (const broker of [silent, slow]) {
      const came = () => once(broker.server, 'request')
      for (const [how, giveUp] of Object.entries({
        signal: (controller) => controller.abort(),
        'signal of a Request': (controller) => controller.abort(),
        deadline: () => t.mock.timers.tick(10_000),
      })) {
        const wallet = new Wallet([new Caps('EUR', '0.10')])
        const read = town.reader({ wallet, brokers: [[town.broker.issuer, `${broker.origin}/oauth/token`]] })
        const controller = new AbortController()
        const { signal } = controller
        const url = `${site.origin}/paid/1`
        const [reading] = [
          how === 'signal of a Request' ? read(new Request(url, { signal })) : read(url, { signal }),
          await came(),
        ]
        giveUp(controller)
        await assert.rejects(reading, { code: 'spend.unknown' }, how)
        assert.deepEqual([wallet.open.length, wallet.spent('EUR')], [1, '0.05'])
      }
    }
  })

  test('a caller who has given up before the broker was asked buys nothing', async () => {
    const site = await town.publish()
    const wallet = new Wallet([new Caps('EUR', '0.10')])
    const controller = new AbortController()
    const asked = []
    const offering = async (url, init) => {
      asked.push(url)
      const response = await fetch(url, { ...init, signal: undefined })
      controller.abort()
      return response
    }
    const read = town.reader({ wallet, brokers: [town.broker.pinned] }, offering)
    await assert.rejects(read(`${site.origin}/paid/1`, { signal: controller.signal }), { name: 'AbortError' })
    assert.deepEqual(asked, [`${site.origin}/paid/1`])
    assert.deepEqual([wallet.open.length, wallet.spent('EUR')], [0, '0'])
  })

  test('the books are written away from the event loop', async (t) => {
    const site = await town.publish()
    const folder = await mkdtemp(join(tmpdir(), 'imagxp-'))
    t.after(() => rm(folder, { recursive: true }))
    const wallet = new Wallet([new Caps('EUR', '0.10')], { path: join(folder, 'books') })
    const steps = []
    for (const name of ['answered', 'failed']) {
      const step = Visit.prototype[name]
      t.mock.method(Visit.prototype, name, function (...given) {
        steps.push([name, given[0]])
        return step.apply(this, given)
      })
    }
    const read = town.reader({ wallet, brokers: [town.broker.pinned] })
    assert.equal((await read(`${site.origin}/paid/1`)).status, 200)
    assert.deepEqual(steps, [['answered', 200]], 'only what came of the visa, which is written nowhere')
    const gone = town.reader({ wallet, brokers: [[town.broker.issuer, nobody]] })
    assert.equal((await gone(`${site.origin}/paid/2`)).imagxp.error.code, 'io.failed')
    assert.deepEqual([steps.length, wallet.spent('EUR')], [1, '0.05'])
  })

  test('a visa is kept when the paid request gets no answer', async () => {
    const site = await town.publish()
    const wallet = new Wallet([new Caps('EUR', '0.10')])
    let cut = true
    const cutting = (url, init) => {
      if (cut && new Headers(init.headers).has('x-imagxp-payment')) {
        cut = false
        return Promise.reject(new TypeError('fetch failed'))
      }
      return fetch(url, init)
    }
    const read = town.reader({ wallet, brokers: [town.broker.pinned] }, cutting)
    const { sold } = town.broker
    await assert.rejects(read(`${site.origin}/paid/1`), TypeError)
    assert.equal((await read(`${site.origin}/paid/1`)).status, 200)
    assert.equal(town.broker.sold, sold + 1)
    assert.equal(wallet.spent('EUR'), '0.05')
  })
})
