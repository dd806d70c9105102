export { imagxp } from './hono.cjs'
