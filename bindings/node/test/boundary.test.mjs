// What must hold whatever is passed: no panic, no crash, no leak, on any thread.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import * as imagxp from '../index.mjs'
import { NOW, ORIGIN, knowing, policy, serving, signed } from './support.mjs'

const addon = createRequire(import.meta.url)('../load.cjs')
const { Identity, ImagxpError, Manifest, PrivateKey, Publisher, Receipt, Robots, SignedReceipt } = imagxp
const agent = Identity.generate('agent.example')

test('a panic becomes an error, and the process goes on', () => {
  for (let count = 0; count < 3; count += 1) {
    assert.throws(
      () => addon._panic(),
      (error) =>
        error instanceof ImagxpError && error.code === 'internal.panic' && error.message.includes('on purpose'),
    )
  }
  assert.equal(knowing(agent).verify('GET', '/a', signed(agent), { now: NOW }).verdict.code, null)
})

test('errors are real errors', () => {
  const error = (() => {
    try {
      return PrivateKey.fromPem('none')
    } catch (thrown) {
      return thrown
    }
  })()
  assert.ok(error instanceof Error && error instanceof ImagxpError)
  assert.equal(error.name, 'ImagxpError')
  assert.equal(String(error), `ImagxpError: ${error.message}`)
  assert.match(error.stack, /boundary\.test\.mjs/)
  assert.deepEqual(Object.keys(error), ['code'])
  const made = new ImagxpError('usage.argument', 'a sentence', { cause: error })
  assert.deepEqual([made.code, made.message, made.cause], ['usage.argument', 'a sentence', error])
})

const JUNK = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  NaN,
  1e300,
  10n,
  '',
  'text',
  '\ud800',
  Symbol('symbol'),
  {},
  [],
  [[]],
  [undefined],
  () => 7,
  new Date(NaN),
  new Uint8Array(3),
  new Float64Array(2),
  new ArrayBuffer(8),
  new Map([[1, 2]]),
  /x/,
  Object.create(null),
  Promise.resolve(1),
  new Proxy(
    {},
    {
      get: () => {
        throw new Error('a getter of the caller')
      },
    },
  ),
  new Proxy({}, { ownKeys: () => ['x'], get: () => 7 }),
  {
    get now() {
      throw new Error('a getter of the caller')
    },
  },
]

/** One object of each class. */
function instances() {
  const agent = Identity.generate('agent.example')
  const publisher = knowing(agent)
  const manifest = agent.manifest()
  const pending = new Publisher(policy()).verify('GET', '/a', signed(agent), { now: NOW }).pending
  const feedback = new imagxp.Feedback(`${ORIGIN}/a`, 1, 'OTHER')
  const receipt = new Receipt(`${ORIGIN}/a`, '00'.repeat(32), { origin: 'HUMAN', traceId: 'ab'.repeat(16) })
  const reader = new imagxp.Agent(agent, 'SUMMARY', 'TestBot', { discover: false })
  const visit = reader.visit('GET', `${ORIGIN}/a`)
  return [
    agent,
    agent.publicKey,
    PrivateKey.generate(),
    manifest,
    manifest.keys[0],
    policy(),
    publisher,
    publisher.verify('GET', '/a', signed(agent), { now: NOW }).verdict,
    publisher.explain('GET', '/a', [], { now: NOW }),
    publisher.feedback('{}', { now: NOW }),
    pending,
    feedback,
    receipt,
    SignedReceipt.fromHeaders(receipt.sign(Identity.generate('pub.example'))),
    new imagxp.MemoryReplayStore(),
    new imagxp.Limits(),
    new imagxp.Fetcher(),
    new imagxp.Resolver(),
    imagxp.JwkSet.parse('{"keys":[]}'),
    Robots.parse(''),
    imagxp.discover(`${ORIGIN}/a`, 'TestBot'),
    reader,
    visit,
    visit.start(),
    new imagxp.Wallet(),
    new imagxp.Caps('USD', '1'),
    imagxp.verifyAssertion(imagxp.signAssertion(agent, 'https://b.example/t'), manifest, 'https://b.example/t'),
  ]
}

