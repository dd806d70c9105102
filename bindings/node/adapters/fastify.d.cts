import type { FastifyPluginAsync } from 'fastify'
import type { Verdict } from '../index.cjs'
import type { AdapterOptions } from './options.cjs'

export type { AdapterOptions } from './options.cjs'

declare module 'fastify' {
  interface FastifyRequest {
    /** The verdict; `null` where the plugin's hook has not run. */
    imagxp: Verdict | null
  }
}

/**
 * Plugin for Fastify 5: the verdict is `request.imagxp`; a refused request is answered here. Register it first: its hook is for the
 * routes of the instance that registers it and of the plugins that are registered after it.
 */
export declare const imagxp: FastifyPluginAsync<AdapterOptions>
