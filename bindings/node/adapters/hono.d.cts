import type { MiddlewareHandler } from 'hono'
import type { Verdict } from '../index.cjs'
import type { AdapterOptions } from './options.cjs'

export type { AdapterOptions } from './options.cjs'

/** For `new Hono<ImagxpEnv>()`. */
export interface ImagxpEnv {
  Variables: {
    /** The verdict. */
    imagxp: Verdict
  }
}

/** Middleware for Hono: the verdict is `c.get('imagxp')`; a refused request is answered here. Use it first. */
export declare function imagxp(options: AdapterOptions): MiddlewareHandler<ImagxpEnv>
