// Node's entry points under a structure-aware generator: whatever comes in, errors are ours, nothing panics, and nobody gets in without a signature.
//
// Usage: node target.mjs SECONDS [SEED] [--seed-fault]     the addon must be built (scripts/node.sh build)
// Jazzer.js has no build that a package registry carries; what it would mutate by coverage is mutated here by the grammar of a request.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const imagxp = require('../../bindings/node')
const [seconds, seedText] = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const fault = process.argv.includes('--seed-fault')
let state = BigInt(seedText ?? Date.now())

/** SplitMix64, below a bound. */
function below(end) {
  state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n)
  let z = state
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
  return Number(BigInt.asUintN(64, z ^ (z >> 31n)) % BigInt(end))
}
const pick = (list) => list[below(list.length)]

const policyText = '{"version":1,"origins":["https://pub.example"],"unsigned":"deny","purposes":{"RAG_RETRIEVAL":{"allow":true}}}'
const publisher = new imagxp.Publisher(imagxp.Policy.fromJson(policyText))
const agent = imagxp.Identity.generate('bot.example.com')
const manifest = agent.manifest().toBytes()
publisher.supply('https://bot.example.com/.well-known/imagxp-agent.json', manifest)
const sign = () => [...agent.sign('GET', 'https://pub.example/page', 'RAG_RETRIEVAL')].map(([name, value]) => [name, value])
const texts = [policyText, String(manifest), '{"keys":[]}', 'User-agent: *\nDisallow: /\n', '-----BEGIN PUBLIC KEY-----\n', '[1e400,"\ud800"]']
const readers = [
  (text) => imagxp.Policy.fromJson(text),
  (text) => imagxp.Policy.fromToml(String(text)),
  (text) => imagxp.Manifest.parse(text, 'bot.example.com'),
  (text) => imagxp.JwkSet.parse(text),
  (text) => imagxp.Robots.parse(text),
  (text) => imagxp.PublicKey.fromPem(String(text)),
  (text) => imagxp.canonicalize(text),
  (text) => imagxp.assertionAgent(text),
]

/** A text with a few changes: a character, a piece twice, a piece less, an end. */
function mutate(text) {
  let made = text
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(made.length + 1)
    const end = at + below(20)
    const kind = below(4)
    if (kind === 0) made = made.slice(0, at) + String.fromCharCode(below(below(4) === 0 ? 65536 : 128)) + made.slice(at + 1)
    else if (kind === 1) made = made.slice(0, end) + made.slice(at)
    else if (kind === 2) made = made.slice(0, at) + made.slice(end)
    else made = made.slice(0, at)
  }
  return made
}

/** What a careless caller may pass instead of what is asked for. */
const odd = () => pick([undefined, null, 0, -1, NaN, {}, [], '', 'x'.repeat(70000), Buffer.alloc(3, 255), Symbol('x'), 1n, () => 1, [['a']], [[1, 2]], { a: {} }])

let good = sign()
const tally = { inputs: 0, refused: 0, errors: 0, read: 0 }

function request() {
  const lines = good.map(([name, value]) => [name, value])
  // Spent: the same once more is a replay, whatever else is changed.
  for (let times = 1 + below(3); times > 0; times--) {
    const line = pick(lines)
    const kind = below(4)
    if (kind === 0) line[1] = mutate(line[1])
    else if (kind === 1) lines.push([...line])
    else if (kind === 2) lines.splice(lines.indexOf(line), 1)
    else line[0] = mutate(line[0])
    if (lines.length === 0) break
  }
  const target = pick(['/page', mutate('/page'), 'https://pub.example/page', mutate('https://pub.example/page')])
  const headers = below(12) === 0 ? odd() : lines
  const { verdict } = publisher.verify(below(20) === 0 ? odd() : 'GET', below(20) === 0 ? odd() : target, headers)
  if (verdict.outcome === 'allow') throw new Error(`nobody signed this: ${target} ${JSON.stringify(lines)}`)
  tally.refused++
}

const isOurs = (error) => error instanceof imagxp.ImagxpError || error instanceof TypeError || error instanceof RangeError
const begin = publisher.verify('GET', '/page', good)
if (begin.verdict.outcome !== 'allow') throw new Error(`the good request is refused: ${begin.verdict.code}`)
const end = Date.now() + Number(seconds ?? 5) * 1000
while (Date.now() < end) {
  for (let round = 0; round < 200; round++) {
    tally.inputs++
    try {
      if (below(2) === 0) request()
      else {
        pick(readers)(below(10) === 0 ? odd() : pick([(text) => text, (text) => Buffer.from(text)])(mutate(pick(texts))))
        tally.read++
      }
      if (fault && below(5000) === 0) throw new Error('the seeded fault')
    } catch (error) {
      if (!isOurs(error) || /panic/i.test(error.message) || error.message === '') throw error
      tally.errors++
    }
  }
}
if (tally.inputs < 1000 || tally.refused < 100 || tally.errors < 100) throw new Error(`too little happened: ${JSON.stringify(tally)}`)
console.log(JSON.stringify(tally))
