/* tslint:disable */
/* eslint-disable */

/** A `Date`, milliseconds since 1970, or RFC 3339 text in UTC. */
export type Time = Date | number | string;
/** JSON as text, as bytes, or as what `JSON.stringify` makes text of. */
export type Document = string | Uint8Array | object;
/** 32 bytes, or 64 hex digits. */
export type Sha256 = Uint8Array | string;
/** Every header line, duplicates included: pairs, or a `Headers`, which has joined them with commas already. */
export type HeaderLines = Iterable<readonly [string, string]> | Record<string, string | readonly string[] | undefined>;

export interface NowOptions { now?: Time }
export interface LoopbackOptions {
    /** Also admits `localhost` and `127.0.0.1`, with a port: for development. */
    allowLoopback?: boolean;
}
export interface NonceOptions extends NowOptions {
    /** 16 to 128 characters of `A-Z a-z 0-9 - . _ ~`, unique: a random UUID unless given. */
    nonce?: string;
}
export interface SignOptions extends NonceOptions {
    adsDisplayed?: boolean;
    /** Further members of the claim's `context`. */
    context?: Document;
    /** `contentDigest(body)`. */
    contentDigest?: string;
    /** A visa. */
    payment?: string;
    /** An ad proof. */
    proof?: string;
    /** Also sends `x-imagxp-credential`, for publishers that run the reference SDK. */
    compatible?: boolean;
}
export interface AssertionOptions extends NowOptions { jti?: string }
export interface Assertion { agentId: string; keyId: string; jti: string; exp: string }
export interface ManifestKey {
    /** SubjectPublicKeyInfo in base64. */
    publicKey: string;
    keyId?: string;
    algorithm?: string;
    notBefore?: Time | null;
    notAfter?: Time | null;
}
export interface ManifestOptions { contact?: string; others?: readonly ManifestKey[] }
export interface EmitOptions { path?: string; origin?: string; rslUrl?: string }
export interface TokenOptions extends NowOptions { issuer?: string; audience?: string; typ?: string }
export interface VisaOptions extends NowOptions, LoopbackOptions {
    issuer: string;
    audience: string;
    agentId: string;
    jti: string;
    /** A decimal string. */
    amount: string;
    currency: string;
    /** The thumbprint of the agent's key. */
    jkt?: string;
    purposes?: readonly string[];
    maxUses?: number;
    lifetimeS?: number;
}
export interface Broker { issuer: string; tokenEndpoint: string }
export interface OfferOptions extends LoopbackOptions { trusted?: readonly string[] }
export interface Offer { price: string; currency: string; purposes: string[]; brokers: Broker[]; chosen: Broker | null }
export interface ReceiptOptions extends NowOptions {
    origin: "HUMAN" | "SYNTHETIC" | "HYBRID";
    /** The verdict's. */
    traceId: string;
    /** The verified reader, if any. */
    agentId?: string | null;
}
export interface DeliveryOptions extends NowOptions {
    url: string;
    contentSha256: Sha256;
    agentId?: string | null;
    /** For evidence of long ago: the time is not compared. */
    anyTime?: boolean;
}
export interface FeedbackOptions { jti?: string | null; contentSha256?: Sha256 | null }
export interface DiscoverOptions {
    robots?: string | Uint8Array | null;
    robotsStatus?: number | null;
    headers?: HeaderLines;
    rsl?: Record<string, string | Uint8Array>;
    policy?: string | Uint8Array | null;
}
export interface LimitOptions {
    payloadHeader?: number;
    keyHeader?: number;
    token?: number;
    headerLines?: number;
    headerBytes?: number;
    string?: number;
    resource?: number;
    manifest?: number;
    directory?: number;
}

/** The claim, as a publisher's own rule sees it: verified, and its payment is good. */
export interface Claim {
    agentId: string;
    purpose: string;
    ts: string;
    nonce: string;
    resource: string | null;
    method: string | null;
    contentDigest: string | null;
    adsDisplayed: boolean | null;
    /** Every other member, signed and uninterpreted. */
    extra: Record<string, unknown>;
}
export interface PublisherOptions {
    /** 16 bytes (or 32 hex digits) that key the hashes of nonces: the same wherever a replay store is shared. */
    secret?: Uint8Array | string;
    replay?: "memory" | "later";
    maxReplayEntries?: number;
    customPolicy?: (claim: Claim, path: string) => boolean;
    limits?: LimitOptions;
    /** Takes the record as JSON, and the manifest that was in force. */
    audit?: (record: string, manifest: Uint8Array | null) => void | undefined;
}
export interface VerifyOptions extends NowOptions { bodyDigest?: string | null }
export interface SupplyOptions extends NowOptions { maxAge?: number | null }

