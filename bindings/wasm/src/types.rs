//! The types of what is plain data in JavaScript, for `imagxp.d.ts`.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
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
"#;
