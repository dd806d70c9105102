// The body of a request whose digest the agent has signed: it is read before the application reads it.

import { readAtMost } from "./fetch.js";

/** The body, unless it is longer than `most` or somebody has read it, and the request for whoever reads it next. One without has an empty one. */
export type ReadBody = (request: Request, most: number) => Promise<{ body: Uint8Array | undefined; request: Request }>;

/** Takes the request's own body: the request that comes back has it. */
export const taken: ReadBody = async (request, most) => {
  if (request.bodyUsed) return { body: undefined, request };
  if (request.body === null) return { body: new Uint8Array(), request };
  const [read, kept] = request.body.tee();
  const body = await readAtMost(read, most);
  return { body, request: new Request(request, { body: kept, duplex: "half" } as RequestInit) };
};

/** Reads a copy, and the caller's request stays whole. What is not read of the copy is let go: of a long body nothing is kept. */
export const copied: ReadBody = async (request, most) => {
  if (request.bodyUsed) return { body: undefined, request };
  return { body: await readAtMost((request.clone() as Request).body, most), request };
};
