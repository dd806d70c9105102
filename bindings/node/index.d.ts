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

/** What to do next in a visit. */
export declare class Action {
  /** What it is. */
  get kind(): 'fetch_robots' | 'fetch_policy' | 'fetch_manifest' | 'send' | 'request_token' | 'done' | 'refused'
  /** The method to use. */
  get method(): string
  /** The URL to ask, without following redirects; in the end the one that was read last. */
  get url(): string
  /** The headers to send. */
  get headers(): Array<[string, string]>
  /** The body to send: the form of a token request. */
  get body(): Buffer
  /** What happened, in the end. */
  get report(): JsonObject | null
  /** Why there is no content: a `ReadError`, not thrown. */
  get error(): ImagxpError | null
}

/** An agent that reads pages: robots.txt, signature, payment within the wallet's caps, receipt. */
export declare class Agent {
  /** An agent. `product` is the token that robots.txt may name. */
  constructor(identity: Identity, purpose: Purpose, product: string, options?: AgentOptions)
  /** Reads one page. Pays at most once. Rejects with a `ReadError`, whose `report` tells what happened before. */
  read(url: string, options?: ReadOptions | undefined | null): Promise<Page>
  /** Begins one read without I/O: `Visit.start` and its answers say what to send. */
  visit(method: string, url: string, options?: VisitOptions | undefined | null): Visit
}

/** What came back. */
export declare class Answer {
  /** The status: 200 from `get`, any from `send`. */
  get status(): number
  /** Pairs of name (lower case) and value, duplicates included. */
  get headers(): Array<[string, string]>
  /** The body. */
  get body(): Buffer
  /** The address that was checked and connected to. */
  get address(): string
  /** The seconds of `Cache-Control: max-age`; 0 for what must not be stored. */
  get maxAge(): number | null
  /** The first header line of this name. */
  header(name: string): string | null
}

/** A client assertion that was verified. Whether its `jti` is new is for the broker's replay store to say. */
export declare class Assertion {
  /** Who asks. */
  get agentId(): string
  /** The thumbprint of the key: what a visa is bound to (`cnf.jkt`). */
  get keyId(): string
  /** The assertion's name; it counts once until `exp`. */
  get jti(): string
  /** When it ends. */
  get exp(): Date
}

/** A log in a folder; `new Publisher(policy, { audit: log })` records each decided verdict in it. */
export declare class AuditLog {
  /** Opens a log, or begins one. `key` signs the checkpoints; `origin` is the log's name, for example `pub.example/imagxp-audit`. */
  constructor(path: string, key: PrivateKey, origin: string, options?: AuditLogOptions | undefined | null)
  /** How many entries are kept. */
  get size(): number
  /** The files into which opening the log moved what a crash left. */
  get torn(): Array<string>
  /** Syncs what is written and signs a checkpoint. */
  seal(): Promise<void>
  /** Seals the log and ends it; verdicts that would be recorded after it are `audit.unavailable`. */
  close(): Promise<void>
  /**
   * Verifies a whole log offline.
   *
   * `keys`: those that sign the log's checkpoints, known from elsewhere than the log.
   */
  static verify(path: string, keys: readonly PublicKey[], options?: AuditVerifyOptions): Promise<AuditReport>
  /** Makes evidence of one record; the JSON that `verifyEvidence` reads. */
  static prove(path: string, keys: readonly PublicKey[], which: AuditSelector): Promise<Buffer>
}

/**
 * A client of one broker: an agent buys visas and says what they were worth, a publisher redeems them, both read their accounts.
 *
 * Each request is signed by the identity, whose manifest must be where the broker can fetch it. What changes something carries an
 * idempotency key that stays the same over `attempts`: a lost answer is never paid twice. Promises reject with a `BrokerError`.
 */
export declare class BrokerClient {
  /** A client for an agent or a publisher. `issuer` is the broker's origin. */
  constructor(issuer: string, identity: Identity, options?: BrokerOptions)
  /** A client for an operator with a token. */
  static operator(issuer: string, token: string, options?: BrokerOptions): BrokerClient
  /** The broker's origin. */
  get issuer(): string
  /** Whether the broker pays this client for the page at this URL: it pays each host by its own name. */
  isPaidFor(url: string): boolean
  /** What the broker says of itself (OpenID Connect Discovery): asked once. */
  metadata(): Promise<JsonObject>
  /** Buys a visa: `{token, jti, amount, currency, expires_at}`. The same key again is answered with the same visa. */
  issue(resource: string, amount: string, currency: string, purpose: Purpose, options?: KeyOptions): Promise<JsonObject>
  /** One visa, as those whom it concerns see it. */
  visa(jti: string): Promise<JsonObject>
  /** A page of visas, newest first: `{visas, next_cursor}`. */
  visas(options?: VisasOptions): Promise<JsonObject>
  /** Redeems up to 1000 visas, of 2 MiB in all; one result for each, in their order: `{jti, accepted, amount, asset, repeated, error}`. */
  redeem(visas: readonly Presented[], options?: KeyOptions): Promise<JsonObject[]>
  /**
   * The broker's word on one visa, for `Pending.redeemed`: asked for twice at most, within five seconds. 16 visas are asked about at once
   * in a process, and 64 wait for their turn; for others it is `unavailable` at once.
   */
  confirm(visa: Presented): Promise<'accepted' | 'refused' | 'unavailable'>
  /**
   * Says what a visa was worth: 0.5 and better releases the money, less withholds it. Signs the feedback, which names the visa (`jti`)
   * and a page of its publisher. Gives the visa.
   */
  feedback(feedback: Feedback, options?: KeyOptions): Promise<JsonObject>
  /** Contests, as the publisher, that the money of a visa is withheld. Gives the visa. */
  contest(jti: string, statement: string, options?: KeyOptions): Promise<JsonObject>
  /** Decides a dispute, as an operator. Gives the visa. */
  decide(jti: string, decision: 'release' | 'refund' | 'split', options?: DecideOptions): Promise<JsonObject>
  /** The accounts of an owner, one's own without one: `{accounts}`, none as long as no money has moved. */
  account(owner?: string): Promise<JsonObject>
  /** A page of transfers, newest first: `{transfers, next_cursor}`. */
  transfers(options?: TransfersOptions): Promise<JsonObject>
  /** A statement that adds up: `{account, from, until, opening, closing, transfers}`. */
  statement(options?: StatementOptions): Promise<JsonObject>
  /** Books a deposit, as an operator. Gives the transfer. */
  deposit(owner: string, amount: string, options: DepositOptions): Promise<JsonObject>
}

/** Caps on what is paid in one currency, as decimal strings. */
export declare class Caps {
  /** At most `perRequest` for one read. */
  constructor(currency: string, perRequest: string, options?: CapsOptions | undefined | null)
  /** The currency or asset. */
  get currency(): string
  /** The most for one read. */
  get perRequest(): string
  /** The most for one host in one UTC day. */
  get perHost(): string | null
  /** The most in one UTC day. */
  get perDay(): string | null
  /** The most ever. */
  get total(): string | null
}

/** A verified claim, given to the rule of the publisher's own. */
export declare class Claim {
  /** Who asks. */
  get agentId(): string
  /** Why. */
  get purpose(): Purpose
  /** When the claim was made. */
  get ts(): Date
  /** The nonce. */
  get nonce(): string
  /** What is asked for, normalised. */
  get resource(): string | null
  /** The method that was signed. */
  get method(): string | null
  /** The digest of the body that was signed. */
  get contentDigest(): string | null
  /** Whether the agent says that it displays ads. */
  get adsDisplayed(): boolean | null
  /** Every other member, signed and uninterpreted. */
  get extra(): JsonObject
}

/** A verification, explained; it spent nothing. `toString()` prints it for people, with a stranger's bytes escaped. */
export declare class Explanation {
  /** The steps that were taken, in order. */
  get steps(): Array<Step>
  /** The verdict. */
  get verdict(): Verdict
  /** `{ steps: […], verdict: {…} }`; `JSON.stringify` calls it. */
  toJSON(): JsonObject
  /** For people. */
  toString(): string
}

