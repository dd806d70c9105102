// Node's entry points under a structure-aware generator: whatever comes in, errors are ours, nothing panics, and nobody gets in without a signature.
//
// Usage: node target.mjs SECONDS [SEED] [--seed-fault]     the addon must be built (scripts/node.sh build)
// Jazzer.js has no build that a package registry carries; what it would mutate by coverage is mutated here by the grammar of a request.
// An input is a plan, which JSON can write: those in fuzz/regressions/node come first, and one that fails is left in fuzz/artifacts/node.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const imagxp = require('../../bindings/node')
const [seconds, seedText] = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const fault = process.argv.includes('--seed-fault')
const seed = BigInt(seedText ?? Date.now())
console.log(`seed ${seed}`)
let state = seed

/** SplitMix64, below a bound. */
function below(end) {
  state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n)
  let z = state
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
  return Number(BigInt.asUintN(64, z ^ (z >> 31n)) % BigInt(end))
}
const pick = (list) => list[below(list.length)]

const PAGE = '/page'
const ALLOWED = 'RAG_RETRIEVAL'
// Below the share of nonces that one agent may have in the store.
const REQUESTS_PER_PUBLISHER = 50_000
// A request passes for 300 s.
const FRESH_MS = 60_000
const policyText =
  '{"version":1,"origins":["https://pub.example"],"unsigned":"deny","purposes":{"RAG_RETRIEVAL":{"allow":true}}}'
const policy = imagxp.Policy.fromJson(policyText)
const agent = imagxp.Identity.generate('bot.example.com')
const manifest = agent.manifest().toBytes()
const texts = [
  policyText,
  String(manifest),
  '{"keys":[]}',
  'User-agent: *\nDisallow: /\n',
  '-----BEGIN PUBLIC KEY-----\n',
  '[1e400,"\ud800"]',
]
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
/** What a careless caller may pass instead of what is asked for. */
const odd = [
  undefined,
  null,
  0,
  -1,
  NaN,
  {},
  [],
  '',
  'x'.repeat(70000),
  Buffer.alloc(3, 255),
  Symbol('x'),
  1n,
  () => 1,
  [['a']],
  [[1, 2]],
  { a: {} },
]

/** Changes of a text: a character, a piece twice, a piece less, an end. Places are parts of the length, in thousandths. */
const edits = () =>
  Array.from({ length: 1 + below(4) }, () => [below(4), below(1001), below(20), below(below(4) === 0 ? 65536 : 128)])
function edited(text, changes) {
  let made = text
  for (const [kind, place, length, code] of changes) {
    const at = Math.floor((place * made.length) / 1000)
    const end = at + length
    if (kind === 0) made = made.slice(0, at) + String.fromCharCode(code) + made.slice(at + 1)
    else if (kind === 1) made = made.slice(0, end) + made.slice(at)
    else if (kind === 2) made = made.slice(0, at) + made.slice(end)
    else made = made.slice(0, at)
  }
  return made
}

/** Changes of header lines: a value, a line twice, a line less, a name. */
const lineEdits = () => Array.from({ length: 1 + below(3) }, () => [below(4), below(8), edits()])
function editedLines(lines, changes) {
  const made = lines.map(([name, value]) => [name, value])
  for (const [kind, index, changesOfText] of changes) {
    if (made.length === 0) break
    const line = made[index % made.length]
    if (kind === 0) line[1] = edited(line[1], changesOfText)
    else if (kind === 1) made.push([...line])
    else if (kind === 2) made.splice(index % made.length, 1)
    else line[0] = edited(line[0], changesOfText)
  }
  return made
}

/** What is to be done; without chance from here on. */
function plan() {
  if (below(2) === 0) {
    const made = { reader: below(readers.length), bytes: below(2) === 0 }
    return below(10) === 0 ? { ...made, odd: below(odd.length) } : { ...made, text: edited(pick(texts), edits()) }
  }
  const made = {
    spent: below(2) === 0,
    purpose: below(8) === 0 ? 'CRAWL_TRAINING' : ALLOWED,
    target: [PAGE, 'https://pub.example/page'][below(2)],
  }
  // Where nothing is wrong with a request but one thing, every check is reached in its turn.
  if (below(2) === 0) made.target = edited(made.target, edits())
  if (made.spent || below(2) === 0) made.lines = lineEdits()
  if (below(12) === 0) made.oddLines = below(odd.length)
  if (below(20) === 0) made.oddMethod = below(odd.length)
  if (below(20) === 0) made.oddTarget = below(odd.length)
  if (below(12) === 0) made.method = pick(['HEAD', 'POST', 'BREW', 'get'])
  return made
}

let publisher
let requests = 0
let kept
const sign = (purpose) =>
  [...agent.sign('GET', `https://pub.example${PAGE}`, purpose)].map(([name, value]) => [name, value])
/** Header lines that nobody has sent yet (`fresh`), and those that passed last (`spent`). */
function supplied() {
  if (publisher === undefined || requests > REQUESTS_PER_PUBLISHER) {
    publisher = new imagxp.Publisher(policy)
    requests = 0
    kept = undefined
  }
  requests++
  if (kept === undefined || Date.now() - kept.at > FRESH_MS) {
    publisher.supply('https://bot.example.com/.well-known/imagxp-agent.json', manifest)
    kept = {
      at: Date.now(),
      fresh: { [ALLOWED]: sign(ALLOWED), CRAWL_TRAINING: sign('CRAWL_TRAINING') },
      spent: sign(ALLOWED),
    }
    const { verdict } = publisher.verify('GET', PAGE, kept.spent)
    if (verdict.outcome !== 'allow') throw new Error(`the good request is refused: ${verdict.code}`)
  }
  return kept
}