export interface Need {
    kind: "manifest" | "jwks" | "redeem" | "replay";
    /** Where it is; empty for `replay`. */
    url: string;
}
/** What a replay store has to insert unless it is there: keyed hashes in hex, and until when it has to be kept (milliseconds since 1970). */
export interface ReplayEntry { key: string; agent: string; expiresAt: number }
export type Insert = "fresh" | "seen" | "full" | "error";
export type Redemption = "accepted" | "refused" | "unavailable";
/** What a broker is shown of a request: a member of `visas` in `POST /v1/visas/redeem`. The visa is as good as money. */
export interface Presented {
    readonly visa: string;
    readonly request?: { readonly payload: string; readonly signature: string; readonly public_key: string };
}

/** The result of a verification (PROTOCOL §6): plain, frozen data. */
export interface Verdict {
    readonly isAllowed: boolean;
    readonly outcome: "allow" | "deny" | "undecided";
    /** Why not; in observe mode why it would not have; `null` when nothing is wrong. */
    readonly code: string | null;
    /** The status to answer with. */
    readonly http: number;
    /** One sentence, safe to send to a stranger. */
    readonly message: string;
    /** What to do, safe to send to a stranger. */
    readonly hint: string | null;
    /** More, for the log only. */
    readonly detail: string | null;
    /** `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`. */
    readonly retry: string;
    readonly visitor: "verified_agent" | "unsigned_browser" | "unsigned_client" | "invalid_agent";
    /** In observe mode: whether enforcing would have refused. */
    readonly wouldDeny: boolean;
    readonly agentId: string | null;
    readonly keyId: string | null;
    readonly purpose: string | null;
    /** The signed resource after normalisation. */
    readonly resource: string | null;
    readonly binding: "domain" | "key_only" | "none";
    readonly payment: {
        readonly state: "not_required" | "visa" | "ads" | "unpaid";
        readonly jti: string | null;
        readonly issuer: string | null;
        readonly amount: string | null;
        readonly currency: string | null;
    };
    readonly warnings: readonly string[];
    readonly needs: readonly Need[];
    /** Headers to add to the response, whatever it will be. */
    readonly responseHeaders: readonly (readonly [string, string])[];
    /** For 402: price, currency, purposes and brokers. */
    readonly offer: Record<string, unknown> | null;
    /** 32 hex digits that name this verification in logs. */
    readonly traceId: string;
    /** The JSON to answer a refusal with. */
    readonly body: string | null;
}
export interface Verification {
    verdict: Verdict;
    /** Present when the verdict has `needs`. Free it when it is not resumed. */
    pending: Pending | undefined;
}
export interface Step {
    number: number;
    name: string;
    result: "passed" | "failed" | "undecided" | "skipped";
    expected: string;
    received: string;
}
export interface Explanation {
    steps: Step[];
    verdict: Verdict;
    /** For people, with a stranger's bytes escaped. */
    text: string;
}
/** Feedback that holds. */
export interface TakenFeedback {
    url: string;
    qualityScore: string;
    scoreMillionths: number;
    reason: string;
    agentId: string | null;
    jti: string | null;
    contentSha256: string | null;
    ts: string | null;
}
export interface TakeFeedbackOptions extends NowOptions {
    carrier?: Verdict | null;
    inserted?: readonly [ReplayEntry, Insert];
}
export interface FeedbackVerification {
    verdict: Verdict;
    feedback: TakenFeedback | null;
    insertion: ReplayEntry | undefined;
}
export interface Code { name: string; number: number; http: number; retry: string; message: string; hint: string }



/**
 * The SHA-256 of a body that passes in pieces.
 */
export class ContentHash {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The hash of what has passed so far, in hex.
     */
    hex(): string;
    constructor();
    /**
     * Takes one piece.
     */
    update(piece: Uint8Array | number[]): void;
}

