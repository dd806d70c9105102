// Next.js at the edge: `export default imagxpProxy(NextResponse, options)` in `proxy.ts` or `middleware.ts`, on Vercel or elsewhere.

import type { Verdict } from "./core.js";
import { ImagxpError } from "./errors.js";
import { type Context, Verifier, type VerifierOptions } from "./verifier.js";

export * from "./index.js";

/** As much of `NextResponse` as is used here. */
export interface NextResponses {
  next(init: { request: { headers: Headers } }): Response;
}

/**
 * Verifies every request before Next routes it. The application reads the verdict in the request headers `x-imagxp-verdict-*`. Only where
 * the proxy's `matcher` lets it run are a visitor's own headers of these names removed: match every path that reads them.
 *
 * A proxy does not see the page that is rendered after it, and so makes no receipts: the options about them are refused.
 */
export function imagxpProxy(
  nextResponse: NextResponses,
  options: Omit<VerifierOptions, "identity" | "onReceipt" | "maxReceiptBody">,
): (request: Request, event?: Context) => Promise<Response> {
  for (const name of ["identity", "onReceipt", "maxReceiptBody"]) {
    if (name in options) throw new ImagxpError("usage.argument", `a proxy makes no receipts: leave \`${name}\` out`);
  }
  const verifier = new Verifier(options);
  return (request, event) =>
    verifier.handle(
      request,
      (passed, verdict) => {
        const headers = new Headers(passed.headers);
        for (const [name, value] of verdictHeaders(verdict)) headers.set(name, value);
        return nextResponse.next({ request: { headers } });
      },
      event,
    );
}

/** What the application is told. */
function verdictHeaders(verdict: Verdict): [string, string][] {
  const all = {
    outcome: verdict.outcome,
    code: verdict.code,
    visitor: verdict.visitor,
    "agent-id": verdict.agentId,
    purpose: verdict.purpose,
    payment: verdict.payment.state,
    "would-deny": String(verdict.wouldDeny),
    "trace-id": verdict.traceId,
  };
  return Object.entries(all).flatMap(([name, value]): [string, string][] => (value === null ? [] : [[`x-imagxp-verdict-${name}`, value]]));
}
