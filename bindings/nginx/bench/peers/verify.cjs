// A peer of the module: what someone writes behind auth_request, with node:crypto and nothing else. It checks method, target, time, nonce and signature
// (ECDSA P-256, key read once). No strict JSON, no canonical form, no policy, no verdict.
//
// Usage: node verify.cjs SPKI_BASE64 PORT

const crypto = require('node:crypto')
const http = require('node:http')

const key = crypto.createPublicKey({ key: Buffer.from(process.argv[2], 'base64'), format: 'der', type: 'spki' })
const seen = new Set()

function allowed(request) {
  const payload = Buffer.from(request.headers['x-imagxp-payload'] ?? '', 'base64')
  const claim = JSON.parse(payload.toString('utf8'))
  const signature = Buffer.from(request.headers['x-imagxp-signature'] ?? '', 'hex')
  if (claim.method !== 'GET' || claim.resource !== 'https://pub.example' + request.headers['x-original-uri']) return false
  if (Math.abs(Date.now() - Date.parse(claim.ts)) > 300_000 || seen.has(claim.nonce)) return false
  if (!crypto.verify('sha256', payload, { key, dsaEncoding: 'ieee-p1363' }, signature)) return false
  seen.add(claim.nonce)
  return true
}

http
  .createServer((request, response) => {
    let good = false
    try {
      good = allowed(request)
    } catch {
      // Not even a claim.
    }
    response.writeHead(good ? 204 : 401).end()
  })
  .listen(Number(process.argv[3]), '127.0.0.1')