/**
 * What an agent thinks of what it got, to be signed.
 */
export class Feedback {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * `qualityScore`: 0 to 1 with at most six digits after the point, as a string or a number. `reason`: one of `feedbackReasons()`.
     */
    constructor(url: string, quality_score: string | number, reason: string, options?: FeedbackOptions);
    /**
     * What `sign` would sign, for a key that answers later; completing it gives the JSON object.
     */
    prepare(identity: Identity, options?: NonceOptions): Prepared;
    /**
     * Signs it in the identity's name; returns the JSON object, which is also the body of a POST to a broker.
     */
    sign(identity: Identity, options?: NonceOptions): string;
}

/**
 * A domain name and the key that signs for it.
 */
export class Identity {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Joins a domain with a key that lives elsewhere and answers later (WebCrypto, a KMS): use `prepare` and its kin, not `sign`.
     */
    static external(agent_id: string, public_key: PublicKey, options?: LoopbackOptions): Identity;
    /**
     * The manifest to publish, with this identity's key first and then `others`: during a rotation, the old or the next key.
     */
    manifest(options?: ManifestOptions): Manifest;
    /**
     * Joins a domain with a key in memory.
     */
    constructor(agent_id: string, key: PrivateKey, options?: LoopbackOptions);
    /**
     * What `sign` would sign, for a key that answers later; completing it gives the headers.
     */
    prepare(method: string, url: string, purpose: string, options?: SignOptions): Prepared;
    /**
     * Signs many requests as `sign` does one after the other: each `[method, url, purpose, options?]`. ES256 signatures share their
     * inversions, which makes eight and more an eighth cheaper.
     *
     * All or none: the error names the first request that cannot be signed, counted from 0; a nonce must not occur twice. `now` is for the
     * requests that do not say their own.
     */
    signBatch(requests: readonly (readonly [method: string, url: string, purpose: string, options?: SignOptions])[], options?: NowOptions): [string, string][][];
    /**
     * Signs one request; returns the headers to send. `User-Agent` is not among them: see `userAgent`.
     *
     * `url` is absolute. `now` is the clock's time and `nonce` a random UUID unless given.
     */
    sign(method: string, url: string, purpose: string, options?: SignOptions): [string, string][];
    /**
     * The domain.
     */
    readonly agentId: string;
    /**
     * The thumbprint of the key.
     */
    readonly keyId: string;
    /**
     * The key that publishers must find in the manifest.
     */
    readonly publicKey: PublicKey;
}

/**
 * A set of public keys (RFC 7517 §5).
 */
export class JwkSet {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Reads `{"keys": [...]}`; `key.malformed` for private key material, a `kid` twice, a malformed key.
     */
    static parse(document: Document): JwkSet;
    /**
     * The `kid` of each usable key; `undefined` for a key without one.
     */
    readonly kids: (string | undefined)[];
    /**
     * How many keys were passed over because they are of another type, curve, algorithm or use.
     */
    readonly skipped: number;
}

/**
 * A manifest whose every rule holds.
 */
export class Manifest {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The keys that exist at this time.
     */
    keysAt(now?: Time): PublicKey[];
    /**
     * Reads the manifest that was fetched for `agentId`. `identity.manifest_invalid` when it breaks a rule.
     */
    static parse(body: Document, agent_id: string, options?: LoopbackOptions): Manifest;
    /**
     * What a server answers. Everything but GET and HEAD of `/.well-known/imagxp-agent.json` is 404 or 405.
     */
    response(method: string, path: string, if_none_match?: string | null): {status: number; headers: [string, string][]; body: string};
    /**
     * The document to publish at `/.well-known/imagxp-agent.json`.
     */
    toJson(): string;
    /**
     * Whose manifest it is.
     */
    readonly agentId: string;
    /**
     * Whom to write to.
     */
    readonly contact: string | undefined;
    /**
     * Every key, the current one first.
     */
    readonly keys: ManifestKey[];
}

/**
 * A verification that waits for what its verdict's `needs` name. It can be resumed once.
 */
