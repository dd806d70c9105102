// A third verifier, on what Node brings along, JSON.parse, URL and WebCrypto, and on `jose` for visas and key sets. Written from PROTOCOL alone,
// as a web engineer would write it in an afternoon. Where a platform's own ways differ from PROTOCOL, intended.json says so, once for each.

import { createInterface } from 'node:readline'
import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors } from '../../bindings/node/node_modules/jose/dist/webapi/index.js'

const { subtle } = globalThis.crypto
const STATUS = [
  [503, /^(identity\.manifest_needed|payment\.jwks_needed)$/],
  [403, /^(policy\.|claim\.resource_mismatch|claim\.method_mismatch|method\.)/],
  [413, /^header\.too_large$/],
  [402, /^payment\.(?!malformed)/],
  [409, /^replay\.nonce_seen$/],
  [401, /^(auth|time|identity)\.|^sig\.invalid$/],
  [400, /./],
]
const PURPOSES = ['CRAWL_TRAINING', 'RAG_RETRIEVAL', 'SUMMARY', 'QUOTATION', 'EMBEDDING']
const NOWHERE = 'https://relative.invalid'
const ED25519 = Buffer.from('302a300506032b6570032100', 'hex')

class Refused extends Error {}
const refuse = (code) => {
  throw new Refused(code)
}

function headersOf(lines) {
  const total = lines.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0)
  if (lines.length > 100 || total > 32 * 1024) refuse('header.too_large')
  const ours = lines.map(([name, value]) => [name.toLowerCase(), value.trim()]).filter(([name]) => name.startsWith('x-imagxp-'))
  const limits = { payload: 12288, 'public-key': 512, payment: 8192, credential: 8192 }
  for (const [name, value] of ours) if (value.length > (limits[name.slice(9)] ?? Infinity)) refuse('header.too_large')
  const found = new Map()
  for (const [name, value] of ours) {
    if (found.has(name)) refuse('header.duplicate')
    found.set(name, value)
  }
  for (const name of ['payload', 'signature']) if (found.get(`x-imagxp-${name}`)?.includes(',')) refuse('header.duplicate')
  const [payment, credential] = ['x-imagxp-payment', 'x-imagxp-credential'].map((name) => found.get(name))
  if (payment !== undefined && credential !== undefined && payment !== credential) refuse('header.conflict')
  found.set('payment', payment ?? credential)
  return found
}

function unbase64(text) {
  const bare = text.replace(/={1,2}$/, '')
  const bytes = Buffer.from(bare, 'base64')
  const again = /[-_]/.test(bare) ? bytes.toString('base64url') : bytes.toString('base64').replace(/=+$/, '')
  // Node forgives much; what it read must be what was written.
  if (again !== bare || (text !== bare && text.length % 4 !== 0)) refuse('header.base64_invalid')
  return bytes
}

function parse(bytes) {
  if (bytes.length > 8192) refuse('header.too_large')
  let text
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    refuse('json.invalid_unicode')
  }
  let value
  try {
    value = JSON.parse(text)
  } catch {
    refuse('json.malformed')
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) refuse('json.malformed')
  const look = (item, depth) => {
    if (typeof item === 'string' && !item.isWellFormed()) refuse('json.invalid_unicode')
    if (typeof item === 'number' && !Number.isFinite(item)) refuse('json.number_range')
    if (item === null || typeof item !== 'object') return
    if (depth > 8) refuse('json.too_deep')
    const inner = Array.isArray(item) ? item : Object.entries(item).flat()
    if (!Array.isArray(item) && inner.length > 128) refuse('json.too_many')
    for (const each of inner) look(each, depth + 1)
  }
  look(value, 1)
  return value
}

