export { imagxpProxy, policyHandler, verdictOf, withImagxp } from './next.cjs'
