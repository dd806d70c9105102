// What a user of ECMAScript modules writes, compiled with `strict`: types only, it is not run.

import {
  Action,
  Agent,
  AuditLog,
  Caps,
  FetchError,
  Fetcher,
  Identity,
  ImagxpError,
  MemoryReplayStore,
  Policy,
  PrivateKey,
  Publisher,
  Resolver,
  Verification,
  Wallet,
  codes,
  version,
  type Headers,
  type Purpose,
  type ReplayStore,
  type Verdict,
} from 'imagxp'
import type { IncomingMessage } from 'node:http'

class Store implements ReplayStore {
  insertIfAbsent(key: Uint8Array, agent: Uint8Array, expiresAt: number, now: number): 'fresh' | 'seen' {
    return key.length + agent.length + expiresAt + now > 0 ? 'fresh' : 'seen'
  }
  seen(): boolean {
    return false
  }
  horizon(): number | null {
    return null
  }
}

export async function serve(request: IncomingMessage): Promise<Verdict> {
  const policy = Policy.fromJson({ version: 1, origins: ['https://pub.example'], purposes: {} })
  const publisher = new Publisher(policy, {
    secret: new Uint8Array(16),
    replayStore: new Store(),
    customPolicy: (claim, path) => claim.agentId !== path,
    audit: (record, manifest) => void [record.length, manifest?.length],
  })
  const forms: Headers[] = [
    request.rawHeaders,
    [['a', 'b']],
    new globalThis.Headers(),
    request.headers,
    new Map([['a', 'b']]),
  ]
  const verification: Verification = publisher.verify(request.method ?? 'GET', request.url ?? '/', forms[0]!, {
    now: new Date(),
  })
  const { verdict }: { verdict: Verdict } = await new Resolver(new Fetcher()).verify(
    publisher,
    'GET',
    '/',
    request.rawHeaders,
  )
  const outcome: 'allow' | 'deny' | 'undecided' = verdict.outcome
  const body: Buffer = verdict.body()
  const pairs: [string, string][] = verdict.responseHeaders
  const purpose: Purpose | null = verdict.purpose
  void [outcome, body, pairs, purpose, codes.byName('sig.invalid')?.http, version]
  // @ts-expect-error a pending verification may be missing
  publisher.resume(verification.pending)
  // @ts-expect-error what a promise keeps is not kept yet
  new Publisher(policy, { audit: async (record) => console.log(record.length) })
  // @ts-expect-error the name of an option
  new Publisher(policy, { replay_store: new MemoryReplayStore() })
  // @ts-expect-error verdicts are made by publishers
  verdict.outcome = 'allow'
  // @ts-expect-error a purpose that there is not
  Identity.generate('a.example').sign('GET', 'https://pub.example/', 'READING')
  return verification.verdict
}

export async function read(key: PrivateKey): Promise<Buffer> {
  const wallet = new Wallet([new Caps('USD', '0.05', { perDay: '1' })])
  const agent = new Agent(new Identity('a.example', key), 'SUMMARY', 'TestBot', {
    wallet,
    brokers: ['https://b.example'],
  })
  const next: Promise<Action> = agent.visit('GET', 'https://pub.example/').answeredAsync(402, [], '{}')
  void next
  try {
    return (await agent.read('https://pub.example/')).body
  } catch (error) {
    if (error instanceof FetchError) return Buffer.from(error.failure)
    if (error instanceof ImagxpError) return Buffer.from(error.code)
    throw error
  }
}

export const report: Promise<boolean> = AuditLog.verify('log', []).then(({ intact }) => intact)
