'use strict'

// What a wrapped fetch speaks to: a server that remembers what it was asked, and a town with a broker and publishers that want money.

const { buffer } = require('node:stream/consumers')
const { Identity, Policy } = require('imagxp')
const { wrapFetch } = require('imagxp/fetch')
const { Broker, Domain, Listener } = require('./support.js')
const { frameworks } = require('./frameworks.js')

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

/** An agent's domain, a broker, and publishers who sell. */
class Town {
  #sites = []

  static async open() {
    const town = new Town()
    town.domain = await Domain.open()
    town.broker = await Broker.open()
    return town
  }

  /** A publisher: `/paid*` has a price. */
  async publish({ onFeedback, ...members } = {}) {
    const listener = this.keep(await Listener.open())
    const identity = Identity.generate(listener.address, 'ES256', { allowLoopback: true })
    const policy = Policy.fromJson({
      version: 1,
      origins: [listener.origin],
      allow_loopback: true,
      purposes: { SUMMARY: {} },
      provenance: { origin: 'HUMAN' },
      paths: [{ match: '/paid*', price: { amount: '0.05', currency: 'EUR' } }],
      ...this.broker.policy,
      ...members,
    })
    const { server: site } = listener
    const record = { reached: 0, identity, manifests: 0 }
    await frameworks['express 5'](
      { server: { on: (event, app) => site.on(event, withManifest(record, app)) } },
      { policy, identity, ...(onFeedback === undefined ? {} : { onFeedback }) },
      record,
    )
    return { origin: listener.origin, identity, record }
  }

  /** A fetch that signs as the agent. */
  reader(options = {}, own = fetch) {
    return wrapFetch(own, { identity: this.domain.identity, purpose: 'SUMMARY', allowLoopback: true, ...options })
  }

  /** Closes it with the town. */
  keep(server) {
    this.#sites.push(server)
    return server
  }

  async close() {
    await Promise.all([...this.#sites, this.domain, this.broker].map((one) => one.close()))
  }
}

/** The site's own manifest is for anyone; how often it was asked for is counted. */
function withManifest(record, app) {
  return (request, response) => {
    if (request.url === '/.well-known/imagxp-agent.json') {
      record.manifests += 1
      response.end(record.identity.manifest().toBytes())
    } else app(request, response)
  }
}

/** The headers of the protocol in a request that came, by name. */
const ours = ({ headers }) =>
  Object.keys(headers)
    .filter((name) => name.startsWith('x-imagxp-'))
    .sort()
/** What a request that came claims. */
const claim = ({ headers }) => JSON.parse(Buffer.from(headers['x-imagxp-payload'], 'base64'))

module.exports = { Recorder, Town, claim, ours }
