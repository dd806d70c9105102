// Deno: `Deno.serve(withImagxp(handler, options))`. Anything else whose handler takes a Web `Request` (Bun, edge functions) fits as well.

import type { Verdict } from "./core.js";
import { Verifier, type VerifierOptions } from "./verifier.js";

export * from "./index.js";

/**
 * Verifies every request before the handler sees it; the verdict comes as the last argument, and is `verdictOf(request)`. With a policy that
 * has `allow_loopback`, requests that come from another machine are refused, where `info.remoteAddr` tells.
 *
 * The handler may upgrade a request for a WebSocket (in Bun it then answers nothing), unless its client has sent `x-imagxp-verdict-*`.
 */
export function withImagxp<Info = unknown, Answer extends Response | undefined = Response>(
  handler: (request: Request, info: Info, verdict: Verdict) => Answer | Promise<Answer>,
  options: VerifierOptions,
): (request: Request, info: Info) => Promise<Answer | Response> {
  const verifier = new Verifier(options);
  return (request, info) => {
    const remote = (info as { remoteAddr?: { hostname?: unknown } } | undefined)?.remoteAddr?.hostname;
    const remoteAddress = typeof remote === "string" ? remote : undefined;
    return verifier.handle(request, (passed, verdict) => handler(passed, info, verdict), { remoteAddress });
  };
}