/** What an agent thinks of what it got. */
export declare class Feedback {
  /**
   * Feedback to sign.
   *
   * `qualityScore`: 0 to 1 with at most six digits after the point, as a number or a string. `reason`: one of `FEEDBACK_REASONS`.
   */
  constructor(url: string, qualityScore: number | string, reason: FeedbackReason, details?: FeedbackDetails)
  /** The absolute URL that was read. */
  get url(): string
  /** How good it was, as a decimal string. */
  get qualityScore(): string
  /** How good it was, in millionths. */
  get scoreMillionths(): number
  /** Why. */
  get reason(): FeedbackReason
  /** Who says so; `null` before it is signed, and in the seed's form. */
  get agentId(): string | null
  /** The visa that paid. */
  get jti(): string | null
  /** The SHA-256 of what was read, 32 bytes. */
  get contentSha256(): Buffer | null
  /** When it was signed; `null` before. */
  get ts(): Date | null
  /** Signs it in the identity's name; returns the JSON object, which is also the body of a POST to a broker. */
  sign(identity: Identity, options?: FeedbackSignOptions | undefined | null): Buffer
}

/** The result of `Publisher.feedback`: a verdict on the feedback, and the feedback itself when it holds. */
export declare class FeedbackVerification {
  /** Whether the feedback is this agent's, new, and about this site. */
  get verdict(): Verdict
  /** What it says; only when the verdict allows. */
  get feedback(): Feedback | null
  /** Does what a `replay` need asks for: inserts into the publisher's store in Redis or PostgreSQL, and keeps the answer. */
  insert(options?: NowOptions): Promise<void>
}

/** A client that keeps the fetch rules of the protocol: https only, checked addresses, no redirects, one deadline, limits. */
export declare class Fetcher {
  /** A fetcher. */
  constructor(options?: FetcherOptions | undefined | null)
  /**
   * Fetches one document; a status other than 200 rejects with a `FetchError`. One fetch per URL at a time, failures remembered for 60 s.
   *
   * `profile`: `manifest` (1.5 s, 16 KiB), `jwks` (3 s, 64 KiB), `document` (5 s, 512 KiB; the default), `token` (10 s,
   * 32 KiB, any port: a broker's token endpoint) or `page` (30 s, 32 MiB).
   */
  get(url: string, profile?: FetchProfile): Promise<Answer>
  /** Sends one request and gives whatever the answer is, redirects too. Nothing is shared, remembered or repeated. */
  send(method: string, url: string, headers?: Headers | null, options?: SendOptions): Promise<Answer>
}

/** A domain name and the key that signs for it. */
export declare class Identity {
  /** Joins a domain with a key in memory. */
  constructor(agentId: string, key: PrivateKey, options?: DevelopmentOptions | undefined | null)
  /** Joins a domain with a new key. */
  static generate(agentId: string, algorithm?: Algorithm, options?: DevelopmentOptions): Identity
  /** Joins a domain with the key in a file; see `PrivateKey.load`. */
  static load(agentId: string, path: string, options?: LoadOptions): Promise<Identity>
  /**
   * Takes domain and key from the variables of the reference SDK: `IMAGXP_AGENT_ID`, `IMAGXP_PRIVATE_KEY`, `IMAGXP_PUBLIC_KEY`.
   *
   * With a `path` they are read from that `.env` file. Without one `process.env` counts, and `.env` in the current folder when that has
   * no key.
   */
  static fromEnv(path?: string | null, options?: EnvOptions): Identity
  /**
   * Joins a domain with a key that lives elsewhere (KMS, HSM): `sign` takes the message and returns its signature at once, 64 bytes
   * (r and s, or Ed25519's), or ECDSA in DER when `der` is true. It hashes the message itself. What it throws becomes the `cause` of
   * an `ImagxpError` with the code `usage.signer`.
   */
  static external(agentId: string, publicKey: PublicKey, sign: (message: Uint8Array) => Uint8Array, options?: ExternalOptions): Identity
  /** The domain. */
  get agentId(): string
  /** The key that publishers must find in the manifest. */
  get publicKey(): PublicKey
  /** The thumbprint of the key. */
  get keyId(): string
  /** Whether signing calls a function of JavaScript. */
  get isExternal(): boolean
  /** Writes the key to a file; see `PrivateKey.save`. An error when the key lives elsewhere. */
  save(path: string, options?: SaveOptions): Promise<void>
  /** Signs one request; returns the headers to send. `User-Agent` is not among them: see `userAgent`. `url` is absolute. */
  sign(method: string, url: string, purpose: Purpose, options?: SignOptions): Array<[string, string]>
  /**
   * Signs many requests as `sign` does one after the other, each with an options object of its own. ES256 signatures share their inversions, which
   * makes eight and more an eighth cheaper.
   *
   * All or none: the error names the first request that cannot be signed, counted from 0; a nonce must not occur twice. `now` is for the
   * requests that do not say their own.
   */
  signBatch(requests: readonly (readonly [method: string, url: string, purpose: Purpose, options?: SignOptions])[], options?: NowOptions): Array<Array<[string, string]>>
  /**
   * The manifest to publish, with this identity's key first and then `others`. `Rotation` keeps the order and the waits of a
   * rotation.
   */
  manifest(options?: ManifestOptions | undefined | null): Manifest
}

/** A set of public keys (RFC 7517 §5). */
export declare class JwkSet {
  /** Reads `{ keys: [...] }`; an error with the code `key.malformed` for private key material, a `kid` twice, a malformed key. */
  static parse(document: Json): JwkSet
  /** The `kid` of each usable key; `null` for a key without one. */
  get kids(): Array<string | null>
  /** How many keys were passed over because they are of another type, curve, algorithm or use. */
  get skipped(): number
  /** How many usable keys there are. */
  get size(): number
}

/** Sizes in bytes and counts that a publisher accepts (PROTOCOL §14). What is above the protocol's cap is lowered to it. */
export declare class Limits {
  /** The protocol's limits, with some of them changed. */
  constructor(options?: LimitsOptions | undefined | null)
  /** Bytes of the base64 payload header. */
  get payloadHeader(): number
  /** Bytes of the public-key header. */
  get keyHeader(): number
  /** Bytes of a visa or ad proof. */
  get token(): number
  /** Header lines in a request. */
  get headerLines(): number
  /** Bytes of all header names and values together. */
  get headerBytes(): number
  /** Bytes of one string in a claim. */
  get string(): number
  /** Bytes of the claim's resource. */
  get resource(): number
  /** Bytes of a manifest. */
  get manifest(): number
  /** Agents whose keys are cached. */
  get directory(): number
}

/** A manifest whose every rule holds. */
export declare class Manifest {
  /** Reads the manifest that was fetched for `agentId`. An error with the code `identity.manifest_invalid` when it breaks a rule. */
  static parse(body: Json, agentId: string, options?: DevelopmentOptions | undefined | null): Manifest
  /** Whose manifest it is. */
  get agentId(): string
  /** Whom to write to. */
  get contact(): string | null
  /** Every key, the current one first. */
  get keys(): Array<ManifestKey>
  /** The keys that exist at this time; now, unless given. */
  keysAt(now?: Time | undefined | null): Array<PublicKey>
  /** The document to publish at `/.well-known/imagxp-agent.json`, as bytes. */
  toBytes(): Buffer
  /** The document as an object; `JSON.stringify` calls it. */
  toJSON(): JsonObject
  /**
   * What a server answers. Everything but GET and HEAD of `/.well-known/imagxp-agent.json` is 404 or 405.
   *
   * `ifNoneMatch` is that header's value, all its lines joined by commas.
   */
  response(method: string, path: string, ifNoneMatch?: string | undefined | null): ManifestResponse
}