export class Pending {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Records the store's answer to a `replay` need: `fresh`, `seen`, `full` or `error`.
     */
    inserted(answer: Insert, options?: NowOptions): void;
    /**
     * Records the broker's answer to a `redeem` need: `accepted`, `refused` or `unavailable`.
     */
    redeemed(answer: Redemption): void;
    /**
     * What the replay store has to insert, when there is a `replay` need.
     */
    readonly insertion: ReplayEntry | undefined;
}

/**
 * A policy document whose every rule holds.
 */
export class Policy {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The policy in other words: `robots` (lines for robots.txt), `headers` (of the page with this path) or `rsl` (a document).
     */
    emit(kind: string, options?: EmitOptions): string;
    /**
     * Reads a policy: strict JSON, or an object. `usage.policy` names the member that is wrong.
     */
    static fromJson(document: Document): Policy;
    /**
     * The public part, to be served at `/.well-known/imagxp-policy.json`.
     */
    publicJson(): string;
    /**
     * Sentences about what is allowed but hardly meant.
     */
    remarks(): string[];
    /**
     * The JSON Schema (2020-12) of policy documents.
     */
    static schema(): string;
    /**
     * Whether loopback origins and agents are admitted: for development only.
     */
    readonly allowLoopback: boolean;
    /**
     * What the policy says of the content: `HUMAN`, `SYNTHETIC`, `HYBRID`, or nothing.
     */
    readonly contentOrigin: string | undefined;
    /**
     * SHA-256 of the document's RFC 8785 form, in hex.
     */
    readonly hash: string;
    /**
     * `enforce` or `observe`.
     */
    readonly mode: string;
    /**
     * The publisher's origins.
     */
    readonly origins: string[];
    /**
     * How the resource of a claim is compared with the request: `strict`, `path` or `off`.
     */
    readonly resourceMatch: string;
}

/**
 * Something that is complete but for its signature: have `message` signed (WebCrypto, a KMS), then `complete` it, once.
 */
export class Prepared {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Puts the signature in: 64 bytes, r and s as WebCrypto gives them, or Ed25519's. Returns what signing at once would return.
     *
     * `usage.signer` when the identity's public key did not make it.
     */
    complete(signature: Uint8Array | number[]): any;
    /**
     * The bytes to sign. The signer hashes them itself: ECDSA with SHA-256, or Ed25519.
     */
    readonly message: Uint8Array;
}

/**
 * A private key in memory, erased when it is freed. Where a key must not be in memory, use WebCrypto and `Identity.external`.
 */
export class PrivateKey {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Reads a private JSON Web Key.
     */
    static fromJwk(jwk: Document): PrivateKey;
    /**
     * Reads PEM: PKCS#8 `PRIVATE KEY`, or SEC 1 `EC PRIVATE KEY` as OpenSSL writes it.
     */
    static fromPem(pem: string): PrivateKey;
    /**
     * Reads a DER PKCS#8 structure.
     */
    static fromPkcs8Der(der: Uint8Array | number[]): PrivateKey;
    /**
     * Makes a new key, `ES256` unless `EdDSA` is asked for.
     */
    static generate(algorithm?: string | null): PrivateKey;
    /**
     * Signs a message: 64 bytes, deterministic (RFC 6979 with low-s, or RFC 8032).
     */
    sign(message: Uint8Array | number[]): Uint8Array;
    /**
     * PKCS#8 PEM, unencrypted: whoever reads this text can sign. JavaScript never erases it from memory.
     */
    toPem(): string;
    /**
     * PKCS#8 DER, unencrypted; see `toPem`.
     */
    toPkcs8Der(): Uint8Array;
    /**
     * The JOSE name of the algorithm: `ES256` or `EdDSA`.
     */
    readonly algorithm: string;
    /**
     * The public half.
     */
    readonly publicKey: PublicKey;
}

/**
 * A public key that can verify: ECDSA P-256 (`ES256`) or Ed25519 (`EdDSA`).
 */
