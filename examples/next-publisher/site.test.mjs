// The built site, started, and asked over HTTP.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { Identity, Manifest, PrivateKey, SignedReceipt, contentDigest, issueVisa } from 'imagxp'
import { wrapFetch } from 'imagxp/fetch'
import { StartedSite } from './started_site.mjs'

const BROWSER = {
  'user-agent': 'Mozilla/5.0 Firefox/140.0',
  'accept-language': 'en',
  'sec-fetch-mode': 'navigate',
}
const key = PrivateKey.generate()
const closing = []
let agent
let broker
let started
let site

before(async () => {
  agent = Identity.generate((await serve(() => agent.manifest().toBytes())).host, 'ES256', { allowLoopback: true })
  broker = (
    await serve(() =>
      JSON.stringify({
        keys: [{ ...key.publicKey.toJwk(), kid: key.publicKey.thumbprint }],
      }),
    )
  ).origin
  started = await StartedSite.open({ PUBLISHER_BROKER: broker })
  closing.push(() => started.close())
  site = started.origin
})

after(() => Promise.all(closing.map((close) => close())))

async function serve(body) {
  const server = createServer((_, response) => response.end(body())).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    server.close()
    server.closeAllConnections()
  })
  const host = `127.0.0.1:${server.address().port}`
  return { host, origin: `http://${host}` }
}

async function ask(
  path,
  { purpose = 'RAG_RETRIEVAL', method = 'GET', headers = {}, body, unsigned = false, signed = {} } = {},
) {
  // Node's `fetch` sends what browsers send, too.
  const lines = new Headers({ 'user-agent': 'reader-bot/1.0', ...headers })
  if (!unsigned) for (const [name, value] of agent.sign(method, site + path, purpose, signed)) lines.append(name, value)
  const response = await fetch(site + path, {
    method,
    headers: lines,
    body,
    redirect: 'manual',
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const json =
    response.headers.get('content-type')?.includes('json') && bytes.length > 0 ? JSON.parse(bytes) : undefined
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text: bytes.toString(),
    json,
    code: json?.error?.code,
  }
}

function raw(head) {
  return new Promise((resolve, reject) => {
    const chunks = []
    const socket = connect(Number(new URL(site).port), '127.0.0.1', () =>
      socket.write(Buffer.from(head.replaceAll('\n', '\r\n'), 'latin1')),
    )
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', reject)
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString('latin1')
      resolve({
        status: Number(text.split(' ')[1]),
        text,
        code: /"code":"([a-z0-9_.]+)"/.exec(text)?.[1],
      })
    })
  })
}

const lines = (path, options) =>
  agent
    .sign('GET', site + path, 'RAG_RETRIEVAL', options)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')

test('a page, through the proxy', async () => {
  const read = await ask('/')
  assert.equal(read.status, 200, read.text)
  assert.match(read.text, new RegExp(`Read by (<!-- -->)?${agent.agentId.replaceAll('.', '\\.')}`))
  assert.equal(read.headers.get('x-imagxp-content-origin'), 'HUMAN')
  assert.match((await ask('/', { unsigned: true, headers: BROWSER })).text, /Read by (<!-- -->)?unsigned_browser/)
  assert.equal((await ask('/private')).status, 200)
  assert.equal((await ask('/private', { unsigned: true, headers: BROWSER })).status, 404)
})

test('a refused page', async () => {
  const bot = await ask('/', { unsigned: true })
  assert.deepEqual([bot.status, bot.code, bot.headers.get('www-authenticate')], [401, 'auth.required', 'IMAGXP'])
  const training = await ask('/', { purpose: 'CRAWL_TRAINING' })
  assert.deepEqual(
    [training.status, training.code, training.headers.get('cache-control')],
    [403, 'policy.purpose_denied', 'no-store'],
  )
  assert.equal((await ask('/no/such/page', { unsigned: true })).status, 401)
  // What the matcher leaves out has an end, and its dots are dots.
  for (const path of ['/echoes', '/streams', '/faviconXico', '/favicon.ico.html', '/.well-known/imagxp-agent.json5'])
    assert.equal((await ask(path, { unsigned: true })).status, 401, path)
  assert.equal((await ask('/no/such/page')).status, 404)
  const head = await ask('/', { unsigned: true, method: 'HEAD' })
  assert.deepEqual([head.status, head.bytes.length], [401, 0])
})