/** One key of a manifest with the dates between which it exists. */
export declare class ManifestKey {
  /** A key, and the dates between which it exists. */
  constructor(key: PublicKey, dates?: KeyDates | undefined | null)
  /** The key. */
  get key(): PublicKey
  /** From when on the key exists. */
  get notBefore(): Date | null
  /** Until when the key exists. */
  get notAfter(): Date | null
  /** Whether the key exists at this time; now, unless given. */
  existsAt(now?: Time | undefined | null): boolean
}

/** A replay store for one process: never a live entry evicted; full means 503. */
export declare class MemoryReplayStore {
  /** A store for at most this many entries in all and per agent. */
  constructor(options?: MemoryReplayStoreOptions | undefined | null)
  /** How many entries there are. */
  get size(): number
}

/** What was read. */
export declare class Page {
  /** The status. */
  get status(): number
  /** Header lines in their order, names in lower case. */
  get headers(): Array<[string, string]>
  /** The body. */
  get body(): Buffer
  /** The URL that was read last. */
  get url(): string
  /** What happened: `url`, `status`, `offer`, `payment`, `receipt` and each of the `steps`. */
  get report(): JsonObject
}

/** A verification that waits for what its verdict's `needs` name. It can be resumed once. */
export declare class Pending {
  /** Records the broker's answer to a `redeem` need: `accepted`, `refused` or `unavailable`. */
  redeemed(answer: 'accepted' | 'refused' | 'unavailable'): void
  /**
   * Does what a `replay` need asks for: inserts into the publisher's store in Redis or PostgreSQL, and records the answer; then resume.
   * A store that does not answer is an answer too, which the next verdict tells.
   */
  insert(options?: NowOptions): Promise<void>
}

/** A policy document whose every rule holds. */
export declare class Policy {
  /**
   * Reads a policy: strict JSON as a string or bytes, or an object. An error with the code `usage.policy` names the member that is
   * wrong, and its line.
   */
  static fromJson(document: Json): Policy
  /** Reads a policy from TOML text with the same structure. */
  static fromToml(document: string): Policy
  /** Reads a policy file: TOML when its name ends in `.toml`, JSON when it ends in `.json`, else whichever it looks like. */
  static fromFile(path: string): Policy
  /** The JSON Schema (2020-12) of policy documents. */
  static schema(): string
  /** The public part, to be served at `/.well-known/imagxp-policy.json`. */
  publicJson(): Buffer
  /** The policy in other words: `robots` (lines for robots.txt), `headers` (of the page with this path) or `rsl` (a document). */
  emit(kind: 'robots' | 'headers' | 'rsl', options?: EmitOptions): string
  /** Sentences about what is allowed but hardly meant. */
  remarks(): Array<string>
  /** The publisher's origins. */
  get origins(): Array<string>
  /** `enforce` or `observe`. */
  get mode(): 'enforce' | 'observe'
  /** How the resource of a claim is compared with the request: `strict`, `path` or `off`. */
  get resourceMatch(): 'strict' | 'path' | 'off'
  /** Whether loopback origins and agents are admitted: for development only. */
  get allowLoopback(): boolean
  /** What the policy says of the content: `HUMAN`, `SYNTHETIC`, `HYBRID`, or nothing. */
  get contentOrigin(): ContentOrigin | null
  /** SHA-256 of the document's RFC 8785 form, in hex. */
  get hash(): string
}

/**
 * A replay store in PostgreSQL 12 or newer, shared by every process with the same address, `name` and secret of the publisher.
 *
 * Makes its tables and functions when they are missing. TLS as libpq has it (`sslmode`, `sslrootcert`): `verify-full` to another machine unless
 * the address says otherwise. A publisher with it has to be asked through a
 * `Resolver` or an adapter, which wait for it.
 */
export declare class PostgresReplayStore {
  /**
   * A store at `postgres://user:password@host:port/database` or `host=… user=… dbname=…`; connects when first asked. What several
   * processes store in one second may pass the limits a little.
   */
  constructor(dsn: string, options?: PostgresReplayStoreOptions)
  /** Connects, and rejects with what is wrong with the server, for a start-up check: `io.failed`, `usage.argument`. */
  check(): Promise<void>
}

/** Everything a site says about what may be done with a page, and who said what. */
export declare class Preferences {
  /** Whether robots.txt lets the agent fetch the page. */
  get crawlAllowed(): boolean
  /** Whether a text is wrong. */
  get hasErrors(): boolean
  /** Where policies are, in the order to ask. */
  get policyUrls(): Array<string>
  /** Where licences are. */
  get licenseUrls(): Array<string>
  /** What is stated about a purpose. */
  state(purpose: Purpose): 'allowed' | 'disallowed' | 'unstated' | 'conflicting'
  /** What the site asks for a purpose. */
  advice(purpose: Purpose): 'go_ahead' | 'meet_conditions' | 'no_preference' | 'refrain'
  /** The report as RFC 8785 JSON. */
  toBytes(): Buffer
  /** The report as an object; `JSON.stringify` calls it. */
  toJSON(): JsonObject
}

/** A visa with the signed request that brought it: the broker looks at both. */
export declare class Presented {
  /**
   * The visa and the signature among the headers of a request that was verified. `publicKey` is the agent's, where the request did not
   * bring it; `Publisher.presented` finds it by itself.
   */
  static ofRequest(headers: Headers, publicKey?: PublicKey): Presented
  /** The visa, which is as good as money. */
  get visa(): string
}

/** A private key in memory, erased when it is collected. Nothing but `toPem` and `toPkcs8Der` shows it. */
export declare class PrivateKey {
  /** Makes a new key from the operating system's entropy. */
  static generate(algorithm?: Algorithm): PrivateKey
  /** Reads PEM: PKCS#8 `PRIVATE KEY`, or SEC 1 `EC PRIVATE KEY` as OpenSSL writes it. */
  static fromPem(pem: string): PrivateKey
  /** Reads a DER PKCS#8 structure. */
  static fromPkcs8Der(der: Bytes): PrivateKey
  /** Reads a private JSON Web Key. */
  static fromJwk(jwk: Json): PrivateKey
  /**
   * Reads a key file: encrypted when a passphrase is given, else PEM, JWK or PKCS#8 DER.
   *
   * Rejects with the code `key_file.locked` for a wrong passphrase and for a damaged file alike, and with `io.failed` for a file that
   * others than its owner may read or write, unless `allowReadable` is true.
   */
  static load(path: string, options?: LoadOptions): Promise<PrivateKey>
  /**
   * Writes a file that only its owner may read (mode 0600), whole or not at all: encrypted when a passphrase is given, else PKCS#8 PEM.
   *
   * A file that exists is kept, and the promise rejects with `io.failed`, unless `overwrite` is true.
   */
  save(path: string, options?: SaveOptions): Promise<void>
  /** The public half. */
  get publicKey(): PublicKey
  /** The JOSE name of the algorithm: `ES256` or `EdDSA`. */
  get algorithm(): Algorithm
  /** PKCS#8 PEM, unencrypted: whoever reads this text can sign. JavaScript never erases it from memory; prefer `save`. */
  toPem(): string
  /** PKCS#8 DER, unencrypted; see `toPem`. */
  toPkcs8Der(): Buffer
  /** Signs a message: 64 bytes, deterministic (RFC 6979 with low-s, or RFC 8032). */
  sign(message: Bytes): Buffer
}

/** A public key that can verify: ECDSA P-256 (`ES256`) or Ed25519 (`EdDSA`). */
export declare class PublicKey {
  /** Reads a PEM `PUBLIC KEY` block. */
  static fromPem(pem: string): PublicKey
  /** Reads a SubjectPublicKeyInfo: DER as bytes, or its base64 as a string. */
  static fromSpki(spki: Text): PublicKey
  /** Reads a JSON Web Key (RFC 7517). */
  static fromJwk(jwk: Json): PublicKey
  /** The JOSE name of the algorithm: `ES256` or `EdDSA`. */
  get algorithm(): Algorithm
  /** The RFC 7638 SHA-256 thumbprint: 43 characters of base64url. */
  get thumbprint(): string
  /** The DER SubjectPublicKeyInfo. */
  toSpkiDer(): Buffer
  /** The SubjectPublicKeyInfo in standard base64, the form of manifests. */
  toSpkiBase64(): string
  /** The SubjectPublicKeyInfo as a PEM `PUBLIC KEY` block. */
  toPem(): string
  /** The required members of the JSON Web Key. */
  toJwk(): JsonObject
  /** Whether `signature` (64 bytes: r and s, or Ed25519's) is this key's over `message`. */
  verify(message: Bytes, signature: Bytes): boolean
  /** Whether both are the same key. */
  equals(other: PublicKey): boolean
}