export class PublicKey {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Reads a JSON Web Key (RFC 7517).
     */
    static fromJwk(jwk: Document): PublicKey;
    /**
     * Reads a PEM `PUBLIC KEY` block.
     */
    static fromPem(pem: string): PublicKey;
    /**
     * Reads a SubjectPublicKeyInfo: DER as bytes, or its base64 as a string.
     */
    static fromSpki(spki: string | Uint8Array): PublicKey;
    /**
     * The required members of the JSON Web Key.
     */
    toJwk(): Record<string, string>;
    /**
     * The SubjectPublicKeyInfo as a PEM `PUBLIC KEY` block.
     */
    toPem(): string;
    /**
     * The SubjectPublicKeyInfo in standard base64, the form of manifests.
     */
    toSpkiBase64(): string;
    /**
     * The DER SubjectPublicKeyInfo.
     */
    toSpkiDer(): Uint8Array;
    /**
     * Whether `signature` (64 bytes: r and s, or Ed25519's) is this key's over `message`.
     */
    verify(message: Uint8Array | number[], signature: Uint8Array | number[]): boolean;
    /**
     * The JOSE name of the algorithm: `ES256` or `EdDSA`.
     */
    readonly algorithm: string;
    /**
     * The RFC 7638 SHA-256 thumbprint: 43 characters of base64url.
     */
    readonly thumbprint: string;
}

/**
 * A site that verifies its readers.
 */
export class Publisher {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Verifies without spending anything, and tells each step with what was expected and received.
     */
    explain(method: string, url: string, headers: HeaderLines, options?: VerifyOptions): Explanation;
    /**
     * Verifies the value of `x-imagxp-feedback`, or the body of a POST. A string is taken as UTF-8; the value of a header is Latin-1, one
     * character per byte, so give its bytes where it may have others than ASCII.
     *
     * `carrier`: the verdict on the request that carried it; without it the feedback must name its agent, time and nonce. When the
     * verdict needs a manifest, fetch it, `supply` it and call this again. When `insertion` is there, ask the replay store to insert it, and
     * call this again with `inserted: [insertion, answer]`.
     */
    feedback(value: string | Uint8Array, options?: TakeFeedbackOptions): FeedbackVerification;
    /**
     * A publisher.
     *
     * `replay`: `memory`, nonces are remembered in this isolate, or `later`, a store behind a network remembers them: then verdicts have
     * `replay` needs, and `secret` (16 bytes, the same in every isolate) has to be given; otherwise it is made up. `customPolicy` is
     * called last, before a visa is spent, with the verified claim and the path, and answers whether the request may pass; for each reading of
     * a path that servers read differently (`/a;b`, `//`, `%2F`), and one `false` refuses. `audit` is called with each decided verdict's record. What either
     * throws is written to the console and answered with 503.
     */
    constructor(policy: Policy, options?: PublisherOptions);
    /**
     * What a broker is shown of a request: its visa and what was signed, with the key of the agent's manifest where the request did not bring it.
     *
     * `verdict`: of a request that waits for a broker, or that was let in with a visa; `headers`: its lines, as they were verified. Throws
     * `usage.argument` for any other verdict, when there is no visa among the lines, or when the manifest that lists the key is not at hand any more.
     */
    presented(verdict: Verdict, headers: HeaderLines, options?: NowOptions): Presented;
    /**
     * Takes up a pending verification where it stopped; only once.
     */
    resume(pending: Pending, options?: NowOptions): Verification;
    /**
     * Reports that a URL of `needs` could not be fetched: `failed`, `not_found`, `redirect`, `address_denied`, `busy`, `invalid`.
     */
    supplyFailure(url: string, failure: "failed" | "not_found" | "redirect" | "address_denied" | "busy" | "invalid", options?: NowOptions): void;
    /**
     * Hands in what a URL of `needs` answered with, and the answer's `Cache-Control: max-age` in seconds if it had one.
     *
     * A body that breaks a rule is recorded as a failure and thrown as `identity.manifest_invalid` or `key.malformed`; resume either way.
     */
    supply(url: string, body: Document, options?: SupplyOptions): void;
    /**
     * Verifies many requests, in order, with the verdicts of one after the other: of two copies of one request the second is a replay.
     * Signatures of agents that are seen often are checked together.
     *
     * All are held to have come `now`: collect for milliseconds, not for longer. Those that are pending are resumed one by one.
     */
    verifyBatch(requests: readonly (readonly [method: string, url: string, headers: HeaderLines, bodyDigest?: string | null])[], options?: NowOptions): Verification[];
    /**
     * Verifies one request.
     *
     * `url`: the request target (`/path?query`); its origin is the policy's, never a `Host` header's. `headers`: every line.
     * `bodyDigest`: `contentDigest(body)` when there is a body.
     */
    verify(method: string, url: string, headers: HeaderLines, options?: VerifyOptions): Verification;
}

