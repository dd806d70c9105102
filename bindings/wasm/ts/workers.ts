// Cloudflare Workers: `export default withImagxp({ fetch }, options)`.

import type { Insert, ReplayEntry, Verdict } from "./core.js";
import { Verifier, type VerifierOptions } from "./verifier.js";
import type { ReplayStore } from "./replay.js";

export * from "./index.js";

/** What Cloudflare gives a Worker beside the request. */
export interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}
/** A Worker; the verdict comes as the last argument, and is `verdictOf(request)`. */
export interface Worker<Env> {
  fetch(request: Request, env: Env, context: ExecutionContext, verdict: Verdict): Response | Promise<Response>;
}

/**
 * Verifies every request before the Worker sees it. The options may be a function of the environment, where secrets and bindings are; it is
 * called once in an isolate.
 */
export function withImagxp<Env extends object, Handlers extends Worker<Env>>(
  handlers: Handlers,
  options: VerifierOptions | ((env: Env) => VerifierOptions),
): Omit<Handlers, "fetch"> & { fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> } {
  let verifier: Verifier | undefined;
  return {
    ...handlers,
    async fetch(request, env, context) {
      verifier ??= new Verifier(typeof options === "function" ? options(env) : options);
      return verifier.handle(request, (passed, verdict) => handlers.fetch(passed, env, context, verdict), context);
    },
  };
}

/** As much of a Durable Object namespace as is used here. */
export interface ReplayNamespace {
  idFromName(name: string): unknown;
  // `any`: Cloudflare's own type of ids cannot be named here.
  get(id: any): { fetch(url: string, init: RequestInit): Promise<Response> };
}

/**
 * A replay store in Durable Objects of the class `ImagxpReplay`: one place in the world decides about each nonce, atomically.
 *
 * `shards`: how many objects share the work; an object answers about a thousand requests a second. It must never be changed while claims are
 * alive: a nonce would be looked for in another object.
 */
export function durableObjectReplayStore(namespace: ReplayNamespace, { shards = 1 } = {}): ReplayStore {
  return {
    async insertIfAbsent(entry, now) {
      const shard = Number.parseInt(entry.key.slice(0, 8), 16) % shards;
      const stub = namespace.get(namespace.idFromName(`imagxp-replay-${shard}`));
      const response = await stub.fetch("https://replay/", { method: "POST", body: JSON.stringify({ entry, now }) });
      if (!response.ok) throw new Error(`the Durable Object answered ${response.status}`);
      const { answer } = (await response.json()) as { answer: Insert };
      return answer;
    },
  };
}

/** As much of a Durable Object's state as is used here. */
export interface ReplayState {
  storage: {
    sql: { exec(query: string, ...bindings: unknown[]): { toArray(): Record<string, unknown>[]; readonly rowsWritten: number } };
    setAlarm(time: number): Promise<void>;
    getAlarm(): Promise<number | null>;
  };
}

const MAX_ENTRIES = 1_000_000;
const MAX_PER_AGENT = 200_000;
const SWEEP_MS = 60_000;
// Entries stay this much longer than they must: the object's clock is not the verifier's.
const KEEP_MS = 300_000;

/**
 * The Durable Object that remembers nonces; export it from the Worker, and bind it as a class with SQLite storage. Nothing that is alive is
 * ever forgotten: what does not fit any more is refused with `full`.
 */
export class ImagxpReplay {
  readonly #storage: ReplayState["storage"];

  constructor(state: ReplayState) {
    this.#storage = state.storage;
    const { sql } = state.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS nonces (key TEXT PRIMARY KEY, agent TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID");
    sql.exec("CREATE INDEX IF NOT EXISTS nonces_by_expiry ON nonces (expires_at)");
    sql.exec("CREATE TABLE IF NOT EXISTS agents (agent TEXT PRIMARY KEY, held INTEGER NOT NULL) WITHOUT ROWID");
  }

  async fetch(request: Request): Promise<Response> {
    const { entry } = (await request.json()) as { entry: ReplayEntry };
    const answer = this.#insert(entry);
    if (answer === "fresh" && (await this.#storage.getAlarm()) === null) await this.#storage.setAlarm(Date.now() + SWEEP_MS);
    return Response.json({ answer });
  }

  /** Nothing waits in here, and an object does one thing at a time: that is what makes it atomic. */
  #insert({ key, agent, expiresAt }: ReplayEntry): Insert {
    const { sql } = this.#storage;
    if (sql.exec("SELECT 1 FROM nonces WHERE key = ?", key).toArray().length > 0) return "seen";
    const held = (query: string, ...values: unknown[]): number => Number(sql.exec(query, ...values).toArray()[0]?.["held"] ?? 0);
    if (held("SELECT held FROM agents WHERE agent = ?", agent) >= MAX_PER_AGENT) return "full";
    if (held("SELECT held FROM agents WHERE agent = ''") >= MAX_ENTRIES) return "full";
    sql.exec("INSERT INTO nonces (key, agent, expires_at) VALUES (?, ?, ?)", key, agent, expiresAt);
    for (const counted of [agent, ""]) {
      sql.exec("INSERT INTO agents (agent, held) VALUES (?, 1) ON CONFLICT (agent) DO UPDATE SET held = held + 1", counted);
    }
    return "fresh";
  }

  async alarm(): Promise<void> {
    const { sql } = this.#storage;
    const before = Date.now() - KEEP_MS;
    const gone = sql.exec("SELECT agent, COUNT(*) AS held FROM nonces WHERE expires_at < ? GROUP BY agent", before).toArray();
    sql.exec("DELETE FROM nonces WHERE expires_at < ?", before);
    for (const { agent, held } of gone) {
      for (const counted of [agent, ""]) sql.exec("UPDATE agents SET held = held - ? WHERE agent = ?", held, counted);
    }
    sql.exec("DELETE FROM agents WHERE held <= 0");
    if (sql.exec("SELECT 1 FROM nonces LIMIT 1").toArray().length > 0) await this.#storage.setAlarm(Date.now() + SWEEP_MS);
  }
}
