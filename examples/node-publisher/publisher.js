// The publisher: a Fastify site whose readers are verified before they reach it.

import { once } from 'node:events'
import { createServer } from 'node:http'
import Fastify from 'fastify'
import { Identity, Policy } from 'imagxp'
import { imagxp } from 'imagxp/fastify'

/** What readers may do with the site. The schema: `imagxp policy schema`. */
export function policyOf({ origin, broker }) {
  return Policy.fromJson({
    version: 1,
    origins: [origin],
    unsigned: 'browsers', // a guess: a browser can be imitated
    purposes: {
      RAG_RETRIEVAL: { allow: true },
      SUMMARY: { allow: true },
      CRAWL_TRAINING: { allow: false },
    },
    paths: [
      {
        match: '/premium/*',
        price: { amount: '0.05', currency: 'EUR' },
        unsigned: 'deny',
      },
    ],
    payment: { brokers: [{ issuer: broker, jwks_uri: `${broker}/.well-known/jwks.json` }] },
    provenance: { origin: 'HUMAN' },
    // Development: agents, brokers and this site are on 127.0.0.1. A policy with this is refused on any other address.
    allow_loopback: true,
  })
}

/** Starts the site on 127.0.0.1, and tells `onVerdict` about each visitor. */
export async function openPublisher({ broker, port = 0, onVerdict, onFeedback }) {
  // The policy names the site's own origin, so the address must be known first.
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = `127.0.0.1:${server.address().port}`
  const origin = `http://${address}`
  const identity = Identity.generate(address, 'ES256', { allowLoopback: true })
  const policy = policyOf({ origin, broker })

  const site = Fastify({
    serverFactory: (handler) => server.on('request', handler),
  })
  // Whoever wants to check a receipt needs our key, and gets the manifest without a signature.
  await site.register(imagxp, { policy, identity, manifest: identity.manifest(), onVerdict, onFeedback })
  site.get('/robots.txt', async () => 'User-agent: *\nAllow: /\n')
  site.get('/posts/:number', async (request) => `Article ${request.params.number}, for ${readerOf(request)}.\n`)
  site.get(
    '/premium/:number',
    async (request) => `Premium article ${request.params.number}, for ${readerOf(request)}.\n`,
  )
  await site.ready()
  const close = async () => {
    await site.close()
    server.close()
    server.closeAllConnections()
  }
  return { origin, close }
}

function readerOf({ imagxp: verdict }) {
  return verdict.agentId ?? verdict.visitor
}