/**
 * What was served: which bytes under which URL, when, to whom, and who made them.
 */
export class Receipt {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Checks that the receipt speaks of what arrived; `provenance.mismatch` says what differs.
     */
    check(delivery: DeliveryOptions): void;
    /**
     * A receipt to sign. `contentSha256`: 32 bytes, or hex, of the body as it is sent.
     */
    constructor(url: string, content_sha256: Sha256, options: ReceiptOptions);
    /**
     * What `sign` would sign, for a key that answers later; completing it gives the headers.
     */
    prepare(identity: Identity): Prepared;
    /**
     * Signs the receipt with the key of the publisher's own identity; returns the two response headers.
     */
    sign(identity: Identity): [string, string][];
    /**
     * To whom, when the reader was verified.
     */
    readonly agentId: string | undefined;
    /**
     * The SHA-256 of the content, in hex.
     */
    readonly contentSha256: string;
    /**
     * Who made the content: `HUMAN`, `SYNTHETIC` or `HYBRID`.
     */
    readonly origin: string;
    /**
     * The publisher's name for this answer.
     */
    readonly traceId: string;
    /**
     * When, as RFC 3339 text.
     */
    readonly ts: string;
    /**
     * The absolute URL that was requested.
     */
    readonly url: string;
}

/**
 * A robots.txt, or what its absence means.
 */
export class Robots {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Whether a product may fetch a path and query.
     */
    allows(product_token: string, path_and_query: string): boolean;
    /**
     * Reads the answer to `GET /robots.txt`: 4xx but 429 allows everything, anything else but 2xx allows nothing.
     */
    static fromAnswer(status: number, body: string | Uint8Array): Robots;
    /**
     * Reads the text of a robots.txt; any bytes are accepted.
     */
    static parse(text: string | Uint8Array): Robots;
    /**
     * The policy URLs that the file announces to a product, in the order to ask.
     */
    policyUrls(product_token: string): string[];
}

/**
 * A receipt as it was received. Nothing vouches for it before `verify`.
 */
export class SignedReceipt {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Finds the receipt among an answer's headers; `provenance.*` when it is missing or cannot be read.
     */
    static fromHeaders(headers: HeaderLines): SignedReceipt;
    /**
     * The publisher in whose manifest the key must be; nothing when the receipt's URL has no host that could publish one.
     */
    publisher(options?: LoopbackOptions): string | undefined;
    /**
     * Verifies the signature with the publisher's manifest and returns the receipt; `sig.invalid` or `identity.key_mismatch` otherwise.
     * Then compare it with what arrived: `Receipt.check`.
     */
    verify(manifest: Manifest): Receipt;
    /**
     * The thumbprint of the key that is said to have signed.
     */
    readonly keyId: string;
    /**
     * What the receipt says.
     */
    readonly receipt: Receipt;
}

export function __wbg_reset_state(): void;

/**
 * Panics, so that a test can prove what becomes of it: a trap, an `ImagxpError` with `internal.panic`, and a new instance.
 */
export function _panic(): void;

/**
 * The agent that an unverified assertion names: to find its manifest, never to trust it.
 */
export function assertionAgent(assertion: string, options?: LoopbackOptions): string;

/**
 * The RFC 8785 form of a strict I-JSON text (at most 16 MiB, 64 levels).
 */
export function canonicalize(json: string | Uint8Array): string;

/**
 * Every refusal code (PROTOCOL §13), in the order of the protocol.
 */
export function codes(): Code[];

/**
 * The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`.
 */
export function contentDigest(body: string | Uint8Array): string;

/**
 * Reports what a site asks, from the texts in which it does: `robots`, `robotsStatus`, `headers`, `rsl` (by URL), `policy`. Nothing is
 * fetched.
 */
export function discover(url: string, product_token: string, options?: DiscoverOptions): Record<string, unknown>;

/**
 * The value of the request header `x-imagxp-feedback`: base64 of what `Feedback.sign` returned.
 */
export function feedbackHeader(signed: string): string;

/**
 * The wire name of every reason.
 */
export function feedbackReasons(): string[];

/**
 * Whether this may be an agent_id: a lower-case public domain name without scheme, port or trailing dot.
 */
