// Who comes by: an agent with a domain of its own, a broker it buys from, browsers, and some who should not get in. All on 127.0.0.1.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Identity, Manifest, PrivateKey, assertionAgent, issueVisa, manifestUrl, verifyAssertion } from 'imagxp'
import { wrapFetch } from 'imagxp/fetch'

const BROWSER = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0',
  'accept-language': 'en-GB',
  'sec-fetch-mode': 'navigate',
}

/** An agent, whose domain serves its manifest. */
export async function openAgent() {
  const { origin, close } = await serve((_, response) =>
    response.end(identity.manifest({ contact: 'bot@agent.example' }).toBytes()),
  )
  const identity = Identity.generate(new URL(origin).host, 'ES256', {
    allowLoopback: true,
  })
  return { identity, close }
}

/** A test broker: its keys, and visas for agents who prove who they are. A real one has a ledger. */
export async function openBroker() {
  const key = PrivateKey.generate()
  const jwks = JSON.stringify({
    keys: [{ ...key.publicKey.toJwk(), kid: key.publicKey.thumbprint }],
  })
  let sold = 0
  const { origin, close } = await serve(async (request, response) => {
    if (request.url === '/.well-known/jwks.json') return response.end(jwks)
    const form = new URLSearchParams(await text(request))
    const assertion = form.get('client_assertion')
    const agentId = assertionAgent(assertion, { allowLoopback: true })
    const manifest = await (await fetch(manifestUrl(agentId, { allowLoopback: true }))).text()
    const holder = verifyAssertion(
      assertion,
      Manifest.parse(manifest, agentId, { allowLoopback: true }),
      `${origin}/oauth/token`,
    )
    const visa = issueVisa(key, {
      issuer: origin,
      audience: form.get('resource'),
      agentId: holder.agentId,
      jkt: holder.keyId,
      jti: `visa-${String((sold += 1)).padStart(6, '0')}`,
      amount: form.get('amount'),
      currency: form.get('currency'),
      allowLoopback: true,
    })
    return response.end(
      JSON.stringify({
        access_token: visa,
        token_type: 'Bearer',
        expires_in: 600,
      }),
    )
  })
  return { issuer: origin, tokenEndpoint: `${origin}/oauth/token`, close }
}

/** What the visitors do, each with the status and the code it must come to. */
export function visits({ origin, agent, broker }) {
  const { identity } = agent
  const reader = (purpose, more) =>
    wrapFetch(fetch, {
      identity,
      purpose,
      allowLoopback: true,
      receipts: 'require',
      ...more,
    })
  const budget = { currency: 'EUR', perRequest: '0.05', perDay: '1' }
  const brokers = [[broker.issuer, broker.tokenEndpoint]]
  const read = reader('RAG_RETRIEVAL')
  const buy = reader('RAG_RETRIEVAL', { budget, brokers })
  const forger = wrapFetch(fetch, {
    identity: new Identity(identity.agentId, PrivateKey.generate(), {
      allowLoopback: true,
    }),
    purpose: 'RAG_RETRIEVAL',
  })
  let copied
  const copying = wrapFetch((url, init) => ((copied = init.headers), fetch(url, init)), {
    identity,
    purpose: 'SUMMARY',
  })

  return [
    ['an agent reads an article, and checks the receipt', 200, undefined, () => read(`${origin}/posts/1`)],
    ['an agent trains on it', 403, 'policy.purpose_denied', () => reader('CRAWL_TRAINING')(`${origin}/posts/1`)],
    ['an agent does not pay', 402, 'payment.required', () => read(`${origin}/premium/1`)],
    ['an agent pays', 200, undefined, () => buy(`${origin}/premium/1`)],
    ['somebody sends a read of its own', 200, undefined, () => copying(`${origin}/posts/2`)],
    ['somebody sends that again', 409, 'replay.nonce_seen', () => fetch(`${origin}/posts/2`, { headers: copied })],
    ['somebody uses the name of the agent', 401, 'identity.key_mismatch', () => forger(`${origin}/posts/1`)],
    ['a browser', 200, undefined, () => fetch(`${origin}/posts/1`, { headers: BROWSER })],
    [
      'a browser wants what is paid for',
      401,
      'auth.required',
      () => fetch(`${origin}/premium/1`, { headers: BROWSER }),
    ],
    [
      'a program that does not say who it is',
      401,
      'auth.required',
      () =>
        fetch(`${origin}/posts/1`, {
          headers: { 'user-agent': 'reader-bot/1.0' },
        }),
    ],
    [
      'the same program reads robots.txt',
      200,
      undefined,
      () =>
        fetch(`${origin}/robots.txt`, {
          headers: { 'user-agent': 'reader-bot/1.0' },
        }),
    ],
  ]
}

async function serve(handler) {
  const server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch((error) =>
      response.writeHead(400).end(JSON.stringify({ error: error.message })),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { origin: `http://127.0.0.1:${server.address().port}`, close }
}
