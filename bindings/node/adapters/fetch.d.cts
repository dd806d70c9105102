import type { Caps, Fetcher, Identity, ImagxpError, Receipt, Wallet } from '../index.cjs'

/** Caps on what is paid in one currency, as decimal strings. */
export interface Budget {
  currency: string
  perRequest: string
  perHost?: string
  perDay?: string
  total?: string
}

/** What a 402 answer asks for, as the publisher states it: a stranger's words. */
export interface Offer {
  url: string
  purpose: string
  /** To whom a visa must be issued (`sub`). */
  agentId: string
  /** To which key (`cnf.jkt`). */
  keyId: string
  /** Why the request was not paid for: `payment.required`, `payment.expired`, … */
  code: string | null
  /** Price, currency, purposes and brokers. */
  terms: Record<string, unknown>
}

export interface FetchOptions {
  identity: Identity
  /** One of the five purposes. */
  purpose: string
  /** What may be paid, from books in memory; a `wallet` may keep them in a file. */
  budget?: Budget | Caps | (Budget | Caps)[]
  wallet?: Wallet
  /** Who is bought from: issuer URLs, or pairs of issuer and token endpoint. They take ES256 keys only. */
  brokers?: (string | [string, string])[]
  /** Gets an offer and returns a visa, or `null` to leave it; instead of a budget. */
  visas?: (offer: Offer) => string | null | Promise<string | null>
  /** `verify`: a receipt that is there must hold; `require`: and one must be there. `ignore` by default. */
  receipts?: 'ignore' | 'verify' | 'require'
  /** The name in reports; `imagxp` by default. */
  product?: string
  /** Sends the visa under the reference SDK's header name as well. */
  compatible?: boolean
  /** Development: admits `http://127.0.0.1` as publisher and broker. */
  allowLoopback?: boolean
  /** Fetches the manifests of publishers for their receipts, once in five minutes; one of its own unless given. */
  fetcher?: Fetcher
}

/** What one request may override. */
export interface RequestOptions {
  purpose?: string
  visa?: string
  proof?: string
  adsDisplayed?: boolean
  context?: Record<string, unknown>
  /** Signed feedback: `Feedback.sign`. */
  feedback?: Buffer | string
}

export type FetchInit = RequestInit & { imagxp?: RequestOptions }

export interface FetchResponse extends Response {
  imagxp?: {
    /** Why a 402 was not paid: a `ReadError`, or `usage.*` for a page that nobody pays for, such as one without TLS. */
    error?: ImagxpError
    /** The receipt, once the body has been read to its end and the receipt holds; `null` when there is none. */
    receipt?: Promise<Receipt> | null
  }
}

/**
 * A `fetch` that signs each request anew, with `IMAGXP/1.0` in its User-Agent.
 *
 * Redirects within the origin are signed anew; beyond it they are followed without any of our headers, and never signed again. A 402 is
 * paid from the `budget` through one of `brokers`, as the core's visit decides, and asked for once more; or `visas` is asked for a visa.
 * What is not bought stays a 402, with the reason as `response.imagxp.error`; a payment of unknown end rejects (`spend.unknown`), also when
 * its broker has not answered after ten seconds or the caller's `signal` fires.
 */
export declare function wrapFetch(
  fetch: typeof globalThis.fetch,
  options: FetchOptions,
): (input: string | URL | Request, init?: FetchInit) => Promise<FetchResponse>