/** Calls it; whatever it throws or rejects with must be an error that a caller can handle. */
async function harmless(act, what) {
  try {
    await act()
  } catch (error) {
    // What the caller's own object throws, and napi's own words: on classes that only the package makes, and on wrong receivers.
    const sentence = /a getter of the caller|contains no `constructor`|Failed to unwrap|not an instance of class/
    const known = error instanceof ImagxpError || error instanceof TypeError || sentence.test(error.message)
    assert.ok(known, `${what}: ${error?.stack ?? error}`)
    assert.notEqual(error.code, 'internal.panic', `${what}: ${error.message}`)
  }
}

// Neither called with junk: they would write files of that name or connect to somewhere.
const APART = new Set([
  'save',
  'load',
  'fromFile',
  'fromEnv',
  'create',
  'AuditLog',
  'Rotation',
  'get',
  'send',
  'read',
  'prove',
])

test('junk in every place of every method is an error, and never more', async () => {
  const objects = instances()
  const values = [...JUNK, ...objects]
  const functions = []
  for (const [name, value] of Object.entries(imagxp)) {
    if (typeof value !== 'function' || value.prototype instanceof Error || APART.has(name)) continue
    const isClass = /^[A-Z]/.test(name)
    functions.push([name, (...given) => (isClass ? Reflect.construct(value, given) : value(...given))])
    if (!isClass) continue
    for (const method of Object.getOwnPropertyNames(value)) {
      if (typeof value[method] === 'function' && !APART.has(method)) {
        functions.push([`${name}.${method}`, (...given) => value[method](...given)])
      }
    }
  }
  const classes = new Set(objects.map((object) => object.constructor))
  const methods = [...classes].flatMap((type) =>
    Object.getOwnPropertyNames(type.prototype)
      .filter((name) => name !== 'constructor' && !APART.has(name))
      .map((name) => [`${type.name}#${name}`, type, name]),
  )
  assert.ok(functions.length > 50 && methods.length > 100, `${functions.length} ${methods.length}`)

  for (const [name, call] of functions) {
    for (const value of values) {
      await harmless(() => call(value), name)
      await harmless(() => call(value, value, value, value, value), name)
      await harmless(() => call('agent.example', value), name)
    }
  }
  for (const [what, type, name] of methods) {
    const object = objects.find((candidate) => candidate.constructor === type)
    const { get, value: method } = Object.getOwnPropertyDescriptor(type.prototype, name)
    if (get !== undefined) await harmless(() => object[name], what)
    for (const value of values) {
      // Wrong receivers, too: another class's object must not be read as one of this.
      await harmless(() => (get ?? method).call(value, value, value), `${what} on another`)
      if (method === undefined) continue
      await harmless(() => method.call(object, value), what)
      await harmless(() => method.call(object, 'GET', value, value), what)
      await harmless(() => method.call(object, 'GET', '/a', value, value), what)
    }
  }
  assert.equal(Manifest.parse(agent.manifest().toBytes(), 'agent.example').agentId, 'agent.example')
})

test('objects of one class are not taken for another', () => {
  const objects = instances()
  for (const object of objects) {
    if (object instanceof imagxp.Policy) continue
    const disguised = Object.setPrototypeOf(object, imagxp.Policy.prototype)
    assert.throws(() => new Publisher(disguised), TypeError)
    assert.throws(() => disguised.publicJson())
  }
})

test('100 000 verifications leave no memory behind', { timeout: 600_000 }, () => {
  const program = fileURLToPath(new URL('./memory.mjs', import.meta.url))
  const count = process.env.IMAGXP_VERIFICATIONS ?? '100000'
  const done = spawnSync(process.execPath, ['--expose-gc', program, count], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stdout + done.stderr)
})