/** A site that verifies its readers. */
export declare class Publisher {
  /** A publisher with this policy. */
  constructor(policy: Policy, options?: PublisherOptions | undefined | null)
  /** The policy. */
  get policy(): Policy
  /**
   * Verifies one request.
   *
   * `target`: the request target (`/path?query`, `req.url`); its origin is the policy's, never a `Host` header's. `headers`: every line:
   * `req.rawHeaders` is best, because a map hides duplicates.
   */
  verify(method: string, target: string, headers: Headers, options?: VerifyOptions): Verification
  /**
   * Verifies many requests, in order, with the verdicts of one after the other: of two copies of one request the second is a replay. One
   * crossing for all of them, and signatures of agents that are seen often are checked together.
   *
   * All are held to have come `now`: collect for milliseconds, not for longer. Those that are pending are resumed one by one.
   */
  verifyBatch(requests: readonly (readonly [method: string, target: string, headers: Headers, bodyDigest?: string | null])[], options?: NowOptions): Array<Verification>
  /** Takes up a pending verification where it stopped; only once. */
  resume(pending: Pending, options?: NowOptions): Verification
  /** Verifies without spending anything, and tells each step with what was expected and received. */
  explain(method: string, target: string, headers: Headers, options?: VerifyOptions): Explanation
  /**
   * What a broker is shown of a request: its visa and what was signed, with the key of the agent's manifest where the request did not bring it.
   *
   * `verdict`: of a request that waits for a broker, or that was let in with a visa; `headers`: its lines, as they were verified. Throws
   * `usage.argument` for any other verdict, when there is no visa among the lines, or when the manifest that lists the key is not at hand
   * any more.
   */
  presented(verdict: Verdict, headers: Headers, options?: NowOptions): Presented
  /**
   * Verifies the value of `x-imagxp-feedback`, or the body of a POST. A string is taken as UTF-8; the value of a header is Latin-1 in Node:
   * `Buffer.from(value, 'latin1')` where it may have others than ASCII.
   *
   * When the verdict has needs, fetch the manifest, `supply` it and call this again: nothing has been spent. A need of `replay` is done by
   * `FeedbackVerification.insert`; then call this again with `inserted`.
   */
  feedback(value: Text, options?: FeedbackOptions | undefined | null): FeedbackVerification
  /**
   * Hands in the body that a URL from `needs` answered with.
   *
   * A body that breaks a rule is recorded as a failure and thrown, with the code `identity.manifest_invalid` or `key.malformed`;
   * resume either way.
   */
  supply(url: string, body: Json, options?: SupplyOptions | undefined | null): void
  /** Reports that a URL from `needs` could not be fetched. */
  supplyFailure(url: string, failure: FetchFailure, options?: NowOptions): void
}

/** What was served: which bytes under which URL, when, to whom, and who made them. */
export declare class Receipt {
  /** A receipt to sign. `contentSha256`: 32 bytes, or hex, of the body as it is sent. */
  constructor(url: string, contentSha256: Sha256, options: ReceiptOptions)
  /** To whom, when the reader was verified. */
  get agentId(): string | null
  /** The SHA-256 of the content, 32 bytes. */
  get contentSha256(): Buffer
  /** Who made the content. */
  get origin(): ContentOrigin
  /** The publisher's name for this answer. */
  get traceId(): string
  /** When. */
  get ts(): Date
  /** The absolute URL that was requested. */
  get url(): string
  /** Signs the receipt with the key of the publisher's own identity; returns the two response headers. */
  sign(identity: Identity): Array<[string, string]>
  /** Checks that the receipt speaks of what arrived; an error with the code `provenance.mismatch` says what differs. */
  check(delivery: DeliveryOptions): void
}

/**
 * Redeems in batches from a thread of its own, which starts with the first visa: a publisher serves first and presents soon after.
 *
 * Each visa that `push` took is reported once: `onOutcome(presented, result, error)`, with the object of `BrokerClient.redeem` or a
 * `BrokerError`. What that throws, or a promise of it rejects with, becomes a process warning. What waits is in memory and keeps no process alive by itself: `close` it before
 * the process ends. A process that ends because it has nothing left to do closes it by itself, within 30 seconds.
 */
export declare class Redeemer {
  /** A redeemer for a publisher's client. */
  constructor(client: BrokerClient, onOutcome: (presented: Presented, result: JsonObject | null, error: BrokerError | null) => unknown, options?: RedeemerOptions)
  /** The broker's origin, to whom everything is presented that is pushed: only its own visas belong here. */
  get issuer(): string
  /** Whether it is paid for the page at this URL: a broker pays each host by its own name. */
  isPaidFor(url: string): boolean
  /** Takes a visa. Throws a `BrokerError` when it did not: `redeemer.full`, `redeemer.closed`. */
  push(presented: Presented): void
  /** How many visas have come to what. */
  get tally(): Tally
  /** Presents now what waits; `false` when something still waits after so many milliseconds, 30 000 unless given. */
  flush(withinMs?: number): Promise<boolean>
  /**
   * Takes no more, presents what waits, and reports what could not be presented within so many milliseconds, 30 000 unless given. Gives
   * how many those were.
   */
  close(withinMs?: number): Promise<number>
}

/**
 * A replay store in Redis 6.2 or newer, shared by every process with the same url, `name` and secret of the publisher.
 *
 * Redis must not evict (`maxmemory-policy noeviction`), and forgets in a crash what it has not written to its disk (`appendonly yes`). A
 * publisher with it has to be asked through a `Resolver` or an adapter, which wait for it.
 */
export declare class RedisReplayStore {
  /** A store at `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, or `redis+unix:///path[?db=n]`; connects when first asked. */
  constructor(url: string, options?: RedisReplayStoreOptions)
  /** Connects, and rejects with what is wrong with the server, for a start-up check: `io.failed`, `usage.argument`. */
  check(): Promise<void>
}

/**
 * Verifies, fetching the manifests and key sets that verdicts need. A known agent's request fetches nothing.
 *
 * Verifying itself happens on the thread that called, where the publisher's own functions belong; only fetching happens elsewhere.
 */
export declare class Resolver {
  /** A resolver that fetches with this fetcher, or with one of its own. */
  constructor(fetcher?: Fetcher | null)
  /**
   * Fetches one need and hands it to the publisher; then resume.
   *
   * What goes wrong is recorded, so that the next verdict tells it, and rejects.
   */
  supply(publisher: Publisher, need: Pick<Need, 'kind' | 'url'>, options?: NowOptions): Promise<void>
}

/** A robots.txt, or what its absence means. */
export declare class Robots {
  /** Reads the text of a robots.txt; any bytes are accepted. */
  static parse(text: Text): Robots
  /** Reads the answer to `GET /robots.txt`: 4xx but 429 allows everything, anything else but 2xx allows nothing. */
  static fromAnswer(status: number, body: Text): Robots
  /** Whether a product may fetch a path and query. */
  allows(productToken: string, pathAndQuery: string): boolean
  /** The policy URLs that the file announces to a product, in the order to ask. */
  policyUrls(productToken: string): Array<string>
}

/**
 * An agent's keys in a folder: the key that signs now, the next or the old one, and the manifest to serve.
 *
 * A step that would come too early rejects with the code `rotation.order`, and a message that says from when on it is safe.
 */
