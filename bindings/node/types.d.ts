/* Written by napi from the Rust sources; `scripts/node.sh types` rewrites it. */

/** A time: a `Date`, milliseconds since 1970, or RFC 3339 text in UTC. */
export type Time = Date | number | string
/** Text, or its bytes. */
export type Text = string | Uint8Array
/** Bytes; a `Buffer` is a `Uint8Array`. */
export type Bytes = Uint8Array
/** A SHA-256: 32 bytes, or 64 hex digits. */
export type Sha256 = Uint8Array | string
/** An object that was read from JSON. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type JsonObject = Record<string, any>
/** A JSON document: an object, text, or bytes. */
export type Json = object | string | Uint8Array
/** An array that is only read. */
export type List<T> = readonly T[]
/**
 * Every header line of a request or an answer: `req.rawHeaders` (names and values in turn), pairs, `Headers` of the Web, a `Map`, or a
 * plain object. Only the first two show a line that came twice; a `Headers` shows it of our own headers, which have no commas.
 */
export type Headers =
  | readonly string[]
  | Iterable<readonly [name: string | Uint8Array, value: string | Uint8Array]>
  | { readonly [name: string]: string | readonly string[] | number | undefined }
/** ECDSA P-256, or Ed25519. */
export type Algorithm = 'ES256' | 'EdDSA'
/** Why an agent reads. */
export type Purpose = 'CRAWL_TRAINING' | 'RAG_RETRIEVAL' | 'SUMMARY' | 'QUOTATION' | 'EMBEDDING'
/** Who made content. */
export type ContentOrigin = 'HUMAN' | 'SYNTHETIC' | 'HYBRID'
/** What an agent thinks of content. */
export type FeedbackReason = 'LOW_QUALITY_SPAM' | 'SEO_SPAM' | 'INACCURATE' | 'HATE_SPEECH' | 'HIGH_QUALITY' | 'OTHER'
/** Bounds of a fetch. */
export type FetchProfile = 'manifest' | 'jwks' | 'document' | 'token' | 'page'
/** Why something could not be fetched. */
export type FetchFailure = 'failed' | 'not_found' | 'redirect' | 'address_denied' | 'busy' | 'invalid'

/** The version of this package. */
export declare const version: string
/** Every purpose. */
export declare const PURPOSES: readonly Purpose[]
/** Every reason of feedback. */
export declare const FEEDBACK_REASONS: readonly FeedbackReason[]

/** One refusal code (PROTOCOL §13): the same strings, numbers and statuses in every language. */
export interface Code {
  /** The dotted string. */
  readonly name: string
  /** What crosses the C ABI. */
  readonly number: number
  /** The status to answer with. */
  readonly http: number
  /** `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`, unless a verdict knows better. */
  readonly retry: string
  /** One sentence that says what happened. */
  readonly message: string
  /** One sentence that says what to do. */
  readonly hint: string
}
/** The table of refusal codes. */
export declare const codes: {
  /** Every code, in the order of the protocol. */
  readonly ALL: readonly Code[]
  /** The code with this dotted string. */
  byName(name: string): Code | undefined
  /** The code with this number. */
  byNumber(number: number): Code | undefined
}

/** An error of misuse or of a broken environment: a stable dotted `code` and one sentence. A refused request is a verdict, never an error. */
export declare class ImagxpError extends Error {
  constructor(code: string, message: string, options?: { cause?: unknown })
  /** The stable code: `usage.*`, `key.malformed`, `identity.*`, `io.failed`, `internal.*`, … */
  readonly code: string
}
/** Something could not be fetched. */
export declare class FetchError extends ImagxpError {
  /** What `Publisher.supplyFailure` takes. */
  readonly failure: FetchFailure
  /** Whether bytes of the request may have reached the peer. */
  readonly sent: boolean
  /** The answer's status, when there was one. */
  readonly status: number | null
}
/**
 * A broker did not do what was asked: its own code (`account.insufficient`, `visa.state` …), `broker.unreachable` or `broker.answer`.
 */
export declare class BrokerError extends ImagxpError {
  /** The answer's status, when there was one. */
  readonly status: number | null
  /** What the broker's log calls the request. */
  readonly requestId: string | null
  /** Asking again with this key is answered with what happened the first time. */
  readonly idempotencyKey: string | null
  /** Whether it may have happened all the same. */
  readonly unknown: boolean
  /** Whether asking again later may help. */
  readonly transient: boolean
}
/** A read that ended without content. */
export declare class ReadError extends ImagxpError {
  /** What happened before, step by step, and what was paid. */
  readonly report: JsonObject
}

/**
 * What a replay store must offer (PROTOCOL §5): a set of 16-byte keys with expiry, shared by every process that verifies for a site. Times
 * are milliseconds since 1970. The methods answer at once: whatever they throw, a promise and every unknown answer is an error of the
 * store, and the request is answered with 503.
 */
export interface ReplayStore {
  /** Stores the key unless it is present, atomically, and keeps it until `expiresAt` however the clock moves. */
  insertIfAbsent(
    key: Uint8Array,
    agent: Uint8Array,
    expiresAt: number,
    now: number,
  ): 'fresh' | 'seen' | 'full' | 'error'
  /** Looks without storing. A store that cannot may answer `false`: a replay then costs one signature check more. */
  seen(key: Uint8Array, now: number): boolean
  /** Everything that expired at or before this time may have been forgotten; `null` when nothing can have been. */
  horizon(): number | null
}

/** The result of `Publisher.verify`: a verdict, and what to resume when it has needs. */
export declare class Verification {
  private constructor()
  /** The verdict so far. */
  readonly verdict: Verdict
  /** Present when the verdict has `needs`. */
  get pending(): Pending | null
}

export interface Resolver {
  /**
   * Verifies one request as `Publisher.verify` does, and fetches what it needs. What remains pending is a visa to redeem. The
   * publisher's own functions are called on this thread; only fetching happens elsewhere.
   */
  verify(
    publisher: Publisher,
    method: string,
    target: string,
    headers: Headers,
    options?: VerifyOptions,
  ): Promise<Verification>
  /** Takes up a pending verification where it stopped, as `Publisher.resume` does, and fetches what it needs. */
  resume(publisher: Publisher, pending: Pending, options?: NowOptions): Promise<Verification>
}
