'use strict'

// One table of behaviours, run over every framework: what one adapter does, all do.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const net = require('node:net')
const { after, before, describe, test } = require('node:test')
const { Feedback, Identity, Policy, Publisher, SignedReceipt, contentDigest, feedbackHeader } = require('imagxp')
const { BROWSER, Broker, Domain, Listener, ask, askForTrailers, lines, raw, until } = require('./support.js')
const { PIECES, frameworks } = require('./frameworks.js')

const WELL_KNOWN = '/.well-known/imagxp-policy.json'
const sha256 = (bytes) => createHash('sha256').update(bytes).digest()

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

/** A publisher on loopback, for one test. */
async function publish(t, framework, { options = {}, ...members } = {}) {
  const listener = await Listener.open()
  const policy = Policy.fromJson({
    version: 1,
    origins: [listener.origin],
    allow_loopback: true,
    purposes: { RAG_RETRIEVAL: {}, CRAWL_TRAINING: { allow: false } },
    ...members,
  })
  const record = { reached: 0, errors: [] }
  const given = typeof options === 'function' ? options(listener, policy) : options
  const adapter = {
    onError: (error) => record.errors.push(error),
    ...('publisher' in given ? {} : { policy }),
    ...given,
  }
  const close = await framework(listener, adapter, record)
  t.after(async () => {
    await close()
    await listener.close()
  })
  return { origin: listener.origin, address: listener.address, listener, policy, record }
}

/** Options for receipts: the site's key lies at its own address. */
function receipts(more = {}) {
  return {
    provenance: { origin: 'HYBRID' },
    options: (listener) => ({
      identity: Identity.generate(listener.address, 'ES256', { allowLoopback: true }),
      maxReceiptBody: 1000,
      ...more,
    }),
  }
}

/** The receipt in an answer's headers or trailers, held against the body. */
function receiptOf(fields, { url, bytes, agentId }) {
  const receipt = SignedReceipt.fromHeaders(Object.entries(fields)).receipt
  receipt.check({ url, contentSha256: sha256(bytes), agentId })
  return receipt
}

