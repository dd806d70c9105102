import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { FetchError, Fetcher, Identity, Publisher, Resolver } from '../index.mjs'
import { SECRET, policy, rejectsCode, serving, throwsCode, throwsType } from './support.mjs'

const fetcher = () => new Fetcher({ allowLoopback: true })

test('documents are fetched, and answers sent back whole', async (t) => {
  const asked = []
  const origin = await serving(t, (request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      asked.push([request.method, request.url, request.headers['x-a'], Buffer.concat(chunks).toString()])
      response.setHeader('Cache-Control', 'max-age=77')
      response.setHeader('Set-Cookie', ['a=1', 'b=2'])
      response.statusCode = request.url === '/moved' ? 302 : 200
      response.end('hello')
    })
  })
  const answer = await fetcher().get(`${origin}/a`)
  assert.deepEqual(
    [answer.status, answer.body.toString(), answer.maxAge, answer.address],
    [200, 'hello', 77, '127.0.0.1'],
  )
  assert.equal(answer.header('Cache-Control'), 'max-age=77')
  assert.equal(answer.header('none'), null)
  assert.equal(answer.headers.filter(([name]) => name === 'set-cookie').length, 2)
  const sent = await fetcher().send('POST', `${origin}/moved`, [['x-a', 'b']], {
    body: Buffer.from('body'),
    profile: 'document',
  })
  assert.equal(sent.status, 302)
  assert.equal((await fetcher().send('GET', `${origin}/b`)).status, 200)
  assert.deepEqual(asked, [
    ['GET', '/a', undefined, ''],
    ['POST', '/moved', 'b', 'body'],
    ['GET', '/b', undefined, ''],
  ])
})

test('what cannot be fetched is a FetchError', async (t) => {
  const origin = await serving(t, (request, response) => {
    response.statusCode = Number(request.url.slice(1))
    response.setHeader('Location', '/elsewhere')
    response.end()
  })
  for (const [status, failure] of [
    [404, 'not_found'],
    [301, 'redirect'],
    [500, 'failed'],
  ]) {
    const error = await fetcher()
      .get(`${origin}/${status}`)
      .catch((reason) => reason)
    assert.ok(error instanceof FetchError)
    assert.equal(error.name, 'FetchError')
    assert.deepEqual([error.failure, error.sent, error.status], [failure, true, status])
    assert.match(error.code, /^identity\./)
    assert.match(error.stack, /FetchError/)
  }
  const refused = await rejectsCode(new Fetcher().get('https://127.0.0.1/'), 'identity.address_denied')
  assert.deepEqual([refused.failure, refused.sent, refused.status], ['address_denied', false, null])
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address()
  await new Promise((resolve) => closed.close(resolve))
  await rejectsCode(fetcher().get(`http://127.0.0.1:${port}/`), 'identity.fetch_failed')
})

test('options of a fetcher', async () => {
  throwsType(() => new Fetcher({ loopback: true }))
  throwsCode(() => new Fetcher({ nameservers: ['nowhere'] }), 'usage.argument')
  throwsCode(() => new Fetcher({ allowAddresses: ['nowhere'] }), 'usage.argument')
  throwsCode(() => new Fetcher({ ports: [70_000] }), 'usage.argument')
  throwsCode(() => new Fetcher({ roots: 'not pem', onlyGivenRoots: true }), 'usage.argument')
  throwsType(() => new Fetcher({ ports: 443 }))
  const made = new Fetcher({
    nameservers: ['127.0.0.1:53'],
    ports: [8443],
    userAgent: 'x',
    allowAddresses: ['127.0.0.1'],
    allowedPort: 1,
  })
  throwsCode(() => made.get('https://a.example/', 'poem'), 'usage.argument')
  throwsType(() => made.get(7))
  await assert.rejects(made.send('GET', 'https://a.example/', 7), TypeError)
  await rejectsCode(made.send('GET', 'https://a.example/', ['a', '\u00ff']), 'usage.argument')
})

test('a resolver fetches what a request needs, once, and tells what it could not', async (t) => {
  let manifest
  let fetched = 0
  const host = await serving(t, (request, response) => {
    fetched += 1
    response.statusCode = request.url === '/.well-known/imagxp-agent.json' && manifest ? 200 : 404
    response.end(manifest)
  })
  const agent = Identity.generate(host.slice('http://'.length), 'ES256', { allowLoopback: true })
  const rules = policy({ allow_loopback: true, origins: ['http://127.0.0.1:1'] })
  const headers = () => agent.sign('GET', 'http://127.0.0.1:1/a', 'RAG_RETRIEVAL')
  const resolver = new Resolver(fetcher())

  const missing = await resolver.verify(new Publisher(rules, { secret: SECRET }), 'GET', '/a', headers())
  assert.equal(missing.verdict.code, 'identity.not_found')
  assert.equal(fetched, 1)

  manifest = agent.manifest().toBytes()
  const seen = []
  const publisher = new Publisher(rules, { secret: SECRET, customPolicy: (claim) => seen.push(claim.agentId) > 0 })
  const other = new Resolver(fetcher())
  for (let count = 0; count < 2; count += 1) {
    const { verdict, pending } = await other.verify(publisher, 'GET', '/a', headers(), { now: Date.now() })
    assert.deepEqual([verdict.code, verdict.agentId, pending], [null, agent.agentId, null])
  }
  assert.equal(fetched, 2, 'a known agent fetches nothing')
  assert.equal(seen.length, 2, 'the rule is called on its own thread')

  const lone = new Publisher(rules, { secret: SECRET })
  const begun = lone.verify('GET', '/a', headers())
  assert.equal((await new Resolver(fetcher()).resume(lone, begun.pending)).verdict.code, null)

  const third = new Publisher(rules, { secret: SECRET })
  const [need] = third.verify('GET', '/a', headers()).verdict.needs
  assert.equal(await new Resolver(fetcher()).supply(third, need), undefined)
  assert.equal(third.verify('GET', '/a', headers()).verdict.code, null)
  throwsCode(() => other.supply(third, { kind: 'poem', url: need.url }), 'usage.argument')
  await rejectsCode(other.supply(third, { kind: 'redeem', url: need.url }), 'usage.argument')
  throwsType(() => other.supply({}, need))
  await assert.rejects(other.verify({}, 'GET', '/a', []), TypeError)
  await assert.rejects(other.verify(third, 'GET', '/a', 7), TypeError)
  throwsType(() => new Resolver({}))
  assert.ok(new Resolver() instanceof Resolver)
})

test('many wait at once, and the event loop goes on', async (t) => {
  const held = []
  const origin = await serving(t, (_, response) => {
    held.push(response)
    // Answered only when all are there: nobody may wait for anybody.
    if (held.length === 20) held.forEach((each) => each.end('late'))
  })
  const one = fetcher()
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => one.send('GET', `${origin}/${index}`)))
  assert.deepEqual(new Set(answers.map((answer) => answer.body.toString())), new Set(['late']))
})