export declare class Rotation {
  /** Opens the folder of an agent. */
  constructor(path: string)
  /** Makes the folder (mode 0700) for an agent. */
  static create(path: string, agentId: string, options?: RotationCreateOptions): Promise<Rotation>
  /** Whose keys they are. */
  get agentId(): string
  /** Where the rotation stands. */
  get stage(): 'settled' | 'prepared' | 'published' | 'switched'
  /** The key that signs now. */
  get signingKey(): PublicKey
  /** The next key, or after switching the old one. */
  get otherKey(): PublicKey | null
  /** From when on the next step that has to wait (switching or retiring) is safe. */
  get readyAt(): Date | null
  /** The thumbprints of keys that were revoked, the oldest first. */
  get revoked(): Array<string>
  /** The manifest to serve now. */
  manifest(): Manifest
  /** Reads the state again: another process may have taken a step. */
  reload(): Promise<void>
  /** The agent with the key that signs now. */
  identity(options?: PassphraseOptions | undefined | null): Promise<Identity>
  /** Makes the next key; nobody knows of it yet. */
  prepare(options?: PrepareOptions | undefined | null): Promise<void>
  /** Lists the next key in the manifest; called again, it restarts the wait. */
  publish(options?: PublishOptions | undefined | null): Promise<void>
  /** Signs with the next key from now on; called again, it restarts the wait until the old key may go. */
  switch(options?: NowOptions | undefined | null): Promise<void>
  /** Leaves the old key out of the manifest, and removes its file. */
  retire(options?: NowOptions | undefined | null): Promise<void>
  /** Goes back to the old key. */
  abort(options?: NowOptions | undefined | null): Promise<void>
  /**
   * Drops a compromised key at once, named by its thumbprint. Publishers may refuse requests for a while, and accept the revoked key
   * for up to an hour. When it is the only one, a new key is made, encrypted with the passphrase if there is one.
   */
  revoke(thumbprint: string, options?: PassphraseOptions): Promise<void>
}

/** A receipt as it was received. Nothing vouches for it before `verify`. */
export declare class SignedReceipt {
  /** Finds the receipt among an answer's headers; an error with the code `provenance.*` when it is missing or cannot be read. */
  static fromHeaders(headers: Headers): SignedReceipt
  /** What the receipt says. */
  get receipt(): Receipt
  /** The thumbprint of the key that is said to have signed. */
  get keyId(): string
  /** The publisher in whose manifest the key must be; `null` when the receipt's URL has no host that could publish one. */
  publisher(options?: DevelopmentOptions | undefined | null): string | null
  /**
   * Verifies the signature with the publisher's manifest and returns the receipt; an error with the code `sig.invalid` or
   * `identity.key_mismatch` otherwise. Then compare it with what arrived: `Receipt.check`.
   */
  verify(manifest: Manifest): Receipt
}

/**
 * The result of a verification. It is an object, and so always truthy: ask `isAllowed`.
 *
 * What is not read costs nothing: each member is made when it is asked for.
 */
export declare class Verdict {
  /** Whether the request may pass. */
  get isAllowed(): boolean
  /** `allow`, `deny` or `undecided`. */
  get outcome(): 'allow' | 'deny' | 'undecided'
  /** Why not; in observe mode why it would not have; `null` when nothing is wrong. */
  get code(): string | null
  /** The status to answer with. */
  get http(): number
  /** One sentence, safe to send to a stranger. */
  get message(): string
  /** What to do, safe to send to a stranger. */
  get hint(): string | null
  /** More, for the log only. */
  get detail(): string | null
  /** `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`. */
  get retry(): string
  /** Who asks, as far as can be told. That a visitor is a browser is a guess. */
  get visitor(): 'verified_agent' | 'unsigned_browser' | 'unsigned_client' | 'invalid_agent'
  /** In observe mode: whether enforcing would have refused. */
  get wouldDeny(): boolean
  /** Who, when verified. */
  get agentId(): string | null
  /** With which key (its thumbprint), when verified. */
  get keyId(): string | null
  /** Why, when verified. */
  get purpose(): Purpose | null
  /** What, when verified: the signed resource after normalisation. */
  get resource(): string | null
  /** What vouches for the key: `domain`, `key_only` or `none`. */
  get binding(): 'domain' | 'key_only' | 'none'
  /** How the request is paid for. */
  get payment(): Payment
  /** Codes of things worth knowing that did not decide. */
  get warnings(): Array<string>
  /** What the caller may fetch and hand back. */
  get needs(): Array<Need>
  /** Headers to add to the response, whatever it will be. */
  get responseHeaders(): Array<[string, string]>
  /** For 402: price, currency, purposes and brokers. */
  get offer(): JsonObject | null
  /** 32 hex digits that name this verification in logs. */
  get traceId(): string
  /** The JSON body to answer a refusal with. */
  body(): Buffer
  /** Every field with the names of PROTOCOL §6, `detail` included; `JSON.stringify` calls it. */
  toJSON(): JsonObject
  /** The same in RFC 8785 form. */
  toBytes(): Buffer
}

/**
 * One read as a machine without I/O, for HTTP clients of one's own. Each answer is handed back once, in order.
 *
 * With a wallet in a file a payment is written and synced before the step returns. `answeredAsync` and `failedAsync` do that away from the
 * event loop, one step at a time: another one meanwhile is an error with the code `usage.argument`.
 */
export declare class Visit {
  /** The first thing to do. */
  start(options?: StepOptions | undefined | null): Action
  /**
   * Hands an answer back; `body` may be empty where nobody reads it (a page without receipts, for example). Headers and body must match: a
   * robots.txt or policy with a `Content-Encoding` counts as one that cannot be had, and `fetch` decodes a body without taking that line
   * off.
   */
  answered(status: number, headers: Headers, body: Text, options?: StepOptions): Action
  /** The same away from the event loop. */
  answeredAsync(status: number, headers: Headers, body: Text, options?: StepOptions): Promise<Action>
  /** Says that no answer came. */
  failed(detail: string, options?: FailedOptions | undefined | null): Action
  /** The same away from the event loop. */
  failedAsync(detail: string, options?: FailedOptions | undefined | null): Promise<Action>
}

/**
 * Money: caps, what has been spent, and visas. Several agents may share one.
 *
 * With `path` the books are kept in a file, durably and before each payment, and one wallet at a time holds it, until it is closed or
 * gone: an error with the code `io.failed` otherwise. Visas are kept in memory only. Without, the books are gone with the process, and so
 * are the caps of a day.
 */
export declare class Wallet {
  /** A wallet that may spend this much; without caps, nothing. */
  constructor(caps?: readonly Caps[] | null, options?: WalletOptions)
  /** What was spent ever in a currency, reservations and unknown payments included. */
  spent(currency: string): string
  /** What counts against the cap of the day. */
  spentToday(currency: string, options?: NowOptions | undefined | null): string
  /** Payments without an end. */
  get open(): Array<OpenPayment>
  /** How many visas there are, used-up ones included. */
  get visas(): number
  /**
   * Sets a price aside before a payment is begun, for callers that pay by themselves. Returns `null`, or the id of an earlier payment of
   * unknown end, which must be asked about under its own id first: then nothing was set aside.
   */
  reserve(id: string, terms: PurchaseTerms): string | null
  /** Says how a payment ended: `spent`, `released` (certainly not paid) or `unknown`. */
  settle(id: string, end: 'spent' | 'released' | 'unknown'): void
  /**
   * Lets the file go, for this process or another to open; the second time nothing happens. Nothing is reserved with this wallet any
   * more, with or without a file: `io.failed`. To whoever opens the file next, a payment under way is unknown.
   */
  close(): void
}

/** How an agent reads. */
export interface AgentOptions {
  /** What it may spend; nothing unless given. */
  wallet?: Wallet
  /** Whom it may pay: issuer URLs, or pairs of issuer and token endpoint. */
  brokers?: readonly (string | readonly [issuer: string, tokenEndpoint: string])[]
  /** Its own words in `User-Agent`. */
  userAgent?: string
  /** `false` asks neither robots.txt nor the policy, for callers that do so themselves. */
  discover?: boolean
  /** Which redirects are followed; those of one origin unless given. */
  redirects?: 'same_origin' | 'any_origin' | 'return'
  /** What becomes of receipts; they are verified unless given. */
  receipts?: 'verify' | 'require' | 'ignore'
  /** Also sends the header names of the reference SDK. */
  compatible?: boolean
  /** Also reads from this machine: for development. */
  allowLoopback?: boolean
}