test('our manifest, for whoever checks a receipt', async () => {
  const found = await ask('/.well-known/imagxp-agent.json', { unsigned: true })
  assert.equal(found.status, 200, found.text)
  assert.match(found.headers.get('cache-control'), /^public, max-age=/)
  const host = new URL(site).host
  const [own] = Manifest.parse(found.bytes, host, { allowLoopback: true }).keys
  const article = await ask('/articles/1', { unsigned: true, headers: BROWSER })
  assert.equal(own.key.thumbprint, SignedReceipt.fromHeaders([...article.headers]).keyId)
  const headers = { 'if-none-match': found.headers.get('etag') }
  assert.equal((await ask('/.well-known/imagxp-agent.json', { unsigned: true, headers })).status, 304)
  const head = await ask('/.well-known/imagxp-agent.json', { unsigned: true, method: 'HEAD' })
  assert.deepEqual([head.status, head.bytes.length], [200, 0])
})

test('verdicts that a client brings along are nothing', async () => {
  const sent = {
    'x-imagxp-verdict-sealed': 'e30.e30',
    'x-imagxp-verdict-agent': 'bank.example',
    x_imagxp_verdict_agent: 'bank.example',
  }
  assert.match((await ask('/', { unsigned: true, headers: { ...BROWSER, ...sent } })).text, /unsigned_browser/)
  assert.equal(
    (
      await ask('/private', {
        unsigned: true,
        headers: { ...BROWSER, ...sent },
      })
    ).status,
    404,
  )
  const { json } = await ask('/echo', { headers: { ...sent, 'x-other': '1' } })
  assert.equal(json.headers['x-other'], '1')
  assert.doesNotMatch(JSON.stringify(json.headers), /verdict|bank/)
})

test('an article, with a receipt', async () => {
  const read = wrapFetch(fetch, {
    identity: agent,
    purpose: 'RAG_RETRIEVAL',
    receipts: 'require',
    allowLoopback: true,
  })
  const response = await read(`${site}/articles/caf%C3%A9?a=b`)
  assert.equal(await response.text(), `Article café, for ${agent.agentId}.\n`)
  assert.equal((await response.imagxp.receipt).url, `${site}/articles/caf%C3%A9?a=b`)
  const unsigned = await ask('/articles/1', {
    unsigned: true,
    headers: BROWSER,
  })
  const { receipt } = SignedReceipt.fromHeaders([...unsigned.headers])
  receipt.check({
    url: `${site}/articles/1`,
    contentSha256: createHash('sha256').update(unsigned.bytes).digest(),
  })
  const head = await ask('/articles/1', { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('x-imagxp-provenance')], [200, null])
  assert.equal((await ask('/articles/1', { purpose: 'CRAWL_TRAINING' })).status, 403)
  assert.equal((await ask('/articles/1', { unsigned: true })).status, 401)
})

test('a receipt is over what is sent, also to who could be sent it compressed', async () => {
  const path = `/articles/${'long'.repeat(1000)}`
  const options = {
    headers: { ...BROWSER, 'accept-encoding': 'gzip' },
  }
  // Not by `fetch`, which would decode it.
  const { headers, bytes } = await new Promise((resolve, reject) => {
    const asked = get(site + path, options, (response) => {
      const pieces = []
      response
        .on('data', (piece) => pieces.push(piece))
        .on('end', () => resolve({ headers: response.headers, bytes: Buffer.concat(pieces) }))
    })
    asked.on('error', reject)
  })
  assert.match(headers['cache-control'], /no-transform/)
  const { receipt } = SignedReceipt.fromHeaders(Object.entries(headers))
  receipt.check({
    url: site + path,
    contentSha256: createHash('sha256').update(bytes).digest(),
  })
})

test('an apostrophe in a query, which Next escapes', async () => {
  for (const path of ["/?q='a'", "/articles/1?q='a'"]) {
    const answer = await raw(`GET ${path} HTTP/1.1\nHost: x\nConnection: close\nUser-Agent: bot\n${lines(path)}\n`)
    assert.equal(answer.status, 200, answer.text)
  }
})

test('a stream has no receipt, and is not held back', async () => {
  const streamed = await ask('/stream')
  assert.deepEqual([streamed.status, streamed.text], [200, 'piece 1\npiece 2\npiece 3\n'])
  assert.equal(streamed.headers.get('x-imagxp-provenance'), null)
})

test('a payment, and a replay', async () => {
  const unpaid = await ask('/premium/1')
  assert.deepEqual([unpaid.status, unpaid.code, unpaid.json.offer.price], [402, 'payment.required', '0.05'])
  assert.equal((await ask('/premium/1', { unsigned: true, headers: BROWSER })).status, 401)
  const visa = {
    issuer: broker,
    audience: site,
    agentId: agent.agentId,
    jkt: agent.keyId,
    jti: 'visa-000001',
    amount: '0.05',
    currency: 'EUR',
  }
  const payment = issueVisa(key, { ...visa, allowLoopback: true })
  assert.deepEqual((await ask('/premium/1', { signed: { payment } })).json, {
    article: '1',
    reader: agent.agentId,
    visa: 'visa-000001',
  })
  assert.equal((await ask('/premium/1', { signed: { payment } })).code, 'payment.already_used')
  const headers = Object.fromEntries(agent.sign('GET', `${site}/articles/1`, 'RAG_RETRIEVAL'))
  const statuses = []
  for (let round = 0; round < 2; round += 1)
    statuses.push((await ask('/articles/1', { unsigned: true, headers })).status)
  assert.deepEqual(statuses, [200, 409])
  // One publisher for all: what a handler has seen is known to the proxy, too.
  const page = Object.fromEntries(agent.sign('GET', `${site}/`, 'RAG_RETRIEVAL'))
  assert.deepEqual(
    [
      (await ask('/', { unsigned: true, headers: page })).status,
      (await ask('/', { unsigned: true, headers: page })).status,
    ],
    [200, 409],
  )
})

