export * from './koa.cjs'
