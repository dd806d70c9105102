// Fetching one document by PROTOCOL §4's rules, as far as a host's `fetch` lets us: https only, no redirects, one deadline over the whole
// exchange, a limit on the body while it is read, no content coding. Which address a name resolves to is the host's business.

import "./init.js";
import { maxAge } from "../generated/imagxp.js";

/** Why there is no document; the names that `Publisher.supplyFailure` takes. */
export type Failure = "failed" | "not_found" | "redirect" | "busy" | "invalid";

export interface Fetched {
  body: Uint8Array;
  /** What `Cache-Control` says, in seconds. */
  maxAge: number | undefined;
}

/** A kind of document: how long it may take, in milliseconds, and how many bytes it may have. */
export interface Profile {
  deadline: number;
  maxBytes: number;
}

export const MANIFEST: Profile = { deadline: 1500, maxBytes: 64 * 1024 };
export const JWKS: Profile = { deadline: 3000, maxBytes: 64 * 1024 };

export class FetchFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure, message: string) {
    super(message);
    this.failure = failure;
  }
}

/** Fetches, or throws `FetchFailed`. `loopback`: plain http is allowed to this machine, for development. */
export async function fetchDocument(fetcher: typeof fetch, url: string, profile: Profile, loopback: boolean): Promise<Fetched> {
  const target = new URL(url);
  const local = loopback && target.protocol === "http:" && ["localhost", "127.0.0.1"].includes(target.hostname);
  if (target.protocol !== "https:" && !local) throw new FetchFailed("failed", "only https is fetched from");
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new FetchFailed("failed", `no answer within ${profile.deadline} ms`));
      controller.abort();
    }, profile.deadline);
  });
  const exchange = exchanged(fetcher, url, profile, controller.signal);
  // Whichever comes second must not be an unhandled rejection.
  exchange.catch(() => undefined);
  deadline.catch(() => undefined);
  try {
    return await Promise.race([exchange, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

async function exchanged(fetcher: typeof fetch, url: string, profile: Profile, signal: AbortSignal): Promise<Fetched> {
  let response: Response;
  try {
    const headers = { accept: "application/json", "accept-encoding": "identity" };
    response = await fetcher(url, { redirect: "manual", headers, signal });
  } catch (error) {
    throw new FetchFailed("failed", error instanceof Error ? error.message : "the fetch failed");
  }
  const { status } = response;
  const refuse = async (failure: Failure, message: string): Promise<never> => {
    await response.body?.cancel().catch(() => undefined);
    throw new FetchFailed(failure, message);
  };
  // A browser's opaque redirect has the status 0.
  if (response.type === "opaqueredirect" || response.redirected || (status >= 300 && status < 400)) return refuse("redirect", `status ${status}`);
  if (status === 404 || status === 410) return refuse("not_found", `status ${status}`);
  if (status >= 500 || status === 429) return refuse("failed", `status ${status}`);
  if (status !== 200) return refuse("invalid", `status ${status}`);
  const coding = response.headers.get("content-encoding");
  if (coding !== null && coding !== "identity") return refuse("invalid", "the answer has a content coding");
  const body = await readAtMost(response.body, profile.maxBytes);
  if (body === undefined) throw new FetchFailed("invalid", `more than ${profile.maxBytes} bytes`);
  return { body, maxAge: maxAge(response.headers.get("cache-control") ?? "") };
}

/** The whole stream, or nothing when it is longer; the rest is then not read. */
export async function readAtMost(stream: ReadableStream<Uint8Array> | null, most: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (stream === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concatenated(pieces, size);
    size += value.byteLength;
    if (size > most) {
      // Not waited for: one half of a `tee` is cancelled when the other one is.
      void reader.cancel().catch(() => undefined);
      return undefined;
    }
    pieces.push(value);
  }
}

export function concatenated(pieces: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}