/** The agent that an unverified assertion names: to find its manifest, never to trust it. */
export declare function assertionAgent(assertion: Text, options?: DevelopmentOptions | undefined | null): string

/** What `signAssertion` also takes. */
export interface AssertionOptions {
  /** A random UUID unless given. */
  jti?: string
  /** The clock's time unless given. */
  now?: Time
}

/** What is wrong with a log. */
export interface AuditFinding {
  /** In which file. */
  file: string
  /** On which line. */
  line: number
  /** At which entry. */
  entry: number | null
  /** What. */
  message: string
}

/** How a log is kept. */
export interface AuditLogOptions {
  /**
   * `each` (a record is on the disk before its verdict is given), `interval` (an fsync after `intervalMs` or `intervalRecords`),
   * or `never`. `each` unless given.
   */
  sync?: 'each' | 'interval' | 'never'
  /** Milliseconds between two fsyncs; 200 unless given. */
  intervalMs?: number
  /** Records between two fsyncs; 1000 unless given. */
  intervalRecords?: number
  /** Bytes of one file; 64 MiB unless given. */
  fileBytes?: number
  /** Entries between two checkpoints; 10 000 unless given. */
  checkpointEntries?: number
  /** Seconds between two checkpoints; 60 unless given. */
  checkpointSeconds?: number
  /** Also records visitors that signed nothing. */
  unsigned?: boolean
  /** Keys that signed this log's checkpoints before. */
  earlierKeys?: List<PublicKey>
}

/** What `AuditLog.verify` found. */
export interface AuditReport {
  /** Whether nothing was altered, reordered or removed. */
  intact: boolean
  /** The log's name. */
  origin: string
  /** How many files. */
  files: number
  /** How many entries. */
  entries: number
  /** How many of them are verdicts. */
  verdicts: number
  /** How many requests' signatures were verified again, with a key of the agent's domain. */
  requestsVerified: number
  /** How many signatures in an agent's name were verified again, with a key that nobody vouches for. */
  requestsKeyOnly: number
  /** How many checkpoints. */
  checkpoints: number
  /** How many entries the last checkpoint seals. */
  sealed: number
  /** How many bytes of an unfinished entry a crash left. */
  unfinished: number
  /** What is wrong. */
  findings: Array<AuditFinding>
}

/** Which record `AuditLog.prove` is about: exactly one of these. */
export interface AuditSelector {
  /** Its number. */
  entry?: number
  /** The verdict's `traceId`. */
  traceId?: string
  /** The claim's nonce. */
  nonce?: string
}

/** What `AuditLog.verify` also takes. */
export interface AuditVerifyOptions {
  /** A checkpoint that was kept elsewhere. */
  checkpoint?: Text
}

/** How a broker is asked. */
export interface BrokerOptions {
  /** What asks; one of its own unless given. */
  fetcher?: Fetcher
  /** How often something is sent at most, under one key; 5 unless given. */
  attempts?: number
  /** Development: admits http to this machine. */
  allowLoopback?: boolean
}

/** The RFC 8785 form of a strict I-JSON text (at most 16 MiB, 64 levels), as bytes. */
export declare function canonicalize(json: Text): Buffer

/** Further caps, as decimal strings. */
export interface CapsOptions {
  /** For one host in one UTC day. */
  perHost?: string
  /** For all in one UTC day. */
  perDay?: string
  /** Ever. */
  total?: string
}

/** The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`. */
export declare function contentDigest(body: Bytes): string

/** How a dispute ends. */
export interface DecideOptions {
  /** The publisher's part of a split. */
  amount?: string
  /** Why. */
  memo?: string
  /** As in `KeyOptions`. */
  key?: string
}

/** What arrived, for `Receipt.check`. */
export interface DeliveryOptions {
  /** What was requested. */
  url: string
  /** 32 bytes, or hex, of what arrived. */
  contentSha256: Sha256
  /** The reader. */
  agentId?: string | null
  /** The clock's time unless given. */
  now?: Time
  /** For evidence of long ago: the time is not compared with `now`. */
  anyTime?: boolean
}

/** What a deposit also says. */
export interface DepositOptions {
  /** What the bank calls it: counts once, for ever. */
  reference: string
  /** In which asset; the broker's first unless given. */
  asset?: string
  /** A note. */
  memo?: string
  /** As in `KeyOptions`. */
  key?: string
}

/** For development. */
export interface DevelopmentOptions {
  /** Also admits `localhost` and `127.0.0.1`, with a port. */
  allowLoopback?: boolean
}

/** Reports what a site asks, from the texts in which it does. Nothing is fetched. */
export declare function discover(url: string, productToken: string, options?: DiscoverOptions): Preferences

/** The texts in which a site says what it asks. */
export interface DiscoverOptions {
  /** The body of robots.txt. */
  robots?: Text
  /** The status with which it was answered; 200 unless given. */
  robotsStatus?: number
  /** The page's response headers. */
  headers?: Headers | null
  /** RSL documents by their URLs. */
  rsl?: Readonly<Record<string, Text>> | null
  /** The public policy. */
  policy?: Text
}

/** What `Policy.emit` also takes. */
export interface EmitOptions {
  /** The path of the page whose headers are made; `/` unless given. */
  path?: string
  /** Which of the policy's origins; the first unless given. */
  origin?: string
  /** Where the RSL document is. */
  rslUrl?: string
}

/** What `Identity.fromEnv` also takes. */
export interface EnvOptions {
  /** Says the domain where no variable does; they must not differ. */
  agentId?: string
  /** Also admits `localhost` and `127.0.0.1`, with a port: for development. */
  allowLoopback?: boolean
}

/** What `Identity.external` also takes. */
export interface ExternalOptions {
  /** The function answers ECDSA signatures in DER, as most KMS do, rather than 64 bytes. */
  der?: boolean
  /** Also admits `localhost` and `127.0.0.1`, with a port: for development. */
  allowLoopback?: boolean
}

/** What `Visit.failed` also takes. */
export interface FailedOptions {
  /** Whether bytes of the request may have reached the peer. When in doubt, they have: `true` unless given. */
  sent?: boolean
  /** The clock's time unless given. */
  now?: Time
  /** A random UUID unless given. */
  nonce?: string
}

/** What feedback also says. */
export interface FeedbackDetails {
  /** The visa that paid. */
  jti?: string
  /** 32 bytes, or hex, of what was read. */
  contentSha256?: Sha256
}

/** The value of the request header `x-imagxp-feedback`: base64 of what `Feedback.sign` returned. */
export declare function feedbackHeader(signed: Bytes): string

/** What `Publisher.feedback` also takes. */
export interface FeedbackOptions {
  /** The verdict on the request that carried it; without it the feedback must name its agent, time and nonce. */
  carrier?: Verdict
  /** What the same call answered before, when its verdict needed `replay` and `FeedbackVerification.insert` has done that. */
  inserted?: FeedbackVerification
  /** The clock's unless given. */
  now?: Time
}

/** What `Feedback.sign` also takes. */
export interface FeedbackSignOptions {
  /** The clock's time unless given. */
  now?: Time
  /** A random UUID unless given. */
  nonce?: string
}

/** What a fetcher may do beyond the rules of the protocol. */
export interface FetcherOptions {
  /** Development: admits http to this machine. */
  allowLoopback?: boolean
  /** PEM certificates of further authorities. */
  roots?: Text
  /** `roots` are the only ones. */
  onlyGivenRoots?: boolean
  /** `address:port` each; the system's when there are none. */
  nameservers?: List<string>
  /** Ports besides 443. */
  ports?: List<number>
  /** What is sent as `User-Agent`. */
  userAgent?: string
  /** Development and tests: addresses that are admitted although they are not public. */
  allowAddresses?: List<string>
  /** The port that is connected to there. */
  allowedPort?: number
}

