// npm start               the publisher on http://127.0.0.1:8402, and visitors who come by until Ctrl+C
// npm start -- --once     every visit once, on a free port; exit code 0 if each came to what it must
// npm start -- --alone    the publisher alone

import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Dashboard } from './dashboard.js'
import { openPublisher } from './publisher.js'
import { openAgent, openBroker, visits } from './visitors.js'

const { values } = parseArgs({
  options: {
    once: { type: 'boolean' },
    alone: { type: 'boolean' },
    port: { type: 'string' },
  },
})

const broker = await openBroker()
const agent = await openAgent()
let dashboard
const onVerdict = (verdict, request) => dashboard.add(verdict, request)
const publisher = await openPublisher({
  broker: broker.issuer,
  port: Number(values.port ?? (values.once ? 0 : 8402)),
  onVerdict,
})
dashboard = new Dashboard(`${publisher.origin}   agent ${agent.identity.agentId}   broker ${broker.issuer}`)

let leaving = false
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (leaving = true))

const wrong = []
const todo = values.alone ? [] : visits({ origin: publisher.origin, agent, broker })
while (!leaving) {
  for (const [what, status, code, visit] of todo) {
    if (leaving) break
    const came = await outcome(visit)
    if (came.status !== status || came.code !== code) wrong.push(`${what}: ${came.status} ${came.code}`)
    if (!values.once) await pause(700)
  }
  if (values.once) break
  if (values.alone) await pause(200)
}

await Promise.all([publisher, agent, broker].map((one) => one.close()))
for (const line of wrong) console.error(`not as stated: ${line}`)
if (values.once) console.log(`${todo.length - wrong.length} of ${todo.length} visits as stated`)
process.exitCode = wrong.length > 0 ? 1 : 0

async function outcome(visit) {
  const response = await visit()
  const body = await response.text()
  // A receipt that was asked for has been checked by now; one that does not hold is an exception.
  await response.imagxp?.receipt
  return {
    status: response.status,
    code: response.ok ? undefined : JSON.parse(body).error.code,
  }
}
