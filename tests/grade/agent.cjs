'use strict'

// Reads one URL with fetch, as a crawler does. AGENT and KEY are in the environment.

const { createRequire } = require('node:module')
const from = createRequire(`${__dirname}/../../bindings/node/package.json`)

const { Identity } = from('./index.cjs')
const { wrapFetch } = from('./adapters/fetch.cjs')

async function main() {
  const identity = await Identity.load(process.env.AGENT, process.env.KEY, { allowLoopback: true })
  const signed = wrapFetch(fetch, { identity, purpose: 'RAG_RETRIEVAL', allowLoopback: true })
  await (await signed(process.argv[2])).arrayBuffer()
}

main()
