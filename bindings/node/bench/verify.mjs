// What verifying one request costs in Node, and how much of it is Node's: the same requests, through the package and in the core alone.
//
// Usage: scripts/node.sh bench   (a release build of the addon with the feature `bench`; its folder is the argument)

import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const folder = process.argv[2]
const { Identity, Policy, Publisher, manifestUrl } = require(join(folder, 'index.cjs'))
const { _verifyAll: verifyAll } = require(join(folder, 'load.cjs'))

const ROUNDS = 40
const REQUESTS = 500
const ORIGIN = 'https://pub.example'
const now = Date.now()

// As a server behind a proxy gets them, beside the three of the agent: fifteen lines in all.
const FRAMEWORK = {
  Host: 'pub.example',
  'User-Agent': 'Mozilla/5.0 (compatible; ExampleBot/1.0; +https://agent.example/bot) IMAGXP/1.0',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br',
  'Accept-Language': 'en',
  Connection: 'keep-alive',
  'X-Forwarded-For': '203.0.113.7',
  'X-Forwarded-Proto': 'https',
  'X-Request-Id': '7b0c1d2e-3f40-4a51-8b62-9c73ad84be95',
  'Cache-Control': 'no-cache',
  'If-None-Match': '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
  Cookie: 'session=5f2b8c1e9a7d4063',
}
const rest = Object.entries(FRAMEWORK).flat()

for (const what of ['unsigned', 'EdDSA', 'ES256']) {
  const agent = Identity.generate('agent.example', what === 'unsigned' ? 'ES256' : what)
  const purposes = { SUMMARY: { allow: true } }
  const policy = Policy.fromJson({ version: 1, origins: [ORIGIN], unsigned: 'allow', purposes })
  const fresh = () => {
    const publisher = new Publisher(policy)
    publisher.supply(manifestUrl(agent.agentId), agent.manifest().toBytes(), { now })
    return publisher
  }
  const requests = Array.from({ length: REQUESTS }, () => [
    ...rest,
    ...(what === 'unsigned' ? [] : agent.sign('GET', `${ORIGIN}/a`, 'SUMMARY', { now }).flat()),
  ])
  const joined = requests.map((headers) => headers.join('\n'))
  const times = { core: [], node: [], read: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    const publishers = [fresh(), fresh(), fresh()]
    // In turn, so that a busy machine slows all of them alike.
    let allowed
    const count = requests[0].length
    const all = cpu(() => ([, allowed] = verifyAll(publishers[0], 'GET', '/a', joined, count, now)))
    // Lines of another number are converted, and then passed over: what is left is the core's.
    const converted = cpu(() => verifyAll(publishers[0], 'GET', '/a', joined, count + 2, now))
    if (allowed !== REQUESTS) throw new Error('the core refuses')
    times.core.push(all - converted)
    times.node.push(cpu(() => verify(publishers[1], requests, ({ verdict }) => verdict.isAllowed)))
    times.read.push(
      cpu(() =>
        verify(publishers[2], requests, ({ verdict }) => {
          const { isAllowed, agentId, purpose, traceId, responseHeaders, payment } = verdict
          return isAllowed && [agentId, purpose, traceId, responseHeaders, payment].length === 5
        }),
      ),
    )
  }
  const best = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, quarter(list)]))
  console.log(
    `node ${what} verify, ${requests[0].length / 2} headers, processor time: core ${show(best.core)} µs, Node ${show(best.node)} µs ` +
      `(+${show(best.node - best.core)}), with six members read ${show(best.read)} µs (+${show(best.read - best.core)})`,
  )
}

function verify(publisher, requests, allowed) {
  for (const headers of requests) {
    // `now` is the clock's, as in a server.
    if (!allowed(publisher.verify('GET', '/a', headers))) throw new Error('Node refuses')
  }
}

/** Microseconds of processor time for each request, the collector's included: not what other processes take. */
function cpu(act) {
  const begin = process.cpuUsage()
  act()
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / REQUESTS
}

// The lower quartile: what a busy machine does to caches and clock rates is above it.
function quarter(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 4)]
}

function show(number) {
  return number.toFixed(2)
}
