'use strict'

// Real servers on loopback, and clients that send exactly what they are told to.

const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const { buffer, text } = require('node:stream/consumers')
const { Identity, Manifest, PrivateKey, assertionAgent, issueVisa, manifestUrl, verifyAssertion } = require('imagxp')

const BROWSER = { 'user-agent': 'Mozilla/5.0 Firefox/140.0', 'accept-language': 'en', 'sec-fetch-mode': 'navigate' }
const MANIFEST_PATH = '/.well-known/imagxp-agent.json'

/** A server that listens before its application exists: the policy names its origin. */
class Listener {
  static async open() {
    const server = http.createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Listener(server)
  }

  constructor(server) {
    this.server = server
    this.port = server.address().port
    this.address = `127.0.0.1:${this.port}`
    this.origin = `http://${this.address}`
  }

  async close() {
    if (!this.server.listening) return
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }
}

/** An agent's domain: serves its manifest, and counts how often. */
class Domain {
  static async open() {
    const listener = await Listener.open()
    const domain = new Domain()
    domain.listener = listener
    domain.identity = Identity.generate(listener.address, 'ES256', { allowLoopback: true })
    domain.fetched = 0
    domain.status = 200
    listener.server.on('request', (request, response) => {
      domain.fetched += 1
      response.writeHead(request.url === MANIFEST_PATH ? domain.status : 404)
      response.end(domain.identity.manifest().toBytes())
    })
    return domain
  }

  close() {
    return this.listener.close()
  }
}

/**
 * A broker: a key set, a token endpoint that sells visas to agents who prove who they are, and an end to what is presented; while it is
 * `stalled` it takes what is presented, and says nothing.
 */
class Broker {
  static async open() {
    const broker = new Broker()
    broker.listener = await Listener.open()
    broker.issuer = broker.listener.origin
    broker.key = PrivateKey.generate()
    broker.fetched = 0
    broker.sold = 0
    broker.presented = []
    broker.publishers = []
    broker.stalled = false
    const jwk = { ...broker.key.publicKey.toJwk(), kid: broker.key.publicKey.thumbprint }
    broker.listener.server.on('request', async (request, response) => {
      if (request.url === '/jwks') {
        broker.fetched += 1
        response.end(JSON.stringify({ keys: [jwk] }))
        return
      }
      if (request.url === '/v1/visas/redeem') {
        const { visas } = JSON.parse(await text(request))
        broker.presented.push(...visas)
        broker.publishers.push(parsed(Buffer.from(request.headers['x-imagxp-payload'], 'base64')).agent_id)
        if (broker.stalled) return
        response.end(JSON.stringify({ results: visas.map(() => ({ accepted: true })) }))
        return
      }
      const form = new URLSearchParams(await text(request))
      try {
        const answer = JSON.stringify({ access_token: await broker.sell(form), token_type: 'Bearer', expires_in: 600 })
        response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
      } catch (error) {
        response.writeHead(400).end(JSON.stringify({ error: 'invalid_client', error_description: error.message }))
      }
    })
    return broker
  }

  /** The members of a policy that trusts this broker. */
  get policy() {
    return { payment: { brokers: [{ issuer: this.issuer, jwks_uri: `${this.issuer}/jwks` }] } }
  }

  /** The issuer and where it sells. */
  get pinned() {
    return [this.issuer, `${this.issuer}/oauth/token`]
  }

  visa(audience, identity, jti, amount = '1') {
    return issueVisa(this.key, {
      issuer: this.issuer,
      audience,
      agentId: identity.agentId,
      jkt: identity.keyId,
      jti,
      amount,
      currency: 'EUR',
      allowLoopback: true,
    })
  }

  async sell(form) {
    const assertion = form.get('client_assertion')
    const agentId = assertionAgent(assertion, { allowLoopback: true })
    const manifest = await (await fetch(manifestUrl(agentId, { allowLoopback: true }))).text()
    const holder = verifyAssertion(
      assertion,
      Manifest.parse(manifest, agentId, { allowLoopback: true }),
      this.pinned[1],
    )
    this.sold += 1
    return this.visa(form.get('resource'), holder, `visa-${String(this.sold).padStart(8, '0')}`, form.get('amount'))
  }

  close() {
    return this.listener.close()
  }
}

/** One request with `fetch`, signed when there is an identity. */
async function ask(
  origin,
  path,
  { identity, method = 'GET', purpose = 'RAG_RETRIEVAL', headers = {}, body, signed = {} } = {},
) {
  const fields = new Headers(headers)
  if (identity !== undefined) {
    for (const [name, value] of await identity.sign(method, origin + path, purpose, signed)) fields.append(name, value)
    fields.append('user-agent', 'test IMAGXP/1.0')
  }
  const duplex = body instanceof ReadableStream ? 'half' : undefined
  const response = await fetch(origin + path, { method, headers: fields, body, duplex, redirect: 'manual' })
  const bytes = Buffer.from(await response.arrayBuffer())
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text: bytes.toString(),
    json: parsed(bytes),
    code: parsed(bytes)?.error?.code,
  }
}

/** One request with `node:http`, whose answers have trailers. */
function askForTrailers(origin, path, headers = []) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      origin + path,
      { headers: [...headers, ['host', new URL(origin).host]].flat() },
      async (response) => {
        try {
          const bytes = await buffer(response)
          resolve({ status: response.statusCode, headers: response.headers, trailers: response.trailers, bytes })
        } catch (error) {
          reject(error)
        }
      },
    )
    request.on('error', reject).end()
  })
}

/** Sends bytes as they are and reads until the server closes; `\n` stands for CR LF in the head. */
function raw(origin, head, body = '') {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin)
    const chunks = []
    const socket = net.connect(Number(port), hostname, () => {
      socket.write(Buffer.from(head.replaceAll('\n', '\r\n'), 'latin1'))
      socket.write(body)
    })
    const done = () => {
      const all = Buffer.concat(chunks).toString('latin1')
      resolve({ status: Number(all.split(' ')[1] ?? 0), text: all, code: /"code":"([a-z0-9_.]+)"/.exec(all)?.[1] })
    }
    socket.on('data', (chunk) => chunks.push(chunk)).on('close', done)
    socket.on('error', (error) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error)))
  })
}

/** The lines of a signed request, for `raw`. */
async function lines(identity, method, url, options = {}) {
  const signed = await identity.sign(method, url, 'RAG_RETRIEVAL', options)
  return signed.map(([name, value]) => `${name}: ${value}\n`).join('')
}

/** Waits until something holds. */
async function until(holds, what) {
  for (const deadline = Date.now() + 20_000; !holds();) {
    if (Date.now() > deadline) throw new Error(`still waiting until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function parsed(bytes) {
  try {
    return JSON.parse(bytes)
  } catch {
    return undefined
  }
}

module.exports = { BROWSER, Broker, Domain, Listener, ask, askForTrailers, lines, raw, until }
