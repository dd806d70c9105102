// One process of a site: verifies, on the word, each request that it is given, and prints the codes.
//
// `node racer.mjs STORE ADDRESS`; the rest comes as JSON on standard input.

import { createInterface } from 'node:readline'
import { MemoryReplayStore, Policy, PostgresReplayStore, Publisher, RedisReplayStore, Resolver } from '../index.mjs'

const [, , kind, address] = process.argv
const lines = createInterface(process.stdin)[Symbol.asyncIterator]()
const given = JSON.parse((await lines.next()).value)
const makers = {
  redis: () => new RedisReplayStore(address, { timeLimitMs: 10_000 }),
  postgres: () => new PostgresReplayStore(address, { timeLimitMs: 10_000 }),
  memory: () => new MemoryReplayStore(),
}
const publisher = new Publisher(Policy.fromJson(given.policy), {
  secret: Buffer.from(given.secret, 'hex'),
  replayStore: makers[kind](),
})
publisher.supply(given.manifestUrl, given.manifest)
const resolver = new Resolver()
const code = async (headers) => (await resolver.verify(publisher, 'GET', '/a', headers)).verdict.code

// The store is connected, and its schema made, before anything counts.
console.log(JSON.stringify(await code(given.warmup)))
await lines.next()
// All at once, as a site is asked.
console.log(JSON.stringify(await Promise.all(given.requests.map(code))))
process.exit()
