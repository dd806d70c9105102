'use strict'

// What a request may look like on the wire, in every framework.

const assert = require('node:assert/strict')
const net = require('node:net')
const { after, before } = require('node:test')
const { contentDigest } = require('imagxp')
const { Domain, ask, lines, raw, until } = require('./support.js')
const { everywhere, publish, receipts } = require('./site.js')

let domain

before(async () => {
  domain = await Domain.open()
})

after(async () => {
  await domain?.close()
})

everywhere({
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

  async 'a signed body leaves one audit record, read or not'(t, framework) {
    const records = []
    const audit = (record) => records.push(JSON.parse(record).code ?? null)
    const site = await publish(t, framework, { methods: ['POST'], options: { audit, maxBody: 100 } })
    for (const [body, status, code] of [
      ['x'.repeat(100), 200, null],
      ['x'.repeat(101), 400, 'claim.digest_mismatch'],
    ]) {
      const answer = await ask(site.origin, '/a', {
        identity: domain.identity,
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain' },
        signed: { contentDigest: contentDigest(Buffer.from(body)) },
      })
      assert.deepEqual([answer.status, records.splice(0)], [status, [code]], answer.text)
    }
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

  async 'a signed body that is longer than is held is answered while it comes'(t, framework) {
    const site = await publish(t, framework, { methods: ['POST', 'GET'], options: { maxBody: 1000 } })
    const signed = await lines(domain.identity, 'POST', `${site.origin}/a`, {
      contentDigest: contentDigest(Buffer.from('another')),
    })
    const body = Buffer.alloc(16 * 1024 * 1024, 'x')
    const head = `POST /a HTTP/1.1\nHost: x\nContent-Type: text/plain\nContent-Length: ${body.length}\n${signed}\n`
    const socket = net.connect(site.listener.port, '127.0.0.1')
    let answer = ''
    let ended
    socket.on('data', (piece) => (answer += piece)).on('error', (error) => (ended = error.code))
    const begun = Date.now()
    socket.write(head.replaceAll('\n', '\r\n'))
    let sent = false
    socket.write(body, () => (sent = true))
    await until(() => ended !== undefined || (sent && answer.includes('\r\n\r\n{')), 'all is sent, and answered')
    assert.deepEqual([ended, sent, answer.split(' ')[1]], [undefined, true, '400'], answer)
    assert.match(answer, /claim\.digest_mismatch/)
    // A second, with time for a busy machine; Node itself ends such a connection after five or six.
    assert.ok(Date.now() - begun < 4000, `${Date.now() - begun} ms`)
    socket.destroy()
    assert.equal((await ask(site.origin, '/b', { identity: domain.identity })).status, 200, 'the site goes on')
    assert.deepEqual(site.record.errors, [])
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
})