/** Whether this may be an agent_id: a lower-case public domain name without scheme, port or trailing dot. */
export declare function isAgentId(name: string, options?: DevelopmentOptions | undefined | null): boolean

/**
 * Whether a fetch for a stranger may connect to this address: global unicast only, no IPv4 in IPv6 clothes.
 *
 * Text that is not an address, a name for instance, is not public.
 */
export declare function isPublicAddress(text: string): boolean

/** Signs a visa with a broker's ES256 key; `kid` is the key's thumbprint. Whether it may be issued is for the broker's ledger. */
export declare function issueVisa(key: PrivateKey, terms: VisaTerms): string

/** The dates between which a key exists. */
export interface KeyDates {
  /** From when on, inclusive. */
  notBefore?: Time
  /** Until when, inclusive. */
  notAfter?: Time
}

/** What everything that changes something also takes. */
export interface KeyOptions {
  /** Names what is done, 16 to 128 characters: asked again, the same is answered and nothing is done twice. Random unless given. */
  key?: string
}

/** Sizes in bytes and counts; what is not given has its default. */
export interface LimitsOptions {
  /** Bytes of the base64 payload header. */
  payloadHeader?: number
  /** Bytes of the public-key header. */
  keyHeader?: number
  /** Bytes of a visa or ad proof. */
  token?: number
  /** Header lines in a request. */
  headerLines?: number
  /** Bytes of all header names and values together. */
  headerBytes?: number
  /** Bytes of one string in a claim. */
  string?: number
  /** Bytes of the claim's resource. */
  resource?: number
  /** Bytes of a manifest. */
  manifest?: number
  /** Agents whose keys are cached. */
  directory?: number
}

/** The policy URL that `Link` header values announce for a page. */
export declare function linkPolicyUrl(values: readonly string[], page: string): string | null

/** How a key file is read. */
export interface LoadOptions {
  /** Opens an encrypted file. */
  passphrase?: Text | null
  /** Also reads a file that others than its owner may read or write. */
  allowReadable?: boolean
  /** Identities only: also admits `localhost` and `127.0.0.1`, with a port: for development. */
  allowLoopback?: boolean
}

/** What `Identity.manifest` takes. */
export interface ManifestOptions {
  /** Whom to write to. */
  contact?: string
  /** Further keys: during a rotation, the old or the next one. */
  others?: List<ManifestKey>
}

/** What a server answers. */
export interface ManifestResponse {
  /** 200, 304, 404 or 405. */
  status: number
  /** The headers to send. */
  headers: Array<[string, string]>
  /** The body, empty for HEAD and 304. */
  body: Buffer
}

/** Where the manifest of an agent lives. */
export declare function manifestUrl(agentId: string, options?: DevelopmentOptions | undefined | null): string

/** How much a replay store in memory holds. */
export interface MemoryReplayStoreOptions {
  /** Entries in all; a million unless given. */
  maxEntries?: number
  /** Entries of one agent; 200 000 unless given. */
  maxPerAgent?: number
}

/** Something that the caller may fetch and hand back. */
export interface Need {
  /** `manifest`, `jwks`, `redeem` or `replay`. */
  kind: 'manifest' | 'jwks' | 'redeem' | 'replay'
  /** Where it is; of `replay`, which `Pending.insert` does, empty. */
  url: string
}

/** One of a verdict's needs. */
export interface NeedArgument {
  /** `manifest`, `jwks`, `redeem` or `replay`. */
  kind: string
  /** Where it is. */
  url: string
}

/** The time, where nothing else can be said. */
export interface NowOptions {
  /** The clock's unless given. */
  now?: Time
}

/** What a publisher asks. */
export interface Offer {
  /** How much: a decimal string. */
  price: string
  /** In which currency. */
  currency: string
  /** For what. */
  purposes: Array<Purpose>
  /** Through whom. */
  brokers: Array<OfferedBroker>
}

/** A broker that a publisher takes visas of. */
export interface OfferedBroker {
  /** Its URL. */
  issuer: string
  /** Where it sells them. */
  tokenEndpoint: string
}

/** A payment without an end. */
export interface OpenPayment {
  /** Its name. */
  id: string
  /** Who is paid. */
  issuer: string
  /** For which publisher. */
  audience: string
  /** How much: a decimal string. */
  amount: string
  /** In which currency. */
  currency: string
  /** Where it stands. */
  phase: string
}

/** What opens the keys of a folder. */
export interface PassphraseOptions {
  /** Needed when they are encrypted. */
  passphrase?: Text | null
}

/** How the request is paid for. */
export interface Payment {
  /** `not_required`, `visa`, `ads` or `unpaid`. */
  state: 'not_required' | 'visa' | 'ads' | 'unpaid'
  /** The token's `jti`. */
  jti: string | null
  /** The token's `iss`. */
  issuer: string | null
  /** What the token pays: a decimal string. */
  amount: string | null
  /** In which currency. */
  currency: string | null
}

/** How a store in PostgreSQL behaves. */
export interface PostgresReplayStoreOptions {
  /** Entries in all; a million unless given. */
  maxEntries?: number
  /** Entries of one agent; 200 000 unless given. */
  maxPerAgent?: number
  /** Milliseconds that an answer may take; 1000 unless given. Beyond that the request is answered with 503. */
  timeLimitMs?: number
  /** Connections of this process, 1 to 64; 2 unless given. */
  connections?: number
  /** What names of tables and functions begin with: 1 to 32 of `a-z`, `0-9`, `_`; `imagxp` unless given. */
  name?: string
}

/** What the next key is. */
export interface PrepareOptions {
  /** `ES256` unless given. */
  algorithm?: Algorithm
  /** Must open the current key. */
  passphrase?: Text | null
}

/** What a publisher is made of besides its policy. */
export interface PublisherOptions {
  /**
   * 16 random bytes that key the hashes of nonces, the same in every process that shares a replay store; made up when not given, except for
   * a store in Redis or PostgreSQL.
   */
  secret?: Bytes
  /** In memory unless given. */
  replayStore?: MemoryReplayStore | RedisReplayStore | PostgresReplayStore | ReplayStore
  /**
   * Called last, before a visa is spent, with the verified claim and the decoded path; returns whether the request may pass. Called for
   * each reading of a path that servers read differently (`/a;b`, `//`, `%2F`): one `false` refuses. What it throws, and every answer
   * that is no boolean, is `policy.error` (503).
   */
  customPolicy?: (claim: Claim, path: string) => boolean
  /** The protocol's defaults unless given. */
  limits?: Limits
  /**
   * A log, or a function that takes the record's JSON and the manifest in force (or `null`), both bytes, and keeps them before it
   * returns. What it throws is `audit.unavailable` (503), and so is a promise.
   */
  audit?: AuditLog | ((record: Uint8Array, manifest: Uint8Array | null) => void | undefined)
}

/** What `Rotation.publish` takes. */
export interface PublishOptions {
  /**
   * The longest `Cache-Control: max-age` in seconds with which the manifest was served in the last hour, shared caches included; an
   * hour is assumed unless given.
   */
  maxAge?: number
  /** The clock's time unless given. */
  now?: Time
}

/** What is bought. */
export interface PurchaseTerms {
  /** Who pays. */
  agentId: string
  /** Whom. */
  issuer: string
  /** For which publisher. */
  audience: string
  /** For what. */
  purpose: Purpose
  /** How much: a decimal string. */
  amount: string
  /** In which currency. */
  currency: string
  /** The clock's time unless given. */
  now?: Time
}

/** Reads the body of a 402 answer; an error with the code `offer.malformed` when it is none. */
export declare function readOffer(body: Text, options?: DevelopmentOptions | undefined | null): Offer

/** What `Agent.read` also takes. */
export interface ReadOptions {
  /** GET unless given. */
  method?: 'GET' | 'HEAD'
}

