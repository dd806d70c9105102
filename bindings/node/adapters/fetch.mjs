export { wrapFetch } from './fetch.cjs'
