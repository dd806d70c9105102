export { imagxp } from './koa.cjs'