/** RFC 8785: JavaScript writes numbers and strings as it wants them; the members are sorted by UTF-16 units, as sort() does. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const members = Object.keys(value).sort()
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`
}

function isAgentId(text) {
  if (typeof text !== 'string' || text.length > 253 || !text.includes('.')) return false
  const labels = text.split('.')
  return labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) && !/^\d+$/.test(labels.at(-1))
}

function moment(claim) {
  if (claim.timestamp !== undefined) {
    const { timestamp, v } = claim
    if (claim.ts !== undefined || (v !== undefined && v !== '1.0') || !Number.isInteger(timestamp)) refuse('claim.ts_invalid')
    return timestamp * 1000
  }
  if (typeof claim.ts !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(claim.ts)) refuse('claim.ts_invalid')
  const date = new Date(claim.ts)
  // Date rolls 30 February over to March; what it read must be what was written.
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 19) !== claim.ts.slice(0, 19)) refuse('claim.ts_invalid')
  if (date.getUTCFullYear() < 2000 || date.getUTCFullYear() > 2100) refuse('claim.ts_invalid')
  return date.getTime()
}

function readClaim(claim) {
  if (!isAgentId(claim.agent_id)) refuse('claim.agent_id_invalid')
  if (!PURPOSES.includes(claim.purpose)) refuse('claim.purpose_invalid')
  const millis = moment(claim)
  if (typeof claim.nonce !== 'string' || !/^[A-Za-z0-9._~-]{16,128}$/.test(claim.nonce)) refuse('claim.nonce_invalid')
  let resource
  if (claim.resource !== undefined) {
    if (typeof claim.resource !== 'string' || claim.resource.includes('#')) refuse('claim.resource_invalid')
    // A path alone names no origin: this one is nobody's.
    const base = /^\/(?!\/)/.test(claim.resource) ? NOWHERE : undefined
    try {
      resource = new URL(claim.resource, base)
    } catch {
      refuse('claim.resource_invalid')
    }
    if (!/^https?:$/.test(resource.protocol) || resource.username !== '') refuse('claim.resource_invalid')
  }
  if (typeof (claim.method ?? '') !== 'string') refuse('claim.method_mismatch')
  if (claim.content_digest !== undefined && typeof claim.content_digest !== 'string') refuse('claim.digest_mismatch')
  const { context } = claim
  if (context !== undefined) {
    if (context === null || typeof context !== 'object' || Array.isArray(context)) refuse('claim.context_invalid')
    if (typeof (context.ads_displayed ?? true) !== 'boolean') refuse('claim.context_invalid')
  }
  return { millis, resource }
}

async function readKey(der) {
  const edwards = der.subarray(0, ED25519.length).equals(ED25519)
  const algorithm = edwards ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256' }
  try {
    return await subtle.importKey('spki', der, algorithm, true, ['verify'])
  } catch {
    refuse('key.malformed')
  }
}

const verifies = (key, signature, bytes) =>
  subtle.verify(key.algorithm.name === 'Ed25519' ? 'Ed25519' : { name: 'ECDSA', hash: 'SHA-256' }, key, signature, bytes)

async function thumbprint(key) {
  const { crv, kty, x, y } = await subtle.exportKey('jwk', key)
  const digest = await subtle.digest('SHA-256', Buffer.from(canonical(y === undefined ? { crv, kty, x } : { crv, kty, x, y })))
  return Buffer.from(digest).toString('base64url')
}

async function identify(kase, claim, made, hint) {
  const manifest = kase.manifests[`https://${claim.agent_id}/.well-known/imagxp-agent.json`]
  const hinted = hint && (await readKey(hint))
  if (hinted && !(await made(hinted))) refuse('sig.invalid')
  if (manifest === undefined) refuse('identity.manifest_needed')
  const published = await readKey(Buffer.from(manifest.public_key, 'base64'))
  if (!hinted) return (await made(published)) ? published : refuse('sig.invalid')
  if ((await thumbprint(hinted)) !== (await thumbprint(published))) refuse('identity.key_mismatch')
  return hinted
}

async function checkVisa(kase, claim, token, key, now, uses) {
  const parts = token.split('.')
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) refuse('payment.malformed')
  let header, claims
  try {
    header = decodeProtectedHeader(token)
  } catch {
    refuse('payment.malformed')
  }
  const invalid = (bad) => bad && refuse('payment.invalid_token')
  // jose knows `b64` and ignores what points to keys elsewhere; PROTOCOL §8 refuses both.
  invalid(['jku', 'x5u', 'jwk', 'crit', 'b64'].some((name) => name in header) || typeof header.kid !== 'string')
  try {
    claims = decodeJwt(token)
  } catch {
    invalid(true)
  }
  const broker = kase.policy.payment.brokers.find(({ issuer }) => issuer === claims.iss)
  invalid(!broker || !/^(application\/)?(imagxp-visa\+jwt|jwt)$/i.test(header.typ))
  try {
    // Its claims are judged below, by PROTOCOL's leeways.
    await compactVerify(token, createLocalJWKSet(kase.jwks[broker.jwks_uri]), { algorithms: ['ES256'] })
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    invalid(true)
  }
  const absentOr = (name, ...types) => claims[name] !== undefined && !types.includes(typeof claims[name])
  invalid(['sub', 'jti', 'payment_status', 'currency'].some((name) => absentOr(name, 'string')))
  invalid(typeof claims.exp !== 'number' || typeof claims.iat !== 'number' || absentOr('amount', 'string', 'number'))
  invalid('cnf' in claims && (claims.cnf === null || typeof claims.cnf !== 'object'))
  const bound = claims.cnf?.jkt
  invalid(bound !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(typeof bound === 'string' ? bound : ''))
  const { purposes } = claims
  invalid(purposes !== undefined && !(Array.isArray(purposes) && purposes.every((purpose) => typeof purpose === 'string')))
  const most = claims.max_uses
  invalid(most !== undefined && !(Number.isInteger(most) && most >= 1 && most <= 1_000_000))
  invalid(typeof claims.amount === 'string' && !/^(0|[1-9][0-9]{0,20})(\.[0-9]{1,18})?$/.test(claims.amount))
  const audience = [claims.aud].flat()
  invalid(!audience.every((one) => typeof one === 'string'))
  if (!audience.some((one) => one === 'https://pub.example' || one === 'pub.example')) refuse('payment.wrong_audience')
  if (now > (claims.exp + 5) * 1000) refuse('payment.expired')
  invalid(claims.iat * 1000 > now + 5000 || claims.exp - claims.iat > 3600 || claims.exp < claims.iat)
  invalid(!(claims.jti?.length >= 8 && claims.jti.length <= 128) || claims.sub === undefined)
  if (claims.sub !== claim.agent_id || (bound !== undefined && bound !== (await thumbprint(key)))) refuse('payment.wrong_holder')
  if ((claims.payment_status ?? 'paid') !== 'paid') refuse('payment.insufficient')
  const [{ price }] = kase.policy.paths
  if (claims.currency !== price.currency || !(Number(claims.amount) >= Number(price.amount))) refuse('payment.insufficient')
  invalid(purposes !== undefined && !purposes.includes(claim.purpose))
  const shown = JSON.stringify([claims.iss, claims.jti])
  if ((uses.get(shown) ?? 0) >= (claims.max_uses ?? 1)) refuse('payment.already_used')
  uses.set(shown, (uses.get(shown) ?? 0) + 1)
}

/** Digests by algorithm, as RFC 9530 writes them; nothing when it is no dictionary of them. */
function digests(text) {
  const found = text.split(',').map((part) => /^[ \t]*([a-z0-9_.*-]+)=:([A-Za-z0-9+/]*={0,2}):[ \t]*$/.exec(part))
  const names = new Map(found.filter(Boolean).map(([, name, value]) => [name, value]))
  return names.size === found.length && names.size <= 4 ? names : new Map()
}

