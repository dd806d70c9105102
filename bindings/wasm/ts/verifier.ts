// One verdict per Web `Request`. The adapters are this with the manners of their platforms.

import {
  type Identity,
  type Insert,
  Manifest,
  type Need,
  Policy,
  Publisher,
  type PublisherOptions,
  type Redemption,
  type ReplayEntry,
  type Verdict,
  type Verification,
  contentDigest,
} from "./core.js";
import { type ReadBody, copied, taken } from "./body.js";
import { Documents } from "./documents.js";
import { ImagxpError } from "./errors.js";
import { apart, bytes } from "./headers.js";
import { readIdentity } from "./identity.js";
import { generation } from "./instance.js";
import { type VerifierOptions, check } from "./options.js";
import { type ReceiptOf, addReceipt } from "./receipt.js";
import { servedUrl, targetOf } from "./target.js";

export type { SiteIdentity } from "./identity.js";
export type { OnFeedback, OnReceipt, OnVisa, Redeem, VerifierOptions } from "./options.js";

/** Where the public policy is served. */
export const WELL_KNOWN_PATH = "/.well-known/imagxp-policy.json";
/** Where the site's own manifest is served. */
const MANIFEST_PATH = "/.well-known/imagxp-agent.json";

/** Answers a request that may pass. In Bun a request that was upgraded has no answer. */
export type Next<Answer extends Response | undefined = Response> = (request: Request, verdict: Verdict) => Answer | Promise<Answer>;

/** What a platform offers beside the request. */
export interface Context {
  /** Keeps a promise running when the answer has been given. */
  waitUntil?(promise: Promise<unknown>): void;
  /** The address that the request came from, where the platform tells: a policy with `allow_loopback` is for loopback only. */
  remoteAddress?: string | undefined;
}

// Manifest, key set, redemption; a refresh may ask for one of the first two again.
const MAX_FETCHES = 6;
// A visa of many uses asks its store once for each use that this isolate does not know of.
const MAX_INSERTIONS = 128;
const VERDICT_PREFIX = "x-imagxp-verdict-";
const FEEDBACK = "x-imagxp-feedback";
const WEBSOCKET = /(?:^|,)\s*websocket\s*(?:,|$)/i;

/** What lives in one instance of the module. */
interface Site {
  generation: number;
  publisher: Publisher;
  identity: Identity | undefined;
}

const verdicts = new WeakMap<Request, Verdict>();

/** The verdict on a request that a verifier has let pass. */
export function verdictOf(request: Request): Verdict | undefined {
  return verdicts.get(request);
}

