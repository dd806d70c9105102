// Verifies very often and looks at the memory in between: `node --expose-gc memory.mjs COUNT [--leak]`. Ends with 1 when it grows; with
// `--leak`, which keeps every answer, when nobody would have seen that.

import { Identity, MemoryReplayStore, Policy, Publisher, manifestUrl } from '../index.mjs'

const COUNT = Number(process.argv[2])
/** What may be left at the end of all of them. */
const ALLOWED = 1024 * 1024

const ORIGIN = 'https://pub.example'
const NOW = '2026-03-01T12:00:00.000Z'
const agent = Identity.generate('agent.example', 'EdDSA')
const policy = Policy.fromJson({ version: 1, origins: [ORIGIN], purposes: { SUMMARY: { allow: true } } })
// One entry at most: what a replay store keeps is not a leak, and not what is measured.
const publisher = new Publisher(policy, { replayStore: new MemoryReplayStore({ maxEntries: 1, maxPerAgent: 1 }) })
publisher.supply(manifestUrl('agent.example'), agent.manifest().toBytes(), { now: NOW })
const headers = agent.sign('GET', `${ORIGIN}/a`, 'SUMMARY', { now: NOW }).flat()

const isLeaking = process.argv.includes('--leak')
const kept = []

async function round(count) {
  for (let index = 0; index < count; index += 1) {
    const { verdict } = publisher.verify('GET', '/a', headers, { now: NOW })
    if (verdict.code !== null && verdict.code !== 'replay.nonce_seen') throw new Error(verdict.code)
    if (index % 8 === 0) JSON.stringify(verdict)
    if (isLeaking) kept.push(verdict)
    if (index % 64 === 0) {
      try {
        publisher.verify('GET', '/a', 'no headers')
      } catch {
        // Errors leave nothing behind either.
      }
    }
    // Finalizers run between turns of the event loop.
    if (index % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

async function settled() {
  for (let turn = 0; turn < 4; turn += 1) {
    global.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage()
}

// Caches, code and arenas reach their size first.
await round(Math.min(COUNT / 2, 50_000))
const before = await settled()
const samples = []
for (let part = 0; part < 5; part += 1) {
  await round(COUNT / 5)
  samples.push(await settled())
}
// The least of the later ones: a heap that happens to be larger at one moment is none that grows.
const least = (from, measure) => Math.min(...samples.slice(from).map(measure))
const used = ({ heapUsed, external }) => heapUsed + external
const heap = least(2, used) - used(before)
// From the second fifth on: pages come with the first collections, and stay.
const resident = least(3, ({ rss }) => rss) - samples[1].rss
const fifths = samples.map(({ rss }) => Math.round(rss / 1024)).join(' ')
console.log(`${COUNT} verifications: heap ${heap} bytes, resident ${resident} bytes (${fifths} KiB after each fifth)`)
const hasGrown = heap > ALLOWED || resident > ALLOWED * (COUNT < 1_000_000 ? 4 : 1)
process.exit(hasGrown === isLeaking ? 0 : 1)
