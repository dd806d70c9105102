// What applications write, checked by tsc in strict mode.

import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { BrokerClient, Identity, Policy, Publisher, Redeemer, type Verdict } from 'imagxp'
import { imagxp as forExpress, type AdapterOptions } from 'imagxp/express'
import { imagxp as forFastify } from 'imagxp/fastify'
import { wrapFetch } from 'imagxp/fetch'
import { imagxp as forHono, type ImagxpEnv } from 'imagxp/hono'
import { imagxp as forKoa, type ImagxpState } from 'imagxp/koa'

const policy = Policy.fromJson({ version: 1, origins: ['https://pub.example'], purposes: {} })
const identity = Identity.generate('pub.example')
const options: AdapterOptions = {
  policy,
  identity,
  onVerdict: (verdict, { method, target }) => console.log(method, target, verdict.code),
  onFeedback: async (feedback) => console.log(feedback.reason),
  redeem: async (need, visa, presented) => (need.url !== '' && presented.visa === visa ? 'accepted' : 'refused'),
  audit: (record, manifest) => console.log(record.length, manifest?.length),
}
// @ts-expect-error a record is kept when the function returns: a promise is refused
const later: AdapterOptions = { policy, audit: async (record) => console.log(record.length) }
const redeemer = new Redeemer(new BrokerClient('https://broker.example', identity), () => {})
const several: AdapterOptions[] = [
  { policy, redeemer },
  { policy, redeemer: [redeemer] },
  { policy, redeem: [new BrokerClient('https://broker.example', identity)] },
  { policy, manifest: [identity.manifest(), identity.manifest()] },
  { policy, redeemer: new Map([[redeemer.issuer, redeemer]]) },
  { policy, redeemer: { 'https://broker.example': redeemer } },
]
// @ts-expect-error a policy or a publisher
const neither: AdapterOptions = { identity }
// @ts-expect-error not both
const both: AdapterOptions = { policy, publisher: new Publisher(policy) }

express()
  .use(forExpress(options))
  .get('/', (request, response) => {
    const verdict: Verdict = request.imagxp
    response.send(verdict.agentId)
  })

const fastify = Fastify()
await fastify.register(forFastify, { policy })
fastify.get('/', async (request) => request.imagxp?.agentId)
// @ts-expect-error it may be null
fastify.get('/a', async (request) => request.imagxp.agentId)

new Hono<ImagxpEnv>()
  .use(forHono({ publisher: new Publisher(policy) }))
  .get('/', (c) => c.text(c.get('imagxp').visitor))

new Koa<ImagxpState>().use(forKoa({ policy })).use((ctx) => {
  ctx.body = ctx.state.imagxp.agentId
})

const read = wrapFetch(fetch, {
  identity,
  purpose: 'SUMMARY',
  budget: { currency: 'EUR', perRequest: '0.05' },
  receipts: 'verify',
})
const response = await read('https://pub.example/', { method: 'GET', imagxp: { purpose: 'QUOTATION' } })
const code: string | undefined = response.imagxp?.error?.code
const origin: string | undefined = (await response.imagxp?.receipt)?.origin
console.log(code, origin, neither, both, later, several)
// @ts-expect-error an identity is needed
wrapFetch(fetch, { purpose: 'SUMMARY' })
