// Next.js at the edge: `export default imagxpProxy(NextResponse, options)` in `proxy.ts` or `middleware.ts`, on Vercel or elsewhere.

import { Policy, type Verdict } from "./core.js";
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
 * A proxy does not see the page that is rendered after it, and so makes no receipts: the options about them are refused. Nor does Next tell by which
 * address a request came in: a policy with `allow_loopback`, which is for development, is refused when it has an origin that is not loopback.
 */
export function imagxpProxy(
  nextResponse: NextResponses,
  options: Omit<VerifierOptions, "identity" | "onReceipt" | "maxReceiptBody">,
): (request: Request, event?: Context) => Promise<Response> {
  for (const name of ["identity", "onReceipt", "maxReceiptBody"]) {
    if (name in options) throw new ImagxpError("usage.argument", `a proxy makes no receipts: leave \`${name}\` out`);
  }
  const verifier = new Verifier(options);
  checkLoopback(options.policy);
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

function checkLoopback(document: string | object): void {
  const policy = Policy.fromJson(document);
  const { allowLoopback, origins } = policy;
  policy.free();
  const isLoopback = (origin: string): boolean => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(origin).hostname);
  if (allowLoopback && !origins.every(isLoopback)) {
    throw new ImagxpError("usage.policy", "the policy has allow_loopback, which is for development, and an origin that is not loopback");
  }
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
