// What a verifier is made of.

import { Manifest, type Need, type Presented, type PublisherOptions, type Redemption, type TakenFeedback, type Verdict } from "./core.js";
import type { DocumentStore } from "./documents.js";
import { ImagxpError } from "./errors.js";
import type { SiteIdentity } from "./identity.js";
import type { ReceiptOf } from "./receipt.js";
import type { ReplayStore } from "./replay.js";

/**
 * Asks a broker about a visa: gets the need (its `url` is the broker's), the visa, and what a broker wants to see of the request, since a visa that is
 * bound to a key counts only with what the key has signed: `{"visas":[presented]}` is the body to POST. A broker pays each host by its own name: of a
 * policy with several it is that of `verdict.resource` whose identity signs.
 */
export type Redeem = (need: Need, visa: string, presented: Presented, verdict: Verdict) => Promise<Redemption>;
/**
 * Takes what a broker wants to see of a request that was let in with a visa without asking (`check: offline`): who lets it in has to redeem it
 * soon, or is never paid. `{"visas":[presented, …]}`, a thousand at most, is the body to POST.
 */
export type OnVisa = (presented: Presented, verdict: Verdict) => void | Promise<void>;
/** Takes feedback that holds, and the verdict on it, which names the agent. */
export type OnFeedback = (feedback: TakenFeedback, verdict: Verdict) => void | Promise<void>;
/** Takes the receipt of an answer that had gone out before its hash was known. */
export type OnReceipt = (headers: readonly (readonly [string, string])[], of: ReceiptOf) => void | Promise<void>;

export interface VerifierOptions extends Omit<PublisherOptions, "replay"> {
  /** The policy document: JSON, or an object. */
  policy: string | object;
  /** Where nonces are remembered: in this isolate unless given. A shared store needs a shared `secret`. */
  replayStore?: ReplayStore;
  /** What fetches manifests and key sets: the platform's `fetch` unless given. */
  fetch?: typeof fetch;
  /** Keeps fetched documents for other isolates, for example a Workers KV namespace. */
  documents?: DocumentStore;
  /** Asks brokers where the policy says `check: redeem`; without it such visas are answered with 503. */
  redeem?: Redeem;
  /** Takes the other visas (`check: offline`), which are yours to redeem. */
  onVisa?: OnVisa;
  /** Signs a receipt for each successful answer; the policy has to name the content's origin (`provenance.origin`). */
  identity?: SiteIdentity;
  /**
   * The site's own manifest, served to anybody at `/.well-known/imagxp-agent.json`: who checks a receipt, and the broker that pays, need it. A site
   * with several hosts gives an array with one for each: the request's host chooses, and the first is for every other. Without the option that path is
   * guarded like every other.
   */
  manifest?: Manifest | readonly Manifest[];
  onReceipt?: OnReceipt;
  onFeedback?: OnFeedback;
  /** How many bytes are held of a body whose digest the agent has signed: 1 MiB unless given. */
  maxBody?: number;
  /** How many bytes of an answer may wait for its receipt: 1 MiB unless given. */
  maxReceiptBody?: number;
}

type Kind = readonly [is: (value: unknown) => boolean, what: string];

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isOne: Kind = [(value) => typeof value === "function", "a function"];
const count = (most: number): Kind => [(value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most, "a whole number"];
/** What a platform binds may be a function, or a proxy of one. */
const having = (...methods: string[]): Kind => [
  (value) => (isObject(value) || typeof value === "function") && methods.every((name) => typeof (value as Record<string, unknown>)[name] === "function"),
  `an object with ${methods.join(" and ")}`,
];
/** An object that has no other members than these. */
const only = (...names: string[]): Kind => [
  (value) => isObject(value) && Object.keys(value).every((name) => names.includes(name)),
  `an object of ${names.join(", ")}`,
];

/** Each option there is, so that one that is misspelt shows, and does not fall back to a default. */
const KINDS: Record<keyof VerifierOptions, Kind> = {
  policy: [(value) => typeof value === "string" || isObject(value), "a policy document"],
  replayStore: having("insertIfAbsent"),
  secret: [isSecret, "16 bytes, or 32 hex digits"],
  maxReplayEntries: count(0xffff_ffff),
  customPolicy: isOne,
  limits: only("payloadHeader", "keyHeader", "token", "headerLines", "headerBytes", "string", "resource", "manifest", "directory"),
  audit: isOne,
  fetch: isOne,
  documents: having("get", "put"),
  redeem: isOne,
  onVisa: isOne,
  identity: only("agentId", "allowLoopback", "privateKey", "publicKey", "sign"),
  manifest: [isManifests, "a Manifest, or an array of them"],
  onReceipt: isOne,
  onFeedback: isOne,
  maxBody: count(Number.MAX_SAFE_INTEGER),
  maxReceiptBody: count(Number.MAX_SAFE_INTEGER),
};

/** Throws `usage.argument` for what is no option, and for one of another kind. */
export function check(options: VerifierOptions): void {
  if (!isObject(options)) throw wrong("a verifier needs its options: at least a policy");
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(KINDS, name)) throw wrong(`there is no option \`${name}\``);
    const [is, what] = KINDS[name as keyof VerifierOptions];
    if (value !== undefined && !is(value)) throw wrong(`\`${name}\` is not ${what}`);
  }
  const { identity, limits, replayStore, secret } = options;
  for (const [name, size] of Object.entries(limits ?? {})) {
    if (size !== undefined && !count(0xffff_ffff)[0](size)) throw wrong(`\`limits.${name}\` is not a whole number`);
  }
  if (identity !== undefined && "sign" in identity && typeof identity.sign !== "function") throw wrong("`identity.sign` is not a function");
  if (replayStore !== undefined && secret === undefined) {
    throw wrong("a shared replay store needs a shared `secret` of 16 bytes");
  }
}

/** One, or some. */
function isManifests(value: unknown): boolean {
  const given = [value].flat();
  return given.length > 0 && given.every((one) => one instanceof Manifest);
}

/** Bytes, or text: what is configured is text. */
function isSecret(value: unknown): boolean {
  if (typeof value === "string") return /^[0-9a-f]{32}$/i.test(value) || new TextEncoder().encode(value).length === 16;
  return value instanceof Uint8Array && value.length === 16;
}

function wrong(message: string): ImagxpError {
  return new ImagxpError("usage.argument", message);
}
