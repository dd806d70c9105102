// How much may be asked of the network, and of one host, by PROTOCOL §4's bounds.

import { FetchFailed } from "./fetch.js";

const MAX_IN_FLIGHT = 32;
const MAX_PER_SECOND = 50;
const MAX_PER_HOST = 2;
const MINUTE_MS = 60_000;
// More than can be begun in a minute, so that no stranger's names push another's count out.
const MAX_HOSTS = 4096;

/** Counts of what is under way and of what was begun; `clock` tells milliseconds. */
export class Budget {
  /** When each exchange is over, whatever becomes of it. */
  readonly #ends = new Set<{ at: number }>();
  /** When each host was asked, the one that was asked last at the end. */
  readonly #hosts = new Map<string, number[]>();
  #tokens = MAX_PER_SECOND;
  #filledAt = Number.NEGATIVE_INFINITY;

  constructor(readonly clock: () => number = () => performance.now()) {}

  /**
   * Takes one exchange with a host, which has `most` milliseconds; what it gives is called when the exchange has ended. Throws `FetchFailed`
   * (`busy`) when there is none left.
   */
  take(host: string, most: number): () => void {
    const now = this.clock();
    // A platform may end a request, and never say what became of its fetch.
    for (const end of this.#ends) if (end.at <= now) this.#ends.delete(end);
    if (this.#ends.size >= MAX_IN_FLIGHT) throw busy(`${MAX_IN_FLIGHT} fetches are in flight`);
    this.#refill(now);
    if (this.#tokens < 1) throw busy(`${MAX_PER_SECOND} fetches were begun in the last second`);
    const begun = (this.#hosts.get(host) ?? []).filter((at) => isRecent(at, now));
    if (begun.length >= MAX_PER_HOST) throw busy(`${host} was asked ${MAX_PER_HOST} times in the last minute`);
    this.#tokens -= 1;
    this.#count(host, [...begun, now], now);
    const end = { at: now + most };
    this.#ends.add(end);
    return () => void this.#ends.delete(end);
  }

  /** How many hosts are remembered. */
  get hosts(): number {
    return this.#hosts.size;
  }

  /** A bucket: what a second may have at once, and then one each 20 ms. */
  #refill(now: number): void {
    const gained = Math.max(0, now - this.#filledAt) * (MAX_PER_SECOND / 1000);
    this.#tokens = Math.min(MAX_PER_SECOND, this.#tokens + gained);
    this.#filledAt = now;
  }

  #count(host: string, begun: number[], now: number): void {
    this.#hosts.delete(host);
    this.#hosts.set(host, begun);
    for (const [other, times] of this.#hosts) {
      if (this.#hosts.size <= MAX_HOSTS && times.some((at) => isRecent(at, now))) return;
      this.#hosts.delete(other);
    }
  }
}

/** A clock that steps back makes what was begun after it count no more. */
function isRecent(at: number, now: number): boolean {
  return at <= now && now - at < MINUTE_MS;
}

function busy(message: string): FetchFailed {
  return new FetchFailed("busy", message);
}
