import type { Insert, ReplayEntry } from "./core.js";

/**
 * A set of keys with expiry, shared by every isolate that verifies for a site (PROTOCOL §5, replay store contract).
 *
 * Insertion must be atomic across everything that shares the store, and a key must be kept until `entry.expiresAt` (milliseconds since
 * 1970). Every doubt must fail closed: answer `error`, or throw, rather than `fresh`; both are answered with 503.
 *
 * A Durable Object keeps this promise (`durableObjectReplayStore`). Workers KV does not: it is eventually consistent and has no
 * insert-if-absent, so that one nonce passes once in every data centre.
 */
export interface ReplayStore {
  insertIfAbsent(entry: ReplayEntry, now: number): Insert | Promise<Insert>;
}
