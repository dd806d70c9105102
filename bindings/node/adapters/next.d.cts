import type { NextRequest } from 'next/server'
import type { Payment, Verdict } from '../index.cjs'
import type { AdapterOptions } from './options.cjs'

export type { AdapterOptions } from './options.cjs'

/**
 * A route handler behind a verdict, which is `context.imagxp`. A refused request never reaches it. Handlers that share one options object
 * share one publisher.
 */
export declare function withImagxp<
  Context extends object = { params: Promise<Record<string, string | string[] | undefined>> },
>(
  handler: (request: NextRequest, context: Context & { imagxp: Verdict }) => Response | Promise<Response>,
  options: AdapterOptions,
): (request: NextRequest, context: Context) => Promise<Response>

/** What `proxy.ts` exports as `proxy`: a verdict for every request that its matcher lets through. Pages read it with `verdictOf`. */
export declare function imagxpProxy(
  options: AdapterOptions & { identity?: undefined },
): (request: NextRequest) => Promise<Response>

/** What a verdict of `imagxpProxy` says. */
export interface SealedVerdict extends Pick<
  Verdict,
  | 'outcome'
  | 'code'
  | 'visitor'
  | 'wouldDeny'
  | 'agentId'
  | 'keyId'
  | 'purpose'
  | 'resource'
  | 'binding'
  | 'warnings'
  | 'traceId'
> {
  readonly payment: Pick<Payment, 'state' | 'jti' | 'issuer' | 'amount' | 'currency'>
}

/** The verdict that `imagxpProxy` reached, from `await headers()` or a request; `null` when there is none of ours. */
export declare function verdictOf(source: Pick<Headers, 'get'> | Request): SealedVerdict | null

/** The handler of `app/.well-known/imagxp-policy.json/route.ts`, for sites without `imagxpProxy`. */
export declare function policyHandler(options: AdapterOptions): () => Response
