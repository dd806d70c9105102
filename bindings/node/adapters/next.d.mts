export * from './next.cjs'
