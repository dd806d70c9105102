// One policy and one publisher for the whole site.

import { Identity, Policy, PrivateKey, Publisher } from 'imagxp'
import type { AdapterOptions } from 'imagxp/next'

/** What is set when the site starts. The build imports this file, too: it answers nobody, and has no secret. */
const settings: Partial<NodeJS.ProcessEnv> =
  process.env.NEXT_PHASE === 'phase-production-build' ? {} : process.env
/** Where the site is on the Internet. It is said here, and never taken from a request. */
const origin = settings.PUBLISHER_ORIGIN ?? 'http://127.0.0.1:3000'
const broker = settings.PUBLISHER_BROKER ?? 'http://127.0.0.1:3001'
/** Development: this site, its readers and the broker are on this machine. */
const isDevelopment = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::|$)/.test(origin)

/** The site's key, in PEM: a secret of the platform's. It stays, since receipts are checked with it, and brokers know it. */
function siteKey() {
  const pem = settings.PUBLISHER_KEY
  if (pem !== undefined) return PrivateKey.fromPem(pem)
  if (!isDevelopment) throw new Error('PUBLISHER_KEY is not set: the key of the site, as `imagxp keygen` makes it')
  return PrivateKey.generate()
}

/** By what name agents and brokers know the site: with a port only on this machine. */
function agentId() {
  const { host, hostname } = new URL(origin)
  return isDevelopment ? host : hostname
}

function open() {
  const policy = Policy.fromJson({
    version: 1,
    origins: [origin],
    unsigned: 'browsers', // a guess: a browser can be imitated
    methods: ['GET', 'HEAD', 'POST'],
    purposes: {
      RAG_RETRIEVAL: { allow: true },
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
    allow_loopback: isDevelopment,
  })
  return {
    publisher: new Publisher(policy),
    identity: new Identity(agentId(), siteKey(), {
      allowLoopback: isDevelopment,
    }),
  }
}

// Next bundles a module several times; replays are only seen by a publisher that is one.
const shared = globalThis as { imagxpSite?: ReturnType<typeof open> }
const site = (shared.imagxpSite ??= open())

/** For `imagxpProxy`. */
export const options: AdapterOptions & { identity?: undefined } = {
  publisher: site.publisher,
  // Whoever checks a receipt needs our key, and comes without a signature.
  manifest: site.identity.manifest(),
}

/** For `withImagxp`: with receipts. */
export const withReceipts: AdapterOptions = {
  publisher: site.publisher,
  identity: site.identity,
}
