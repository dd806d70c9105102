'use strict'

// The site's own hooks, in every framework.

const assert = require('node:assert/strict')
const { after, before } = require('node:test')
const { BrokerClient, Feedback, Identity, Policy, Publisher, Redeemer, feedbackHeader } = require('imagxp')
const { imagxp } = require('imagxp/express')
const { Broker, Domain, ask, until } = require('./support.js')
const { everywhere, publish } = require('./site.js')

const LOOPBACK = { allowLoopback: true }

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
  async feedback(t, framework) {
    const taken = []
    const onFeedback = async (feedback, verdict) => {
      assert.equal(verdict.agentId, domain.identity.agentId)
      if (feedback.reason === 'OTHER') throw new Error('on purpose')
      taken.push(feedback.scoreMillionths)
    }
    const site = await publish(t, framework, {
      unsigned: 'allow',
      options: { onFeedback },
      paths: [{ match: '/closed', unsigned: 'deny' }],
    })
    const send = async (reason, path = '/a') => {
      const signed = await new Feedback(`${site.origin}/a`, '0.25', reason).sign(domain.identity)
      return ask(site.origin, path, { headers: { 'x-imagxp-feedback': feedbackHeader(signed) } })
    }
    const status = (answer) => answer.headers.get('x-imagxp-feedback-status')
    const good = await send('INACCURATE')
    assert.deepEqual([good.status, status(good)], [200, 'accepted'])
    const refused = await send('INACCURATE', '/closed')
    assert.deepEqual(
      [refused.status, status(refused)],
      [401, 'accepted'],
      'feedback never decides about the request that carries it',
    )
    assert.equal(status(await send('OTHER')), 'internal.invariant')
    // As it is, and not in ASCII alone: over HTTP each byte is a character.
    const accented = await new Feedback(`${site.origin}/é`, '0.25', 'INACCURATE').sign(domain.identity)
    const raw = await ask(site.origin, '/a', { headers: { 'x-imagxp-feedback': accented.toString('latin1') } })
    assert.deepEqual([raw.status, status(raw)], [200, 'accepted'])
    assert.equal(status(await ask(site.origin, '/a', { headers: { 'x-imagxp-feedback': '!' } })), 'feedback.malformed')
    assert.deepEqual(taken, [250_000, 250_000, 250_000])
    assert.deepEqual(
      site.record.errors.map(({ message }) => message),
      ['on purpose'],
    )
  },

  async 'a broker that must confirm a visa'(t, framework) {
    const policy = {
      price: { amount: '1', currency: 'EUR' },
      payment: { brokers: [{ ...broker.policy.payment.brokers[0], check: 'redeem' }] },
    }
    for (const [number, [answer, code]] of [
      [async () => 'accepted', undefined],
      [async () => 'refused', 'payment.invalid_token'],
      [() => Promise.reject(new Error('the broker is down')), 'payment.redeem_unavailable'],
      [async () => 'perhaps', 'payment.redeem_unavailable'],
      [undefined, 'payment.redeem_unavailable'],
    ].entries()) {
      const asked = []
      const redeem = answer && ((need, visa, presented) => (asked.push([need.kind, visa, presented.visa]), answer()))
      const site = await publish(t, framework, { ...policy, options: { redeem } })
      const visa = broker.visa(site.origin, domain.identity, `visa-${number}000`)
      const found = await ask(site.origin, '/a', { identity: domain.identity, signed: { payment: visa } })
      assert.equal(found.code, code, found.text)
      assert.deepEqual(asked, redeem === undefined ? [] : [['redeem', visa, visa]])
    }
  },

  async 'a broker is shown the key that a request leaves out'(t, framework) {
    for (const check of ['redeem', 'offline']) {
      let redeemer
      const site = await publish(t, framework, {
        price: { amount: '1', currency: 'EUR' },
        payment: { brokers: [{ ...broker.policy.payment.brokers[0], check }] },
        options: ({ address }) => {
          const client = new BrokerClient(broker.issuer, Identity.generate(address, 'ES256', LOOPBACK), LOOPBACK)
          redeemer = new Redeemer(client, () => {}, { intervalMs: 600_000 })
          return { redeem: client, redeemer }
        },
      })
      const payment = broker.visa(site.origin, domain.identity, `visa-${check}`)
      const signed = await domain.identity.sign('GET', `${site.origin}/a`, 'RAG_RETRIEVAL', { payment })
      const { 'x-imagxp-public-key': publicKey, ...headers } = Object.fromEntries(signed)
      const found = await ask(site.origin, '/a', { headers })
      assert.equal(found.status, 200, found.text)
      assert.equal(await redeemer.close(10_000), 0)
      assert.deepEqual(site.record.errors, [])
      const [payload, signature] = [headers['x-imagxp-payload'], headers['x-imagxp-signature']]
      const request = { payload, signature, public_key: publicKey }
      assert.deepEqual(broker.presented.splice(0), [{ visa: payment, request }], check)
    }
  },

  async 'each visa goes to the redeemer of its own broker'(t, framework) {
    const second = await Broker.open()
    t.after(() => second.close())
    const brokers = [broker, second].map(({ policy }) => ({ ...policy.payment.brokers[0], check: 'offline' }))
    const forms = [
      (redeemers) => new Map(redeemers),
      (redeemers) => Object.fromEntries(redeemers),
      ([[, redeemer]]) => redeemer,
    ]
    for (const [number, form] of forms.entries()) {
      let redeemers
      const site = await publish(t, framework, {
        price: { amount: '1', currency: 'EUR' },
        payment: { brokers },
        options: ({ address }) => {
          const identity = Identity.generate(address, 'ES256', LOOPBACK)
          redeemers = [broker, second].map(({ issuer }) => {
            const client = new BrokerClient(issuer, identity, LOOPBACK)
            return [issuer, new Redeemer(client, () => {}, { intervalMs: 600_000 })]
          })
          assert.deepEqual(
            redeemers.map(([issuer, redeemer]) => redeemer.issuer === issuer),
            [true, true],
          )
          return { redeemer: form(redeemers) }
        },
      })
      for (const [name, one] of [
        ['first', broker],
        ['second', second],
        ['again', second],
      ]) {
        const payment = one.visa(site.origin, domain.identity, `visa-${number}-${name}`)
        const found = await ask(site.origin, '/a', { identity: domain.identity, signed: { payment } })
        assert.equal(found.status, 200, found.text)
      }
      for (const [, redeemer] of redeemers) assert.equal(await redeemer.close(10_000), 0)
      const presented = [broker, second].map((one) => one.presented.splice(0).length)
      const single = form(redeemers) instanceof Redeemer
      assert.deepEqual(presented, single ? [1, 0] : [1, 2])
      // Once of each issuer that has nobody.
      const said = site.record.errors.map(({ message }) => message)
      assert.equal(said.length, single ? 1 : 0, said.join())
      if (single) assert.ok(said[0].includes(second.issuer), said[0])
    }
  },

  async 'each host is paid by its own name'(t, framework) {
    // A visa for the second host of a policy, sent to the first: servers verify a path, and what is paid for is what was signed.
    const www = '127.0.0.1:1'
    for (const check of ['redeem', 'offline']) {
      let redeemers
      const site = await publish(t, framework, {
        others: [`http://${www}`],
        price: { amount: '1', currency: 'EUR' },
        payment: { brokers: [{ ...broker.policy.payment.brokers[0], check }] },
        options: ({ address }, policy) => {
          const clients = [address, www].map((name) => {
            return new BrokerClient(broker.issuer, Identity.generate(name, 'ES256', LOOPBACK), LOOPBACK)
          })
          redeemers = clients.map((client) => new Redeemer(client, () => {}, { intervalMs: 600_000 }))
          for (const few of [
            { redeem: clients[0] },
            { redeem: [clients[1]] },
            { redeemer: redeemers[0] },
            { redeemer: [redeemers[1]] },
            { redeemer: { [broker.issuer]: redeemers[0] } },
          ]) {
            assert.throws(() => imagxp({ policy, ...few }), /by its own name: http.* has no (BrokerClient|Redeemer) at/)
          }
          for (const wrong of [{ redeem: [clients[0], 1] }, { redeem: [] }, { redeemer: [clients[0]] }]) {
            assert.throws(() => imagxp({ policy, ...wrong }), TypeError)
          }
          return { redeem: clients, redeemer: redeemers }
        },
      })
      broker.publishers.length = 0
      for (const [number, origin] of [site.origin, `http://${www}`].entries()) {
        const payment = broker.visa(origin, domain.identity, `visa-${check}-${number}`)
        const signed = await domain.identity.sign('GET', `${origin}/a`, 'RAG_RETRIEVAL', { payment })
        const found = await ask(site.origin, '/a', { headers: Object.fromEntries(signed) })
        assert.equal(found.status, 200, found.text)
      }
      for (const redeemer of redeemers) assert.equal(await redeemer.close(10_000), 0)
      assert.deepEqual(broker.publishers.splice(0), [site.address, www], check)
      broker.presented.length = 0
    }
  },

  async 'an origin where nobody is paid needs no client'() {
    const client = new BrokerClient(broker.issuer, Identity.generate('pub.example'), LOOPBACK)
    const started = (...origins) => {
      const { payment } = broker.policy
      const policy = Policy.fromJson({ version: 1, origins, purposes: {}, payment, allow_loopback: true })
      return imagxp({ policy, redeem: client, redeemer: new Redeemer(client, () => {}) })
    }
    for (const other of ['http://localhost:3000', 'https://127.0.0.2', 'http://[::1]:3000', 'https://192.0.2.1']) {
      started('https://pub.example', other)
    }
    const remedy = /a list with one for that host, or take the origin out of the policy/
    assert.throws(() => started('https://pub.example', 'https://www.pub.example'), remedy)
    assert.throws(() => started('http://localhost:3000'), remedy)
  },

  async 'a redeemer in the place of another'() {
    const client = new BrokerClient(broker.issuer, Identity.generate('pub.example'), LOOPBACK)
    const redeemer = new Redeemer(client, () => {})
    const policy = Policy.fromJson({ version: 1, origins: ['https://pub.example'], purposes: {} })
    for (const given of [{ 'https://broker.example': redeemer }, new Map([['https://broker.example', redeemer]])]) {
      assert.throws(() => imagxp({ policy, redeemer: given }), /presents what it gets to/)
    }
    imagxp({ policy, redeemer: { [broker.issuer]: redeemer } })
  },

  async 'a fault of ours lets nobody in'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'allow' })
    t.mock.method(Publisher.prototype, 'verify', () => {
      throw new Error('a bug')
    })
    const answer = await ask(site.origin, '/a')
    assert.deepEqual([answer.status, answer.code], [500, 'internal.invariant'])
    assert.doesNotMatch(answer.text, /a bug/)
    assert.deepEqual(
      site.record.errors.map(({ message }) => message),
      ['a bug'],
    )
    assert.equal(site.record.reached, 0)
  },

  async 'hooks that fail change nothing'(t, framework) {
    const hooks = [() => Promise.reject(new Error('later')), () => assert.fail('at once')]
    for (const onVerdict of hooks) {
      const site = await publish(t, framework, { unsigned: 'allow', options: { onVerdict } })
      assert.equal((await ask(site.origin, '/a')).status, 200)
      await until(() => site.record.errors.length === 1, 'the failure is reported')
    }
  },

  async 'an error hook that fails in its turn'(t, framework) {
    const said = t.mock.method(console, 'error', () => {})
    const again = new Error('again')
    const hooks = [
      () => Promise.reject(again),
      () => {
        throw again
      },
    ]
    for (const onError of hooks) {
      const onVerdict = () => assert.fail('the first')
      const site = await publish(t, framework, { unsigned: 'allow', options: { onVerdict, onError } })
      assert.equal((await ask(site.origin, '/a')).status, 200)
    }
    await until(() => said.mock.callCount() === 2, 'both are said')
    assert.deepEqual(
      said.mock.calls.map((call) => call.arguments[1]),
      [again, again],
    )
  },

  async 'records for an audit, and a publisher that is shared'(t, framework) {
    const records = []
    const audited = await publish(t, framework, { options: { audit: (record) => records.push(record) } })
    await ask(audited.origin, '/a', { identity: domain.identity })
    assert.equal(records.length, 1)
    let shared
    const site = await publish(t, framework, {
      options: (_, policy) => ({ publisher: (shared = new Publisher(policy)) }),
    })
    const signed = await domain.identity.sign('GET', `${site.origin}/a`, 'RAG_RETRIEVAL')
    assert.equal((await ask(site.origin, '/a', { headers: Object.fromEntries(signed) })).status, 200)
    assert.equal(shared.verify('GET', '/a', signed).verdict.code, 'replay.nonce_seen')
  },
})
