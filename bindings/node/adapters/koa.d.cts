import type { Middleware } from 'koa'
import type { Verdict } from '../index.cjs'
import type { AdapterOptions } from './options.cjs'

export type { AdapterOptions } from './options.cjs'

/** What the middleware puts into `ctx.state`. */
export interface ImagxpState {
  /** The verdict. */
  imagxp: Verdict
}

/** Middleware for Koa: the verdict is `ctx.state.imagxp`; a refused request is answered here. Use it first. */
export declare function imagxp(options: AdapterOptions): Middleware<ImagxpState>