/** The only value of a header, as a careless reader finds it. */
function only(lines, wanted) {
  const values = lines.filter(([name]) => name.trim().toLowerCase() === wanted).map(([, value]) => value.trim())
  return values.length === 1 ? values[0] : undefined
}
const claim = (lines) => {
  const payload = Buffer.from(only(lines, 'x-imagxp-payload') ?? '', 'base64')
  return attempt(() => String(imagxp.canonicalize(payload)))
}

/** Whether another reader of URLs finds the page there, too. */
function isPage(target) {
  try {
    const url = new URL(target, 'https://pub.example')
    return url.origin === 'https://pub.example' && decodeURIComponent(url.pathname) === PAGE && url.search === ''
  } catch {
    return false
  }
}

function request(made) {
  const { fresh, spent } = supplied()
  const good = made.spent ? spent : fresh[made.purpose]
  const lines = editedLines(good, made.lines ?? [])
  const of = (number, otherwise) => (number === undefined ? otherwise : odd[number])
  // The seeded fault: a server that looks at another target than the one that it serves.
  const target = fault ? PAGE : of(made.oddTarget, made.target)
  const answer = attempt(() =>
    publisher.verify(of(made.oddMethod, made.method ?? 'GET'), target, of(made.oddLines, lines)),
  )
  if (answer === undefined) return
  const { verdict } = answer
  const wrong = (what) => {
    throw new Error(`${fault ? 'the seeded fault: ' : ''}${what}: ${JSON.stringify(lines)}`)
  }
  const isUntouched =
    !made.spent &&
    [made.lines, made.method, made.oddLines, made.oddMethod, made.oddTarget].every((change) => change === undefined)
  if (verdict.outcome !== 'allow') {
    if (isUntouched && made.target === PAGE && made.purpose === ALLOWED)
      wrong(`the good request is refused: ${verdict.code}`)
    tally.refused++
    return
  }
  tally.allowed++
  kept.spent = good
  kept.fresh[made.purpose] = sign(made.purpose)
  if (made.spent) wrong('a replay passed')
  const isOdd = [made.oddLines, made.oddMethod, made.oddTarget].some((change) => change !== undefined)
  if (isOdd || made.purpose !== ALLOWED || (made.method ?? 'GET') !== 'GET' || !isPage(made.target))
    wrong('nobody signed this')
  if (claim(lines) !== claim(good)) wrong('what passed is not what was signed')
  if (publisher.verify('GET', made.target, lines).verdict.outcome === 'allow') wrong('a replay passed')
}

const tally = { inputs: 0, allowed: 0, refused: 0, errors: 0, read: 0 }
/** What a call gives; nothing when it ends with an error that is ours. Every other error is a finding. */
function attempt(call) {
  try {
    return call()
  } catch (error) {
    if (!isOurs(error) || /panic/i.test(error.message) || error.message === '') throw error
    tally.errors++
    return undefined
  }
}
/** Ours have a code; of other classes there is one, a `TypeError` for an argument of the wrong type (bindings/node/src/errors.rs). */
function isOurs(error) {
  if (error instanceof imagxp.ImagxpError) return /^[a-z_]+\.[a-z_]+$/.test(error.code)
  return error instanceof TypeError && error.code === 'usage.argument'
}
// What Node itself says about a mistake in our own JavaScript is no refusal.
for (const mistake of [() => undefined.length, () => null(), () => new Array(-1), () => missing]) {
  let isTaken = true
  try {
    attempt(mistake)
  } catch {
    isTaken = false
  }
  if (isTaken) throw new Error(`${mistake} is taken for a refusal`)
}

/** One input. */
function act(made) {
  tally.inputs++
  if (made.reader === undefined) return request(made)
  const text = made.odd === undefined ? made.text : odd[made.odd]
  attempt(() => readers[made.reader](made.bytes && typeof text === 'string' ? Buffer.from(text) : text))
  tally.read++
}

const folder = new URL('../', import.meta.url)
const regressions = new URL('regressions/node/', folder)
for (const name of readdirSync(regressions).sort()) {
  if (!fault) act(JSON.parse(readFileSync(new URL(name, regressions), 'utf8')))
}
const replayed = tally.inputs
const end = Date.now() + Number(seconds ?? 5) * 1000
while (Date.now() < end) {
  for (let round = 0; round < 200; round++) {
    const made = plan()
    try {
      act(made)
    } catch (error) {
      const text = `${JSON.stringify(made)}\n`
      const artifacts = new URL('artifacts/node/', folder)
      mkdirSync(artifacts, { recursive: true })
      const name = `${createHash('sha256').update(text).digest('hex').slice(0, 16)}.json`
      if (!fault) writeFileSync(new URL(name, artifacts), text)
      console.error(`seed ${seed}, input ${tally.inputs}: ${text}`)
      throw error
    }
  }
}
const { inputs, allowed, refused, errors } = tally
if (inputs < replayed + 400 || allowed < 10 || refused < 100 || errors < 100)
  throw new Error(`too little happened: ${JSON.stringify(tally)}`)
console.log(JSON.stringify(tally))
