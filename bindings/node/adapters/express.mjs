export { imagxp } from './express.cjs'