/** Runs a module in a worker until it says something. */
function inWorker(source, workerData) {
  const url = new URL('../index.mjs', import.meta.url)
  const text = `
    import { parentPort, workerData } from 'node:worker_threads'
    import * as imagxp from ${JSON.stringify(url.href)}
    ${source}
  `
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`), { workerData })
}

test('workers have errors and callbacks of their own', async () => {
  const source = `
    const agent = imagxp.Identity.generate('agent.example')
    const rule = (claim) => claim.agentId === 'agent.example'
    const policy = imagxp.Policy.fromJson({ version: 1, origins: ['${ORIGIN}'], purposes: { SUMMARY: {} } })
    const publisher = new imagxp.Publisher(policy, { customPolicy: rule })
    publisher.supply(imagxp.manifestUrl('agent.example'), agent.manifest().toBytes())
    const allowed = publisher.verify('GET', '/a', agent.sign('GET', '${ORIGIN}/a', 'SUMMARY')).verdict.isAllowed
    let code
    try { imagxp.PrivateKey.fromPem('none') } catch (error) { code = error instanceof imagxp.ImagxpError && error.code }
    const unreachable = await new imagxp.Fetcher().get('https://127.0.0.1/').catch((error) => error.code)
    parentPort.postMessage({ allowed, code, unreachable })
  `
  const workers = Array.from({ length: 4 }, () => inWorker(source))
  for (const [answer] of await Promise.all(workers.map((worker) => once(worker, 'message')))) {
    assert.deepEqual(answer, { allowed: true, code: 'key.malformed', unreachable: 'identity.address_denied' })
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
})

test('a worker that ends while it waits takes nobody along', async (t) => {
  let waiting
  const arrived = new Promise((resolve) => (waiting = resolve))
  const held = []
  const origin = await serving(t, (_, response) => {
    held.push(response)
    waiting()
  })
  const source = `
    const fetcher = new imagxp.Fetcher({ allowLoopback: true })
    fetcher.send('GET', workerData)
    const external = imagxp.Identity.external('a.example', imagxp.PrivateKey.generate().publicKey, () => new Uint8Array(64))
    new imagxp.Agent(external, 'SUMMARY', 'TestBot', { allowLoopback: true }).read(workerData)
    setInterval(() => {}, 1000)
  `
  for (let count = 0; count < 3; count += 1) {
    const worker = inWorker(source, origin)
    await arrived
    await worker.terminate()
    held.splice(0).forEach((response) => response.end('late'))
  }
  assert.equal(knowing(agent).verify('GET', '/a', signed(agent), { now: NOW }).verdict.code, null)
})

test('a process that only a worker loads the addon in ends well', () => {
  const index = new URL('../index.mjs', import.meta.url).href
  const inner = `import(${JSON.stringify(index)}).then(({ Fetcher }) => new Fetcher().get('https://127.0.0.1/').catch(() => {}))`
  const program = `
    const { Worker } = require('node:worker_threads')
    const one = () => new Promise((resolve, reject) =>
      new Worker(${JSON.stringify(inner)}, { eval: true }).on('exit', resolve).on('error', reject))
    one().then(one).then(() => setTimeout(() => console.log('well'), 50))
  `
  const done = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', timeout: 60_000 })
  assert.deepEqual([done.status, done.signal, done.stdout], [0, null, 'well\n'], done.stderr)
})

test('promises that nobody waits for do not keep a process', () => {
  const index = new URL('../index.mjs', import.meta.url).href
  const program = `import(${JSON.stringify(index)}).then(async ({ Fetcher }) => {
    await new Fetcher().get('https://127.0.0.1/').catch((error) => console.log(error.code))
  })`
  const done = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', timeout: 60_000 })
  assert.deepEqual([done.status, done.stdout], [0, 'identity.address_denied\n'], done.stderr)
})