test('signed bodies are read again', async () => {
  const body = JSON.stringify({ question: 'é'.repeat(1000) })
  const post = (said, sent) =>
    ask('/echo', {
      method: 'POST',
      body: sent,
      signed: { contentDigest: contentDigest(Buffer.from(said)) },
    })
  assert.equal((await post(body, body)).json?.body, body)
  assert.equal((await post(body, `${body.slice(0, -1)}!`)).code, 'claim.digest_mismatch')
})

test('a signed body that is longer than is held is answered while it comes', async () => {
  // One handler, and one page behind the proxy.
  for (const path of ['/echo', '/']) {
    const signed = agent
      .sign('POST', site + path, 'RAG_RETRIEVAL', { contentDigest: contentDigest(Buffer.from('another')) })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    const body = Buffer.alloc(16 * 1024 * 1024, 'x')
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n`
    const socket = connect(Number(new URL(site).port), '127.0.0.1')
    const begun = Date.now()
    const found = await new Promise((resolve) => {
      let answer = ''
      let sent = false
      const look = () => sent && answer.includes('claim.digest_mismatch') && resolve({ sent, answer })
      socket.on('data', (piece) => {
        answer += piece
        look()
      })
      socket.on('error', () => {}).on('close', () => resolve({ sent, answer }))
      socket.write(`${head}${signed}\r\n`)
      socket.write(body, () => {
        sent = true
        look()
      })
    })
    socket.destroy()
    assert.deepEqual([found.sent, found.answer.split(' ')[1]], [true, '400'], `${path}: ${found.answer}`)
    // With time for a busy machine; Node itself ends such a connection after five seconds or six.
    assert.ok(Date.now() - begun < 4000, `${path}: ${Date.now() - begun} ms`)
  }
})

test('the public policy and robots.txt are for anyone', async () => {
  const policy = await ask('/.well-known/imagxp-policy.json', {
    unsigned: true,
  })
  assert.deepEqual([policy.status, policy.json.version], [200, 1])
  assert.match((await ask('/robots.txt', { unsigned: true })).text, /^User-agent/)
})

test('what arrives over a raw socket', async () => {
  const head = (path, host = 'x') => `GET ${path} HTTP/1.1\nHost: ${host}\nConnection: close\n`
  const [payload, ...rest] = lines('/echo').trim().split('\n')
  assert.equal((await raw(`${head('/echo')}${payload}\n${rest.join('\n')}\n${payload}\n\n`)).code, 'header.duplicate')
  const cases = {
    NUL: `${payload}\0\n`,
    folded: `${payload.slice(0, 30)}\n ${payload.slice(30)}\n`,
    'eight bits': `${payload.slice(0, -2)}\xe9\xe9\n`,
    'too large': `x-imagxp-payload: ${'A'.repeat(12_400)}\n`,
    larger: `x-imagxp-payload: ${'A'.repeat(20_000)}\n`,
  }
  for (const [name, line] of Object.entries(cases)) {
    const answer = await raw(`${head('/echo')}${line}${rest.join('\n')}\n\n`)
    assert.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.text}`)
  }
  // Whatever Host says, the origin is the policy's.
  assert.equal((await raw(`${head('/echo', 'evil.example')}${lines('/echo')}\n`)).status, 200)
  const evil = agent
    .sign('GET', 'https://evil.example/echo', 'RAG_RETRIEVAL')
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
  assert.equal((await raw(`${head('/echo', 'evil.example')}${evil}\n`)).code, 'claim.resource_mismatch')
  for (const path of [
    '/premium/1',
    '/%70remium/1',
    '/x/../premium/1',
    '/x/%2e%2e/premium/1',
    `${site}/premium/1`,
    '//x/premium/1',
    '/premium%2F1',
  ]) {
    const browser = Object.entries(BROWSER)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join('')
    const answer = await raw(`${head(path)}${browser}\n`)
    assert.ok(
      answer.status >= 300 && answer.status < 500 && !answer.text.includes('"article"'),
      `${path}: ${answer.text}`,
    )
  }
})

test('nothing went wrong inside', () => {
  assert.doesNotMatch(started.log, /Error|imagxp:/)
})
