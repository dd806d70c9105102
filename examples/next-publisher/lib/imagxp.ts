// One policy and one publisher for the whole site.

import { Identity, Policy, Publisher } from 'imagxp'
import type { AdapterOptions } from 'imagxp/next'

/** Where the site is on the Internet. It is said here, and never taken from a request. */
const origin = process.env.PUBLISHER_ORIGIN ?? 'http://127.0.0.1:3000'
const broker = process.env.PUBLISHER_BROKER ?? 'http://127.0.0.1:3001'

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
    payment: { brokers: [{ issuer: broker, jwks_uri: `${broker}/jwks` }] },
    provenance: { origin: 'HUMAN' },
    // Development: this site, its readers and the broker are on 127.0.0.1.
    allow_loopback: true,
  })
  return {
    publisher: new Publisher(policy),
    identity: Identity.generate(new URL(origin).host, 'ES256', {
      allowLoopback: true,
    }),
  }
}

// Next bundles a module several times; replays are only seen by a publisher that is one.
const shared = globalThis as { imagxpSite?: ReturnType<typeof open> }
const site = (shared.imagxpSite ??= open())

/** For `imagxpProxy`. */
export const options: AdapterOptions & { identity?: undefined } = {
  publisher: site.publisher,
}

/** For `withImagxp`: with receipts. */
export const withReceipts: AdapterOptions = {
  publisher: site.publisher,
  identity: site.identity,
}

/** Whoever checks a receipt needs our key. */
export const manifest = site.identity.manifest()
