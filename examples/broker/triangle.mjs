// A broker on this machine, an agent and a publisher: deposit, visa, redemption, feedback, statement. Needs `imagxp` on the path.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { BrokerClient, Feedback, Identity, Presented, Redeemer } from 'imagxp'

/** A domain on this machine, which publishes its manifest as every domain does. */
async function domain() {
  const server = createServer((_, response) => response.end(identity.manifest().toBytes())).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const identity = Identity.generate(`127.0.0.1:${server.address().port}`, 'ES256', { allowLoopback: true })
  return { server, identity }
}

/** A port that nobody has at the moment, below those that systems hand out by themselves: nobody comes to have it by chance. */
async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    const probe = createServer().listen(port, '127.0.0.1')
    const free = await once(probe, 'listening').then(() => true, () => false)
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}

const [agent, site] = [await domain(), await domain()]
const listen = `127.0.0.1:${await freePort()}` // its issuer is its address, so the broker's port must be known before
const data = await mkdtemp(join(tmpdir(), 'imagxp-'))
const args = ['--json', 'serve', '--dev', '--listen', listen, '--admin-listen', '127.0.0.1:0', '--data', data]
const service = spawn('imagxp', args, { stdio: ['ignore', 'pipe', 'ignore'] })
const [told] = await once(createInterface(service.stdout), 'line')
const { issuer, operator_token: token } = JSON.parse(told)
const options = { allowLoopback: true } // not for a real broker

const operator = BrokerClient.operator(issuer, token, options)
await operator.deposit(agent.identity.agentId, '10.00', { reference: 'bank-4711', asset: 'USD' })

// The agent: `Agent` buys by itself when a 402 asks for it; here it is done by hand.
const origin = `http://${site.identity.agentId}`
const buyer = new BrokerClient(issuer, agent.identity, options)
const visa = await buyer.issue(origin, '0.05', 'USD', 'SUMMARY', { key: 'purchase-of-today-1' }) // asked again: the same visa
const requests = [agent.identity.sign('GET', `${origin}/article`, 'SUMMARY', { payment: visa.token })]

// The publisher, after it has served.
const broker = new BrokerClient(issuer, site.identity, options)
const redeemer = new Redeemer(broker, (presented, result, error) => {
  console.log(error ? `not presented: ${error.code}` : `redeemed: ${result.jti} ${result.amount}`)
}) // at startup, one for the process
for (const headers of requests) redeemer.push(Presented.ofRequest(headers)) // for each verdict with a visa; the adapters do it: { redeemer }
await redeemer.close(30_000) // before the process ends: in the handler of SIGTERM, when the server is closed

// The agent, when it has read.
const said = await buyer.feedback(new Feedback(`${origin}/article`, 0.9, 'HIGH_QUALITY', { jti: visa.jti }))
const { closing, transfers } = await broker.statement()
console.log(said.state, closing, transfers.length)

service.kill()
await once(service, 'exit')
await rm(data, { recursive: true })
for (const { server } of [agent, site]) {
  server.close()
  server.closeAllConnections()
}
