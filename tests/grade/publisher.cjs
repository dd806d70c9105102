'use strict'

// The site that is graded: everything that its verifier lets pass is a page. PORT and POLICY are in the environment.

const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const from = createRequire(`${__dirname}/../../bindings/node/package.json`)

const { Policy } = from('./index.cjs')
const { imagxp } = from('./adapters/fastify.cjs')
const site = from('fastify')()

async function main() {
  const policy = Policy.fromJson(readFileSync(process.env.POLICY))
  // What a body holds is of no interest here.
  site.addContentTypeParser('*', (_, payload, done) => payload.resume().on('end', () => done(null)))
  await site.register(imagxp, { policy })
  site.route({ method: ['GET', 'HEAD', 'POST', 'PUT'], url: '/grade/*', handler: async () => 'page\n' })
  await site.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
}

main()