function digestsAgree(signed, body) {
  const [one, two] = [digests(signed), digests(body ?? '')]
  const both = [...one.keys()].filter((name) => two.has(name))
  return both.length > 0 && both.every((name) => one.get(name) === two.get(name))
}

async function verify(kase, step, nonces, uses) {
  const { request } = step
  const { policy } = kase
  const headers = headersOf(request.headers)
  const header = (name) => headers.get(`x-imagxp-${name}`)
  const [payloadText, hex] = [header('payload'), header('signature')]
  if (payloadText === undefined && hex === undefined && headers.get('payment') === undefined) refuse('auth.required')
  if (payloadText === undefined || hex === undefined) refuse('header.missing')
  const payload = unbase64(payloadText)
  const hint = header('public-key') === undefined ? undefined : unbase64(header('public-key'))
  if (!/^[0-9a-f]{128}$/i.test(hex)) refuse('sig.malformed')
  const signature = Buffer.from(hex, 'hex')
  const claim = parse(payload)
  const { millis, resource } = readClaim(claim)
  if (header('agent-id') !== undefined && header('agent-id') !== claim.agent_id) refuse('header.conflict')
  if (header('timestamp') !== undefined && moment({ ts: header('timestamp') }) !== millis) refuse('header.conflict')
  if (claim.v !== undefined && claim.v !== '1.0' && claim.v !== '1.1') refuse('claim.version_unsupported')
  const now = moment({ ts: step.now })
  if (now - millis > 300_000) refuse('time.expired')
  if (millis - now > 60_000) refuse('time.future')
  const nonce = JSON.stringify([claim.agent_id, claim.nonce])
  if (nonces.has(nonce)) refuse('replay.nonce_seen')
  const bytes = Buffer.from(canonical(claim))
  const made = async (key) => (await verifies(key, signature, bytes)) || (!payload.equals(bytes) && verifies(key, signature, payload))
  if (resource === undefined) refuse('claim.resource_invalid')
  const bases = policy.resource_match === 'path' ? ['https://pub.example', NOWHERE] : ['https://pub.example']
  if (!bases.some((base) => resource.href === new URL(request.url, base).href)) {
    const key = hint && (await readKey(hint).catch(() => undefined))
    refuse(key && !(await made(key)) ? 'sig.invalid' : 'claim.resource_mismatch')
  }
  if ((claim.method ?? request.method) !== request.method) refuse('claim.method_mismatch')
  if (!policy.methods.includes(request.method)) refuse('method.not_allowed')
  if (claim.content_digest !== undefined && !digestsAgree(claim.content_digest, request.body_digest)) refuse('claim.digest_mismatch')
  const key = await identify(kase, claim, made, hint)
  const names = key.algorithm.name === 'Ed25519' ? ['eddsa', 'ed25519'] : ['es256', 'ecdsa-p256-sha256', 'ecdsa']
  if (header('alg') !== undefined && !names.includes(header('alg').toLowerCase())) refuse('header.conflict')
  nonces.add(nonce)
  if (policy.agents.some(({ match, allow }) => match === claim.agent_id && !allow)) refuse('policy.agent_denied')
  if (policy.purposes[claim.purpose]?.allow !== true) refuse('policy.purpose_denied')
  if (resource.pathname.startsWith('/premium/')) {
    if (headers.get('payment') === undefined) refuse('payment.required')
    await checkVisa(kase, claim, headers.get('payment'), key, now, uses)
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const kase = JSON.parse(line)
  const [nonces, uses, results] = [new Set(), new Map(), []]
  for (const step of kase.steps) {
    let answer = { outcome: 'allow', code: null, http: 200 }
    try {
      await verify(kase, step, nonces, uses)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      const http = STATUS.find(([, pattern]) => pattern.test(error.message))[0]
      answer = { outcome: http >= 500 ? 'undecided' : 'deny', code: error.message, http }
    }
    results.push(answer)
  }
  console.log(JSON.stringify({ id: kase.id, results }))
}