export function isAgentId(name: string, options?: LoopbackOptions): boolean;

/**
 * Whether a fetch for a stranger may connect to this address: global unicast only, no IPv4 in IPv6 clothes. A name is not an address.
 */
export function isPublicAddress(text: string): boolean;

/**
 * Signs a visa with a broker's ES256 key; `kid` is the key's thumbprint. Whether it may be issued is for the broker's ledger.
 */
export function issueVisa(key: PrivateKey, options: VisaOptions): string;

/**
 * The policy URL that `Link` header values announce for a page.
 */
export function linkPolicyUrl(values: string[], page: string): string | undefined;

/**
 * Where the manifest of an agent lives.
 */
export function manifestUrl(agent_id: string, options?: LoopbackOptions): string;

/**
 * What a `Cache-Control` says, its lines joined by commas: the seconds of `max-age`, the least of them when there are several; 0 for what must not be
 * stored; `undefined` when nothing is said. For `ts/fetch.ts`.
 */
export function maxAge(cache_control: string): number | undefined;

/**
 * What `signAssertion` would sign, for a key that answers later.
 */
export function prepareAssertion(identity: Identity, token_endpoint: string, options?: AssertionOptions): Prepared;

/**
 * The wire name of every purpose.
 */
export function purposes(): string[];

/**
 * Reads the body of a 402 answer; `offer.malformed` when it is none.
 *
 * With `trusted`, the issuers that the agent trusts with its money, `chosen` is the first of them that the offer names;
 * `spend.broker_denied` when there is none.
 */
export function readOffer(body: string | Uint8Array, options?: OfferOptions): Offer;

/**
 * What the answer to `POST /v1/visas/redeem`, by its status and its whole body, says of the one visa that was presented: `unavailable` for everything
 * but a definite word.
 */
export function readRedemption(status: number, body: string | Uint8Array): Redemption;

/**
 * What the answer to `POST /v1/visas/redeem`, by its status and its whole body, says of each of the visas that were presented (1000 at most), in their
 * order. `unavailable` for everything but a definite word: what is `unavailable` is presented again.
 */
export function readRedemptions(status: number, body: string | Uint8Array, presented: number): Redemption[];

/**
 * Signs a client assertion (RFC 7523) for one request to a token endpoint: ES256, valid for a minute.
 */
export function signAssertion(identity: Identity, token_endpoint: string, options?: AssertionOptions): string;

/**
 * The `User-Agent` an agent sends: its own, with the product token `IMAGXP/1.0` added when it is missing.
 */
export function userAgent(own: string): string;

/**
 * Verifies a client assertion with the agent's manifest. Whether its `jti` is new is for the broker's replay store to say.
 */
export function verifyAssertion(assertion: string, manifest: Manifest, token_endpoint: string, options?: NowOptions): Assertion;

/**
 * Verifies evidence offline: checkpoint, inclusion, and the request's signature, with the manifest that was in force, or with a key that nobody
 * vouches for where `binding` is `key_only`. Returns what is proven.
 *
 * Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the publisher's word, and `url_signed` says whether
 * the URL is the one that was signed.
 *
 * `keys`: the publisher's SubjectPublicKeyInfos in base64, as you know them; without any, the key in the evidence is taken, and
 * `key_known` is false.
 */
export function verifyEvidence(evidence: Document, keys: string[]): Record<string, unknown>;

/**
 * Verifies that a checkpoint, signed by one of these keys, seals this line of a log; returns how many entries it seals.
 *
 * `proof`: the hashes of the RFC 6962 inclusion proof in base64, from the leaf upwards.
 */
export function verifyInclusion(checkpoint: string | Uint8Array, keys: string[], entry: string | Uint8Array, proof: string[]): number;

/**
 * Verifies an ES256 token's signature, then `exp` and `nbf` (leeway 5 s) and whatever is expected of it.
 *
 * Returns the claims, or `null` when nothing is expected and the payload is not a JSON object. The error's code (`payment.*`) says why
 * it is refused.
 */
export function verifyToken(token: string | Uint8Array, jwks: JwkSet, options?: TokenOptions): Record<string, unknown> | null;

/**
 * The version of this library, the same in every language.
 */
export function version(): string;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
  readonly memory: WebAssembly.Memory;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;
