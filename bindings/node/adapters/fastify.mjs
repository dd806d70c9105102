export { imagxp } from './fastify.cjs'