/** A site that verifies its readers: one for each policy and isolate. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #documents: Documents;
  readonly #policy: { public: string; allowLoopback: boolean; contentOrigin: string | undefined; origins: string[] };
  /** One for each host. As text: it outlives the instance that has made it. */
  readonly #manifests: readonly OwnManifest[];
  #site: Site | undefined;

  /** Throws `usage.policy` or `usage.argument` at once for a policy or options that cannot work. */
  constructor(options: VerifierOptions) {
    check(options);
    this.#options = options;
    const policy = Policy.fromJson(options.policy);
    const { allowLoopback, contentOrigin, origins } = policy;
    this.#policy = { public: policy.publicJson(), allowLoopback, contentOrigin, origins };
    policy.free();
    if (options.identity !== undefined && contentOrigin === undefined) {
      throw new ImagxpError("usage.argument", "receipts say who made the content: give the policy a provenance.origin");
    }
    if (options.identity !== undefined) readIdentity(options.identity).free();
    this.#manifests = [options.manifest ?? []].flat().map((one: Manifest) => ({ agentId: one.agentId, document: one.toJson() }));
    // Bound here: a platform's `fetch` must not be called as a method of ours.
    const fetcher = options.fetch ?? ((input, init) => fetch(input, init));
    this.#documents = new Documents(fetcher, options.documents, allowLoopback);
  }

  /** Verifies one request: fetches and asks what the verdict needs. The request's body is not touched; throws only what is a bug. */
  async verifyRequest(request: Request, context: Context = {}): Promise<Verdict> {
    const { verdict } = await this.#judge(request, context, copied);
    return verdict;
  }

  /**
   * Answers one request: the public policy, the site's manifest, a refusal, or what `next` answers, with the verdict's headers and a receipt.
   *
   * `next` gets a copy of the request, whose headers it may change, without `x-imagxp-verdict-*`, which only we may say. A request for a WebSocket
   * (`Upgrade: websocket`) without any of those comes as the platform's own, which can be upgraded; its headers may be read-only.
   */
  async handle<Answer extends Response | undefined = Response>(request: Request, next: Next<Answer>, context: Context = {}): Promise<Answer | Response> {
    const head = request.method === "HEAD";
    const { pathname, hostname, host } = new URL(request.url);
    if ((request.method === "GET" || head) && pathname === WELL_KNOWN_PATH) return this.#servePolicy(head);
    let judged: Judged;
    let extra: [string, string][];
    try {
      // With a port only where the agent's name has one.
      const named = (name: string): OwnManifest | undefined => this.#manifests.find(({ agentId }) => agentId === name);
      const manifest = named(host) ?? named(hostname) ?? this.#manifests[0];
      if (manifest !== undefined && pathname === MANIFEST_PATH) return this.#serveManifest(request, manifest);
      judged = await this.#judge(request, context, taken);
      extra = await this.#takeFeedback(judged.request, judged.verdict, context);
    } catch (error) {
      // Whatever it is, it must not become a way in.
      console.error("imagxp: the verification failed", error);
      return refusal(500, internal(error), [], head);
    }
    const { verdict } = judged;
    let headers = [...verdict.responseHeaders, ...extra];
    if (!verdict.isAllowed) {
      const isReader = verdict.visitor === "unsigned_browser" || verdict.visitor === "unsigned_client";
      if (!(isReader && pathname === "/robots.txt" && (request.method === "GET" || head))) {
        return refusal(verdict.http, verdict.body ?? "", headers, head);
      }
      // Rules that nobody may read bind nobody (RFC 9309 §2.3.1.3).
      headers = extra;
    }
    const passed = stripped(judged.request);
    verdicts.set(passed, verdict);
    const answer = await next(passed, verdict);
    if (answer === undefined) return answer;
    return this.#receipt(request, verdict, withHeaders(answer, headers), context);
  }

  /** `read` is how a body is read whose digest was signed; of any other nothing is touched. */
  async #judge(request: Request, context: Context, read: ReadBody): Promise<Judged> {
    const { publisher } = this.#current();
    const url = new URL(request.url);
    if (this.#policy.allowLoopback && (!["localhost", "127.0.0.1", "[::1]"].includes(url.hostname) || isOutside(context.remoteAddress))) {
      throw new ImagxpError("usage.policy", "the policy has allow_loopback, which is for development; this is another host");
    }
    const target = targetOf(request.url);
    const verification = publisher.verify(request.method, target, request.headers);
    // The check of the digest comes before anything is spent, so the request can be verified again with it. It also comes before the
    // signature: a stranger can make us hold `maxBody` bytes for as long as the platform lets a body take.
    if (verification.verdict.code === "claim.digest_mismatch") {
      verification.pending?.free();
      const { body, request: again } = await read(request, this.#options.maxBody ?? 1024 * 1024);
      // A body that is not held has no digest: then the refusal is final, and the audit log gets it.
      const bodyDigest = body === undefined ? "" : contentDigest(body);
      const verdict = await this.#complete(again, publisher.verify(request.method, target, request.headers, { bodyDigest }), context);
      return { verdict, request: again };
    }
    return { verdict: await this.#complete(request, verification, context), request };
  }

  /** Fetches and asks what the verdict needs until it needs nothing more. */
  async #complete(request: Request, first: Verification, context: Context): Promise<Verdict> {
    const { publisher } = this.#current();
    const fetched = new Set<string>();
    let verification = first;
    let fetches = 0;
    let insertions = 0;
    let asked = false;
    while (verification.pending !== undefined) {
      const { pending, verdict } = verification;
      try {
        const insertion = pending.insertion;
        if (insertion !== undefined) {
          if (++insertions > MAX_INSERTIONS) return verdict;
          pending.inserted(await this.#insert(insertion));
        } else if (++fetches > MAX_FETCHES) {
          return verdict;
        } else {
          for (const need of verdict.needs) {
            if (need.kind === "redeem") {
              asked = true;
              pending.redeemed(await this.#redeem(need, request, verdict));
            } else await this.#documents.supply(publisher, need, fetched.has(need.url), (promise) => context.waitUntil?.(promise));
            fetched.add(need.url);
          }
        }
        verification = publisher.resume(pending);
      } finally {
        pending.free();
      }
    }
    if (!asked) await this.#present(request, verification.verdict, context);
    return verification.verdict;
  }

  /** Hands on a visa that was taken without asking its broker. The request has been decided; what fails here is the site's loss. */
  async #present(request: Request, verdict: Verdict, context: Context): Promise<void> {
    const { onVisa } = this.#options;
    if (onVisa === undefined || !verdict.isAllowed || verdict.payment.state !== "visa") return;
    const hand = async (): Promise<void> => onVisa(this.#current().publisher.presented(verdict, request.headers), verdict);
    const handed = hand().catch((error: unknown) => console.error("imagxp: a visa was not taken, and is not redeemed", error));
    if (context.waitUntil === undefined) await handed;
    else context.waitUntil(handed);
  }

  async #insert(entry: ReplayEntry): Promise<Insert> {
    const store = this.#options.replayStore;
    if (store === undefined) return "error";
    try {
      const answer: unknown = await store.insertIfAbsent(entry, Date.now());
      if (answer === "fresh" || answer === "seen" || answer === "full" || answer === "error") return answer;
      console.error("imagxp: the replay store gave another answer than fresh, seen, full or error");
    } catch (error) {
      console.error("imagxp: the replay store failed", error);
    }
    return "error";
  }

  async #redeem(need: Need, request: Request, verdict: Verdict): Promise<Redemption> {
    if (this.#options.redeem === undefined) return "unavailable";
    try {
      const presented = this.#current().publisher.presented(verdict, request.headers);
      const answer: unknown = await this.#options.redeem(need, presented.visa, presented, verdict);
      if (answer === "accepted" || answer === "refused" || answer === "unavailable") return answer;
      console.error("imagxp: redeem gave another answer than accepted, refused or unavailable");
    } catch (error) {
      console.error("imagxp: asking the broker failed", error);
    }
    return "unavailable";
  }

  /** What came in `x-imagxp-feedback`. It never decides about the request that carries it. */
  async #takeFeedback(request: Request, carrier: Verdict, context: Context): Promise<[string, string][]> {
    const given = request.headers.get(FEEDBACK);
    // Two lines of it are a refusal already.
    if (this.#options.onFeedback === undefined || given === null || apart(FEEDBACK, given).length !== 1) return [];
    const value = bytes(given);
    const { publisher } = this.#current();
    let taken = publisher.feedback(value, { carrier });
    for (const need of taken.verdict.needs.filter((need) => need.kind === "manifest")) {
      await this.#documents.supply(publisher, need, false, (promise) => context.waitUntil?.(promise));
      taken = publisher.feedback(value, { carrier });
    }
    if (taken.insertion !== undefined) {
      taken = publisher.feedback(value, { carrier, inserted: [taken.insertion, await this.#insert(taken.insertion)] });
    }
    let status = taken.verdict.code ?? "accepted";
    if (taken.feedback !== null) {
      try {
        await this.#options.onFeedback(taken.feedback, taken.verdict);
      } catch (error) {
        console.error("imagxp: taking feedback failed", error);
        status = "internal.invariant";
      }
    }
    return [["x-imagxp-feedback-status", status]];
  }

  async #receipt(request: Request, verdict: Verdict, response: Response, context: Context): Promise<Response> {
    const { identity: signer, maxReceiptBody, onReceipt } = this.#options;
    const origin = this.#policy.contentOrigin;
    const url = servedUrl(this.#policy.origins, request.url, verdict.resource);
    if (signer === undefined || origin === undefined || url === undefined || request.method === "HEAD") return response;
    // Only on the host whose manifest has our key.
    const { hostname, host } = new URL(url);
    if (![hostname, host].includes(signer.agentId)) return response;
    return addReceipt(response, {
      of: { url, traceId: verdict.traceId, agentId: verdict.agentId, origin: origin as ReceiptOf["origin"] },
      identity: () => this.#current().identity as Identity,
      sign: "sign" in signer ? signer.sign : undefined,
      maxBody: maxReceiptBody ?? 1024 * 1024,
      onReceipt,
      keep: (promise) => context.waitUntil?.(promise),
    });
  }

  #servePolicy(head: boolean): Response {
    const headers = { "content-type": "application/json", "cache-control": "public, max-age=300", "access-control-allow-origin": "*" };
    return new Response(head ? null : this.#policy.public, { headers });
  }

  #serveManifest(request: Request, { agentId, document }: OwnManifest): Response {
    const manifest = Manifest.parse(document, agentId, { allowLoopback: true });
    try {
      const { status, headers, body } = manifest.response(request.method, MANIFEST_PATH, request.headers.get("if-none-match") ?? undefined);
      // A status like 304 allows no body, not even an empty one.
      return new Response(body === "" ? null : body, { status, headers });
    } finally {
      manifest.free();
    }
  }

  /** What lives in the instance; made when the first request comes, since Cloudflare has no entropy before, and again after a trap. */
  #current(): Site {
    if (this.#site === undefined || this.#site.generation !== generation()) {
      const { secret, customPolicy, limits, audit, maxReplayEntries, identity } = this.#options;
      const replay = this.#options.replayStore === undefined ? "memory" : "later";
      const policy = Policy.fromJson(this.#options.policy);
      const options = { secret, customPolicy, limits, audit, maxReplayEntries, replay } as PublisherOptions;
      const publisher = new Publisher(policy, options);
      policy.free();
      this.#site = { generation: generation(), publisher, identity: identity && readIdentity(identity) };
    }
    return this.#site;
  }
}

interface OwnManifest {
  agentId: string;
  document: string;
}

interface Judged {
  verdict: Verdict;
  /** The request with its body, which may have been read meanwhile. */
  request: Request;
}

/** Whether it is an address that is not loopback; a Unix socket has none. */
function isOutside(address: string | undefined): boolean {
  return typeof address === "string" && !/^(?:::ffff:)?127\.|^::1$/.test(address);
}

/** The request, in which only we speak of verdicts. */
function stripped(request: Request): Request {
  const names = [...request.headers.keys()].filter((name) => name.replaceAll("_", "-").startsWith(VERDICT_PREFIX));
  // The very object: no other can be upgraded to a WebSocket. Of any other request a handler may change the headers.
  if (names.length === 0 && WEBSOCKET.test(request.headers.get("upgrade") ?? "")) return request;
  const passed = new Request(request);
  for (const name of names) passed.headers.delete(name);
  return passed;
}

function withHeaders(response: Response, headers: readonly (readonly [string, string])[]): Response {
  if (headers.length === 0 || response.status === 101) return response;
  try {
    for (const [name, value] of headers) response.headers.append(name, value);
    return response;
  } catch {
    // What was fetched is immutable.
    const copy = new Response(response.body, response);
    for (const [name, value] of headers) copy.headers.append(name, value);
    return copy;
  }
}

function refusal(status: number, body: string, headers: readonly (readonly [string, string])[], head: boolean): Response {
  const response = new Response(head ? null : body, { status, headers: { "content-type": "application/json" } });
  return withHeaders(response, headers);
}

function internal(error: unknown): string {
  const code = error instanceof ImagxpError && error.code === "internal.panic" ? error.code : "internal.invariant";
  const message = "something went wrong here; the request was not judged";
  return JSON.stringify({ error: { code, message, retry: "new_nonce" } });
}
