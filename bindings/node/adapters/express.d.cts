import type { RequestHandler } from 'express'
import type { Verdict } from '../index.cjs'
import type { AdapterOptions } from './options.cjs'

export type { AdapterOptions } from './options.cjs'

declare global {
  namespace Express {
    interface Request {
      /** The verdict, behind `imagxp()`. */
      imagxp: Verdict
    }
  }
}

/**
 * Middleware for Express 4 and 5, and for what calls functions like Express does (connect, a server of `node:http`): the verdict is
 * `req.imagxp`; a refused request is answered here. Use it first.
 */
export declare function imagxp(options: AdapterOptions): RequestHandler
