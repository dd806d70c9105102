// Provenance receipts for Web `Response`s: the body is hashed while it passes, and the receipt is a header where the whole body is here
// before the head of the answer has to go.

import { ContentHash, type Identity, Receipt } from "./core.js";

/** What a receipt speaks of. */
export interface ReceiptOf {
  url: string;
  traceId: string;
  agentId: string | null;
  origin: "HUMAN" | "SYNTHETIC" | "HYBRID";
}

export interface ReceiptOptions {
  of: ReceiptOf;
  identity: () => Identity;
  /** Signs where the key lives; without it the identity has the key. */
  sign: ((message: Uint8Array) => Promise<ArrayBuffer | Uint8Array>) | undefined;
  maxBody: number;
  onReceipt: ((headers: readonly (readonly [string, string])[], of: ReceiptOf) => void | Promise<void>) | undefined;
  keep: (promise: Promise<unknown>) => void;
}

const NO_TRANSFORM = /(?:^|,)\s*no-transform\s*(?:,|$)/i;

type Lines = readonly (readonly [string, string])[];

/**
 * Adds a receipt to a successful answer: as headers when its body is complete before anybody would have to wait for it, or has a
 * `Content-Length` of at most `maxBody`. Whatever else streams goes out as it comes, and its receipt to `onReceipt` at the end: `fetch`
 * has no trailers.
 */
export async function addReceipt(response: Response, options: ReceiptOptions): Promise<Response> {
  const { status, headers } = response;
  if (status < 200 || status > 299 || status === 204 || status === 206 || headers.has("x-imagxp-provenance") || response.bodyUsed) return response;
  // Which bytes such a body has on the wire only the platform knows: Cloudflare takes what the program gave for the content, and encodes it.
  if (!/^(?:identity)?$/i.test(headers.get("content-encoding") ?? "")) return response;
  if (response.body === null) return withLines(response, null, await signedOrNone(new ContentHash(), options));
  const hash = new ContentHash();
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const length = Number(headers.get("content-length") ?? Number.NaN);
  const waits = Number.isInteger(length) && length <= options.maxBody;
  const start = await begin(reader, hash, options.maxBody, waits);
  if (start.done) return withLines(response, stream(reader, start.pieces), await signedOrNone(hash, options));
  return withLines(response, stream(reader, start.pieces, start.next, hash, options), [], options.onReceipt !== undefined);
}

interface Start {
  pieces: Uint8Array[];
  done: boolean;
  /** A read that was begun and has not ended. */
  next?: Promise<ReadableStreamReadResult<Uint8Array>>;
}

/** Reads until the end, or until something would have to be waited for, or is too much. */
async function begin(reader: ReadableStreamDefaultReader<Uint8Array>, hash: ContentHash, most: number, waits: boolean): Promise<Start> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const next = reader.read();
    const result = waits ? await next : await Promise.race([next, aMoment()]);
    if (result === undefined) return { pieces, done: false, next };
    if (result.done) return { pieces, done: true };
    hash.update(result.value);
    size += result.value.byteLength;
    pieces.push(result.value);
    if (size > most) return { pieces, done: false };
  }
}

/** What is at hand comes before this; what is made by and by does not. */
function aMoment(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 0));
}

/** A body of the pieces that were read and of what comes after them. */
function stream(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  pieces: Uint8Array[],
  begun?: Promise<ReadableStreamReadResult<Uint8Array>>,
  hash?: ContentHash,
  options?: ReceiptOptions,
): ReadableStream<Uint8Array> {
  const waiting = [...pieces];
  let next = begun;
  let over = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = waiting.shift();
      if (piece !== undefined) return controller.enqueue(piece);
      if (hash === undefined || options === undefined) return controller.close();
      const result = await (next ?? reader.read());
      next = undefined;
      // Cancelled meanwhile: nobody has got the whole, and there is no receipt.
      if (over) return;
      if (!result.done) {
        hash.update(result.value);
        return controller.enqueue(result.value);
      }
      options.keep(hand(hash, options));
      controller.close();
    },
    async cancel(reason) {
      over = true;
      hash?.free();
      await reader.cancel(reason);
    },
  });
}

async function hand(hash: ContentHash, options: ReceiptOptions): Promise<void> {
  try {
    const lines = await signed(hash, options);
    await options.onReceipt?.(lines, options.of);
  } catch (error) {
    console.error("imagxp: the receipt of a stream was lost", error);
  }
}

/** None when signing fails, for the content is not to blame. */
async function signedOrNone(hash: ContentHash, options: ReceiptOptions): Promise<Lines> {
  try {
    return await signed(hash, options);
  } catch (error) {
    console.error("imagxp: an answer goes out without its receipt", error);
    return [];
  }
}

async function signed(hash: ContentHash, { of, identity, sign }: ReceiptOptions): Promise<Lines> {
  const { origin, traceId, agentId, url } = of;
  const receipt = new Receipt(url, hash.hex(), agentId === null ? { origin, traceId } : { origin, traceId, agentId });
  hash.free();
  try {
    if (sign === undefined) return receipt.sign(identity());
    const prepared = receipt.prepare(identity());
    try {
      return prepared.complete(new Uint8Array(await sign(prepared.message))) as Lines;
    } finally {
      prepared.free();
    }
  } finally {
    receipt.free();
  }
}

/** The answer with this body and these lines. `kept`: a receipt speaks of its bytes, which nobody behind us may compress. */
function withLines(response: Response, body: ReadableStream<Uint8Array> | null, lines: Lines, kept = lines.length > 0): Response {
  const answer = new Response(body, response);
  for (const [name, value] of lines) answer.headers.append(name, value);
  if (kept && !NO_TRANSFORM.test(answer.headers.get("cache-control") ?? "")) answer.headers.append("cache-control", "no-transform");
  return answer;
}