/** What a receipt also says. */
export interface ReceiptOptions {
  /** Who made the content. */
  origin: ContentOrigin
  /** The verdict's `traceId`. */
  traceId: string
  /** The verified reader, if any. */
  agentId?: string | null
  /** The clock's time unless given. */
  now?: Time
}

/** How a redeemer works. */
export interface RedeemerOptions {
  /** Visas that may wait; 10 000 unless given. */
  capacity?: number
  /** So many are presented at once, 1000 at most; 500 unless given. */
  batch?: number
  /** No visa waits longer than so many milliseconds for others; 5000 unless given. */
  intervalMs?: number
  /** After so many milliseconds without an answer a visa is reported as not redeemed; an hour unless given. */
  giveUpMs?: number
}

/** How a store in Redis behaves. */
export interface RedisReplayStoreOptions {
  /** PEM file of the authorities that are believed, for `rediss://`; Mozilla's unless given. */
  caFile?: string
  /** Entries in all; a million unless given. */
  maxEntries?: number
  /** Entries of one agent; 200 000 unless given. */
  maxPerAgent?: number
  /** Milliseconds that an answer may take; 1000 unless given. Beyond that the request is answered with 503. */
  timeLimitMs?: number
  /** Connections of this process, 1 to 64; 2 unless given. */
  connections?: number
  /** What names in Redis begin with: 1 to 32 of `a-z`, `0-9`, `_`; `imagxp` unless given. */
  name?: string
}

/** What the folder of an agent begins with. */
export interface RotationCreateOptions {
  /** The agent's key; a new one unless given. */
  key?: PrivateKey
  /** Whom to write to. */
  contact?: string
  /** Encrypts every key in the folder. */
  passphrase?: Text | null
  /** Also admits `localhost` and `127.0.0.1`, with a port: for development. */
  allowLoopback?: boolean
}

/** How a key file is written. */
export interface SaveOptions {
  /** Encrypts the file. */
  passphrase?: Text | null
  /** Replaces a file that exists. */
  overwrite?: boolean
}

/** What `Fetcher.send` also takes. */
export interface SendOptions {
  /** The body to send. */
  body?: Bytes
  /** The bounds; those of a page unless given. */
  profile?: FetchProfile
}

/** Signs a client assertion (RFC 7523) for one request to a token endpoint: ES256, valid for a minute. */
export declare function signAssertion(identity: Identity, tokenEndpoint: string, options?: AssertionOptions | undefined | null): string

/** What `Identity.sign` also takes, and each request of a batch. */
export interface SignOptions {
  /** The time of the claim; the clock's unless given. */
  now?: Time
  /** 16 to 128 characters that occur once; a random UUID unless given. */
  nonce?: string
  /** Whether the agent displays ads. */
  adsDisplayed?: boolean
  /** An object that is signed along. */
  context?: Json
  /** `contentDigest(body)` when there is a body. */
  contentDigest?: string
  /** A visa. */
  payment?: string
  /** An ad-impression proof. */
  proof?: string
  /** Also sends the header names of the reference SDK. */
  compatible?: boolean
}

/** Which period of whose account. */
export interface StatementOptions {
  /** Whose; one's own unless given. */
  owner?: string
  /** In which asset; the broker's first unless given. */
  asset?: string
  /** From when on, RFC 3339. */
  since?: string
  /** Until when, exclusive, RFC 3339. */
  until?: string
}

/** One step of a verification. */
export interface Step {
  /** The number of the step in PROTOCOL §5. */
  number: number
  /** What is checked. */
  name: string
  /** How it went. */
  result: 'passed' | 'failed' | 'undecided' | 'skipped'
  /** What would have passed. */
  expected: string
  /** What there was. */
  received: string
}

/** What each step of a visit also takes. */
export interface StepOptions {
  /** The clock's time unless given. */
  now?: Time
  /** A random UUID unless given. */
  nonce?: string
}

/** What `Publisher.supply` also takes. */
export interface SupplyOptions {
  /** The answer's `Cache-Control: max-age` in seconds, if it had one. */
  maxAge?: number
  /** The clock's unless given. */
  now?: Time
}

/** How many visas have come to what. */
export interface Tally {
  /** They wait, or are being presented. */
  waiting: number
  /** The money stands behind them. */
  accepted: number
  /** The broker refused them. */
  refused: number
  /** They could not be presented. */
  failed: number
}

/** What is expected of a token. */
export interface TokenOptions {
  /** The clock's time unless given. */
  now?: Time
  /** `iss`, exactly. */
  issuer?: string
  /** What `aud` must contain. */
  audience?: string
  /** The header's `typ`. */
  typ?: string
}

/** Which transfers. */
export interface TransfersOptions {
  /** Whose; one's own unless given. */
  owner?: string
  /** Where the last page ended. */
  cursor?: string
  /** 1 to 500. */
  limit?: number
}

/** The `User-Agent` an agent sends: its own, with the product token `IMAGXP/1.0` added when it is missing. */
export declare function userAgent(own: string): string

/** Verifies a client assertion with the agent's manifest. */
export declare function verifyAssertion(assertion: Text, manifest: Manifest, tokenEndpoint: string, options?: NowOptions | undefined | null): Assertion

/**
 * Verifies evidence offline: checkpoint, inclusion, and the request's signature, with the manifest that was in force, or with a key that nobody
 * vouches for where `binding` is `key_only`. Returns what is proven.
 *
 * Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the publisher's word, and `url_signed` says whether
 * the URL is the one that was signed.
 *
 * `keys`: the publisher's, as you know them; without any, the key in the evidence is taken, and `key_known` is false. An error with the
 * code `audit.*` says what is wrong.
 */
export declare function verifyEvidence(evidence: Text, keys?: readonly PublicKey[]): JsonObject

/**
 * Verifies that a checkpoint, signed by one of these keys, seals this line of a log; returns how many entries it seals.
 *
 * `proof`: the hashes of the RFC 6962 inclusion proof in base64, from the leaf upwards.
 */
export declare function verifyInclusion(checkpoint: Text, keys: readonly PublicKey[], entry: Text, proof: readonly string[]): number

/** What `Publisher.verify` also takes. */
export interface VerifyOptions {
  /** The time of the request; the clock's unless given. */
  now?: Time
  /** `contentDigest(body)` when there is a body. */
  bodyDigest?: string
}

/**
 * Verifies an ES256 token's signature, then `exp` and `nbf` (leeway 5 s) and whatever is expected of it.
 *
 * Returns the claims, or `null` when nothing is expected and the payload is not a JSON object. An error with the code `payment.*` says
 * why it is refused.
 */
export declare function verifyToken(token: Text, jwks: JwkSet, options?: TokenOptions | undefined | null): JsonObject | null

/** Which visas. */
export interface VisasOptions {
  /** In this state, for example `WITHHELD`. */
  state?: string
  /** Where the last page ended. */
  cursor?: string
  /** 1 to 500. */
  limit?: number
}

/** What a visa says. */
export interface VisaTerms {
  /** The broker's URL. */
  issuer: string
  /** The publisher's origin. */
  audience: string
  /** Who may use it. */
  agentId: string
  /** Its name, 8 to 128 bytes. */
  jti: string
  /** What it pays, as a decimal string. */
  amount: string
  /** In which currency. */
  currency: string
  /** The thumbprint of the agent's key. */
  jkt?: string
  /** What it is limited to; anything unless given. */
  purposes?: readonly Purpose[]
  /** How often it may be used; once unless given. */
  maxUses?: number
  /** Seconds until it expires; 600 unless given. */
  lifetimeS?: number
  /** The clock's time unless given. */
  now?: Time
  /** Also admits agents on `localhost` and `127.0.0.1`: for development. */
  allowLoopback?: boolean
}

/** What `Agent.visit` also takes. */
export interface VisitOptions {
  /** `contentDigest(body)` when there is a body. */
  contentDigest?: string
}

/** Where the books are kept. */
export interface WalletOptions {
  /** A file; in memory unless given. */
  path?: string
}
