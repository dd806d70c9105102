// Fetching what verdicts need into a publisher: one fetch in flight per URL, and a copy kept where other isolates find it.

import { Budget } from "./budget.js";
import type { Publisher } from "./core.js";
import { FetchFailed, type Fetched, JWKS, MANIFEST, fetchDocument } from "./fetch.js";

/** Where fetched manifests and key sets may be kept for other isolates: the shape of a Workers KV namespace. */
export interface DocumentStore {
  get(key: string): Promise<string | null>;
  put(key: string, value: string, options: { expirationTtl: number }): Promise<void>;
}

interface Kept {
  body: string;
  fetchedAt: number;
  maxAge: number | null;
}

// Cloudflare's shortest; a copy is used while it is fresh, which is less.
const MIN_TTL_S = 60;
const FRESH_S = 300;
const MAX_FRESH_S = 3600;
// How much longer than its deadline a fetch is waited for.
const GRACE_MS = 250;
const PREFIX = "imagxp:";

type Dated = Fetched & { fetchedAt: number };

interface Flight {
  ended: Promise<Dated>;
  /** When it is over, whatever becomes of it, by the budget's clock. */
  over: number;
}

export class Documents {
  readonly #flights = new Map<string, Flight>();

  constructor(
    private readonly fetcher: typeof fetch,
    private readonly store: DocumentStore | undefined,
    private readonly loopback: boolean,
    private readonly budget = new Budget(),
  ) {}

  /**
   * Gets a document and supplies it, or supplies that it could not be had; the next verdict tells. `again`: the kept copy was not enough.
   *
   * `keep` keeps a promise running when the request that began it ends: others may wait for the same one.
   */
  async supply(
    publisher: Publisher,
    need: { kind: string; url: string },
    again: boolean,
    keep: (promise: Promise<unknown>) => void,
  ): Promise<void> {
    const { url } = need;
    const copy = again ? undefined : await this.#kept(url);
    if (copy !== undefined) {
      const options = copy.maxAge === null ? { now: copy.fetchedAt } : { now: copy.fetchedAt, maxAge: copy.maxAge };
      if (accepted(() => publisher.supply(url, copy.body, options))) return;
    }
    try {
      const { body, maxAge, fetchedAt } = await this.#flight(url, need.kind === "jwks" ? JWKS : MANIFEST, keep);
      const options = maxAge === undefined ? { now: fetchedAt } : { now: fetchedAt, maxAge };
      if (accepted(() => publisher.supply(url, body, options))) keep(this.#keep(url, { body, maxAge, fetchedAt }));
    } catch (error) {
      const failure = error instanceof FetchFailed ? error.failure : "failed";
      console.warn(`imagxp: cannot use ${url}: ${error instanceof Error ? error.message : failure}`);
      publisher.supplyFailure(url, failure);
    }
  }

  async #flight(url: string, profile: typeof MANIFEST, keep: (promise: Promise<unknown>) => void): Promise<Dated> {
    const now = this.budget.clock();
    // What a platform has ended without a word.
    for (const [other, { over }] of this.#flights) if (over <= now) this.#flights.delete(other);
    const running = this.#flights.get(url);
    if (running !== undefined) return this.#waitFor(url, running, running.over - now);
    const most = profile.deadline + GRACE_MS;
    const giveBack = this.budget.take(new URL(url).host, most);
    const flight: Flight = {
      over: now + most,
      ended: fetchDocument(this.fetcher, url, profile, this.loopback)
        .then((fetched) => ({ ...fetched, fetchedAt: Date.now() }))
        .finally(() => {
          giveBack();
          if (this.#flights.get(url) === flight) this.#flights.delete(url);
        }),
    };
    this.#flights.set(url, flight);
    keep(flight.ended.catch(() => undefined));
    return flight.ended;
  }

  /** Waits for another request's fetch, but not for ever: a platform may end that request and its fetch with it. */
  async #waitFor(url: string, running: Flight, most: number): Promise<Dated> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        if (this.#flights.get(url) === running) this.#flights.delete(url);
        reject(new FetchFailed("busy", "another request's fetch has not ended"));
      }, most);
    });
    try {
      return await Promise.race([running.ended, tooLong]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #kept(url: string): Promise<Kept | undefined> {
    if (this.store === undefined) return undefined;
    try {
      const text = await this.store.get(PREFIX + url);
      if (text === null) return undefined;
      const kept = JSON.parse(text) as Kept;
      const fresh = Math.min(kept.maxAge ?? FRESH_S, MAX_FRESH_S) * 1000;
      const age = Date.now() - kept.fetchedAt;
      return typeof kept.body === "string" && age >= 0 && age < fresh ? kept : undefined;
    } catch (error) {
      console.warn("imagxp: the document store failed", error);
      return undefined;
    }
  }

  async #keep(url: string, fetched: Dated): Promise<void> {
    if (this.store === undefined || fetched.maxAge === 0) return;
    const kept: Kept = { body: new TextDecoder().decode(fetched.body), fetchedAt: fetched.fetchedAt, maxAge: fetched.maxAge ?? null };
    const ttl = Math.max(MIN_TTL_S, Math.min(fetched.maxAge ?? FRESH_S, MAX_FRESH_S));
    try {
      await this.store.put(PREFIX + url, JSON.stringify(kept), { expirationTtl: ttl });
    } catch (error) {
      console.warn("imagxp: the document store failed", error);
    }
  }
}

/** Whether the publisher took the document; a refused one is recorded as a failure, and the verdict tells. */
function accepted(supply: () => void): boolean {
  try {
    supply();
    return true;
  } catch (error) {
    console.warn("imagxp: a document was refused", error instanceof Error ? error.message : error);
    return false;
  }
}