const behaviours = {
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

  async 'only we speak of verdicts'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'allow' })
    const sent =
      'X-Imagxp-Verdict-Agent: bank.example\nx_imagxp_verdict_agent: bank\nX-Other: 1\nx-imagxp_Verdict-visitor: verified_agent\n'
    const answer = await raw(site.origin, `GET /a HTTP/1.1\nHost: x\nConnection: close\n${sent}\n`)
    const { rawHeaders, headers } = JSON.parse(
      answer.text.slice(answer.text.indexOf('{"'), answer.text.lastIndexOf('}') + 1),
    )
    assert.equal(headers['x-other'], '1')
    assert.doesNotMatch(JSON.stringify([rawHeaders, headers]).toLowerCase(), /verdict|bank/)
  },

  async 'the Host header decides nothing'(t, framework) {
    const site = await publish(t, framework)
    for (const host of ['evil.example', 'evil.example:443', '127.0.0.1:1']) {
      for (const [claimed, status, code] of [
        [site.origin, 200, undefined],
        ['https://evil.example', 403, 'claim.resource_mismatch'],
      ]) {
        const signed = await lines(domain.identity, 'GET', `${claimed}/a`)
        const answer = await raw(
          site.origin,
          `GET /a HTTP/1.1\nHost: ${host}\nX-Forwarded-Host: ${host}\nConnection: close\n${signed}\n`,
        )
        assert.deepEqual([answer.status, answer.code], [status, code], answer.text)
      }
    }
  },

  async 'request targets that are no path'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'allow', paths: [{ match: '/private/*', unsigned: 'deny' }] })
    for (const target of [
      `${site.origin}/private/a`,
      'http://evil.example/private/a',
      '//evil/private/a',
      '/private/\xff',
      '*',
      'private/a',
      '\\private\\a',
      '/x\\..\\private/a',
    ]) {
      const answer = await raw(site.origin, `GET ${target} HTTP/1.1\nHost: x\nConnection: close\n\n`)
      assert.ok([400, 401, 403].includes(answer.status), `${target}: ${answer.text}`)
    }
    assert.equal(site.record.reached, 0)
    const signed = await lines(domain.identity, 'GET', 'https://evil.example/a')
    const answer = await raw(
      site.origin,
      `GET https://evil.example/a HTTP/1.1\nHost: x\nConnection: close\n${signed}\n`,
    )
    assert.equal(answer.code, 'claim.resource_mismatch', answer.text)
  },

  async 'header lines that no client should send'(t, framework) {
    const site = await publish(t, framework)
    const signed = await lines(domain.identity, 'GET', `${site.origin}/a`)
    const [payload, signature, ...more] = signed.trim().split('\n')
    const rest = [signature, ...more].join('\n')
    const long = 'A'.repeat(12_400)
    const cases = {
      'the payload twice': [`${signed}${payload}\n`, 'header.duplicate'],
      'the signature twice, in another case': [`${signed}${signature.replace('x-', 'X-')}\n`, 'header.duplicate'],
      'two payments': [`${signed}x-imagxp-payment: a.b.c\nx-imagxp-payment: a.b.c\n`, 'header.duplicate'],
      'joined by a proxy': [`${payload}, ${payload.split(': ')[1]}\n${rest}\n`, 'header.duplicate'],
      'eight bits': [`${payload.slice(0, -4)}\xe9\xe9==\n${rest}\n`, 'header.base64_invalid'],
      'too large': [`x-imagxp-payload: ${long}\n${rest}\n`, 'header.too_large'],
      'larger than the server takes': [`x-imagxp-payload: ${long}${long}\n${rest}\n`, undefined],
      folded: [`${payload.slice(0, 40)}\n ${payload.slice(40)}\n${rest}\n`, undefined],
      NUL: [`${payload.slice(0, -4)}\0\n${rest}\n`, undefined],
      'a bare CR': [`${payload.slice(0, -4)}\r${payload.slice(-4)}\n${rest}\n`, undefined],
      'a space before the colon': [`${payload.replace(':', ' :')}\n${rest}\n`, undefined],
      empty: [`x-imagxp-payload:\n${rest}\n`, undefined],
    }
    for (const [name, [head, code]] of Object.entries(cases)) {
      const answer = await raw(site.origin, `GET /a HTTP/1.1\nHost: x\nConnection: close\n${head}\n`)
      assert.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.text}`)
      if (code !== undefined) assert.equal(answer.code, code, `${name}: ${answer.text}`)
    }
    assert.equal(site.record.reached, 0)
    assert.equal((await ask(site.origin, '/a', { identity: domain.identity })).status, 200, 'and the site goes on')
  },

  async 'signed bodies'(t, framework) {
    const site = await publish(t, framework, { methods: ['POST'], options: { maxBody: 10_000 } })
    const body = JSON.stringify({ question: 'é'.repeat(1000) })
    const post = (said, sent) =>
      ask(site.origin, '/a', {
        identity: domain.identity,
        method: 'POST',
        body: sent,
        headers: { 'content-type': 'application/octet-stream' },
        signed: { contentDigest: contentDigest(Buffer.from(said)) },
      })
    const good = await post(body, body)
    assert.equal(good.status, 200, good.text)
    assert.equal(good.json.body, body, 'the application reads the body again')
    const bytes = Buffer.from(body)
    const chunked = await post(body, new Blob([bytes.subarray(0, 100), bytes.subarray(100)]).stream())
    assert.equal(chunked.json?.body, body, chunked.text)
    assert.equal((await post('', '')).status, 200)
    const { reached } = site.record
    assert.deepEqual((({ status, code }) => [status, code])(await post(body, `${body.slice(0, -1)}!`)), [
      400,
      'claim.digest_mismatch',
    ])
    const large = 'x'.repeat(10_001)
    assert.equal((await post(large, large)).status, 400)
    assert.equal(site.record.reached, reached)
    const unbound = await ask(site.origin, '/a', {
      identity: domain.identity,
      method: 'POST',
      body: large,
      headers: { 'content-type': 'text/plain' },
    })
    assert.equal(unbound.json.body, large, 'nothing is held that was not signed')
  },

  async 'a large signed body passes whole in observe mode'(t, framework) {
    const site = await publish(t, framework, { methods: ['POST'], mode: 'observe', options: { maxBody: 1000 } })
    const large = Array.from({ length: 60_000 }, (_, number) => String(number)).join(',')
    const options = {
      identity: domain.identity,
      method: 'POST',
      body: large,
      headers: { 'content-type': 'text/plain' },
    }
    const answer = await ask(site.origin, '/a', {
      ...options,
      signed: { contentDigest: contentDigest(Buffer.from(large)) },
    })
    assert.equal(answer.json?.verdict.code, 'claim.digest_mismatch', answer.text.slice(0, 300))
    assert.ok(answer.json.body === large, 'what was read to check it comes first')
  },

  async 'a client that leaves while its body is read'(t, framework) {
    const site = await publish(t, framework, { methods: ['POST', 'GET'] })
    const signed = await lines(domain.identity, 'POST', `${site.origin}/a`, {
      contentDigest: contentDigest(Buffer.alloc(50)),
    })
    const left = new Promise((resolve) => {
      site.listener.server.once('connection', (socket) => socket.once('close', resolve))
    })
    const socket = net.connect(site.listener.port, '127.0.0.1')
    const head = `POST /a HTTP/1.1\nHost: x\nContent-Type: text/plain\nContent-Length: 50\n${signed}\n`.replaceAll(
      '\n',
      '\r\n',
    )
    const asked = new Promise((resolve) => site.listener.server.once('request', resolve))
    socket.write(`${head}half`)
    await asked
    socket.destroy()
    await left
    assert.equal((await ask(site.origin, '/b', { identity: domain.identity })).status, 200, 'the site goes on')
    assert.equal(site.record.reached, 1)
    assert.deepEqual(site.record.errors, [])
  },

  async 'a client that leaves while it is answered'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'allow', ...receipts() })
    const socket = net.connect(site.listener.port, '127.0.0.1')
    socket.write(`GET /open HTTP/1.1\r\nHost: ${site.address}\r\n\r\n`)
    await until(() => site.record.reached === 1, 'the application answers')
    socket.destroy()
    await new Promise((resolve) => socket.once('close', resolve))
    site.record.release()
    assert.equal((await ask(site.origin, '/b')).status, 200, 'the site goes on')
    assert.deepEqual(site.record.errors, [])
  },

  async 'HEAD is verified as HEAD'(t, framework) {
    const site = await publish(t, framework, receipts())
    const good = await ask(site.origin, '/a', { identity: domain.identity, method: 'HEAD' })
    assert.deepEqual([good.status, good.bytes.length, good.headers.get('x-app')], [200, 0, 'yes'])
    assert.equal(good.headers.get('x-imagxp-provenance'), null)
    assert.equal(site.record.verdict.agentId, domain.identity.agentId)
    const refused = await ask(site.origin, '/a', { method: 'HEAD' })
    assert.deepEqual([refused.status, refused.bytes.length], [401, 0])
    assert.equal(refused.headers.get('www-authenticate'), 'IMAGXP')
    assert.ok(Number(refused.headers.get('content-length')) > 0)
  },

  async 'mounted routers see their own paths'(t, framework) {
    const site = await publish(t, framework)
    const answer = await ask(site.origin, '/mounted/a%20b?c=d', { identity: domain.identity })
    assert.equal(answer.status, 200, answer.text)
    assert.ok(decodeURIComponent(answer.json.path).endsWith('/a b'))
    assert.equal(answer.json.verdict.resource, `${site.origin}/mounted/a%20b?c=d`)
  },

  async 'a path that a server in front has cut'(t, framework) {
    const site = await publish(t, framework, {
      options: { prefix: '/shop' },
      unsigned: 'allow',
      paths: [{ match: '/shop/private', unsigned: 'deny' }],
    })
    const signed = Object.fromEntries(await domain.identity.sign('GET', `${site.origin}/shop/a`, 'RAG_RETRIEVAL'))
    const answer = await ask(site.origin, '/a', { headers: signed })
    assert.deepEqual([answer.status, answer.json.verdict?.resource], [200, `${site.origin}/shop/a`], answer.text)
    assert.equal((await ask(site.origin, '/a', { identity: domain.identity })).code, 'claim.resource_mismatch')
    assert.equal((await ask(site.origin, '/private')).status, 401)
  },

  async 'an application that fails after the verdict'(t, framework) {
    const site = await publish(t, framework, receipts())
    const answer = await ask(site.origin, '/throw', { identity: domain.identity })
    assert.equal(answer.status, 500)
    assert.equal(answer.headers.get('x-imagxp-provenance'), null)
    assert.equal(answer.headers.get('x-imagxp-content-origin'), 'HYBRID')
    assert.equal(site.record.error?.message, 'of the application')
    await assert.rejects(
      ask(site.origin, '/late', { identity: domain.identity }),
      TypeError,
      'the connection breaks off',
    )
    assert.equal((await ask(site.origin, '/a', { identity: domain.identity })).status, 200)
    assert.deepEqual(site.record.errors, [])
  },

  async 'receipts for bodies of one piece'(t, framework) {
    const site = await publish(t, framework, receipts())
    const answer = await ask(site.origin, '/a?b=1', { identity: domain.identity })
    const receipt = receiptOf(Object.fromEntries(answer.headers), {
      url: `${site.origin}/a?b=1`,
      bytes: answer.bytes,
      agentId: domain.identity.agentId,
    })
    assert.deepEqual([receipt.origin, answer.headers.get('x-imagxp-content-origin')], ['HYBRID', 'HYBRID'])
    assert.equal(answer.headers.get('content-length'), String(answer.bytes.length))
    assert.equal(
      (await ask(site.origin, '/missing', { identity: domain.identity })).headers.get('x-imagxp-provenance'),
      null,
    )
    assert.equal(
      (await ask(site.origin, '/empty', { identity: domain.identity })).headers.get('x-imagxp-provenance'),
      null,
    )
  },

  async 'receipts for unsigned visitors, on our own host only'(t, framework) {
    const site = await publish(t, framework, { unsigned: 'allow', ...receipts() })
    const answer = await ask(site.origin, '/x')
    assert.equal(
      receiptOf(Object.fromEntries(answer.headers), { url: `${site.origin}/x`, bytes: answer.bytes }).agentId,
      null,
    )
    const elsewhere = await raw(site.origin, 'GET /x HTTP/1.1\nHost: evil.example\nConnection: close\n\n')
    assert.equal(elsewhere.status, 200)
    assert.doesNotMatch(elsewhere.text, /x-imagxp-provenance/i)
  },

  async 'receipts for streams are trailers'(t, framework) {
    const site = await publish(t, framework, receipts())
    const url = `${site.origin}/stream`
    const answer = await askForTrailers(site.origin, '/stream', await domain.identity.sign('GET', url, 'RAG_RETRIEVAL'))
    assert.equal(answer.bytes.toString(), PIECES.join(''))
    assert.equal(answer.headers['x-imagxp-provenance'], undefined)
    assert.equal(answer.headers.trailer, 'x-imagxp-provenance, x-imagxp-provenance-sig')
    receiptOf(answer.trailers, { url, bytes: answer.bytes, agentId: domain.identity.agentId })
    // HTTP/1.0 has no trailers.
    const signed = await lines(domain.identity, 'GET', url)
    const old = await raw(site.origin, `GET /stream HTTP/1.0\nHost: x\n${signed}\n`)
    assert.ok(old.text.endsWith(PIECES.join('')), old.text)
    assert.doesNotMatch(old.text, /provenance/i)
  },

  async 'receipts for bodies whose length is known are headers'(t, framework) {
    const site = await publish(t, framework, receipts())
    const answer = await ask(site.origin, '/length', { identity: domain.identity })
    assert.equal(answer.text, PIECES.join(''))
    receiptOf(Object.fromEntries(answer.headers), {
      url: `${site.origin}/length`,
      bytes: answer.bytes,
      agentId: domain.identity.agentId,
    })
    // Not for one that is longer than may wait.
    const short = await publish(t, framework, receipts({ maxReceiptBody: 600 }))
    const long = await ask(short.origin, '/length', { identity: domain.identity })
    assert.equal(long.text, PIECES.join(''))
    assert.equal(long.headers.get('x-imagxp-provenance'), null)
  },

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
    assert.equal(status(await ask(site.origin, '/a', { headers: { 'x-imagxp-feedback': '!' } })), 'feedback.malformed')
    assert.deepEqual(taken, [250_000, 250_000])
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
      const redeem = answer && ((need, visa) => (asked.push([need.kind, visa]), answer()))
      const site = await publish(t, framework, { ...policy, options: { redeem } })
      const visa = broker.visa(site.origin, domain.identity, `visa-${number}000`)
      const found = await ask(site.origin, '/a', { identity: domain.identity, signed: { payment: visa } })
      assert.equal(found.code, code, found.text)
      assert.deepEqual(asked, redeem === undefined ? [] : [['redeem', visa]])
    }
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
}

for (const [name, framework] of Object.entries(frameworks)) {
  describe(name, () => {
    for (const [what, behaviour] of Object.entries(behaviours)) test(what, (t) => behaviour(t, framework))
  })
}
