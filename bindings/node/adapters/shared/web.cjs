'use strict'

const { createHash } = require('node:crypto')
const { setImmediate: macrotask } = require('node:timers/promises')
const { LINGER_MS } = require('./incoming_body.cjs')
const { getsReceipt, mayWait } = require('./receipt_maker.cjs')

const NO_TRANSFORM = /(?:^|,)\s*no-transform\s*(?:,|$)/i

/** Path and query of a Web request's URL, as it is. */
function pathOf(url) {
  const from = url.indexOf('/', url.indexOf('://') + 3)
  const path = from < 0 ? '/' : url.slice(from)
  const hash = path.indexOf('#')
  return hash < 0 ? path : path.slice(0, hash)
}

/**
 * Reads the body of a Web request: `{ gone, body }` as a Guard expects it, and `replay`, a body with which the request can be made again
 * (`undefined` when it has none).
 */
async function readWeb(request, max) {
  if (request.body === null) return { gone: false, body: Buffer.alloc(0), replay: undefined }
  const reader = request.body.getReader()
  const chunks = []
  let size = 0
  try {
    while (size <= max) {
      const { done, value } = await reader.read()
      if (done) {
        const body = Buffer.concat(chunks)
        return { gone: false, body, replay: body }
      }
      chunks.push(value)
      size += value.length
    }
  } catch {
    return { gone: true, body: null, replay: undefined }
  }
  return { gone: false, body: null, replay: joined(chunks, reader) }
}

/** Reads the rest of a body and throws it away, for a while, as its request is answered: as `letGo` for a Node request. */
async function discard(body) {
  const reader = body.getReader()
  const timer = setTimeout(() => reader.cancel().catch(() => {}), LINGER_MS).unref()
  try {
    while (!(await reader.read()).done);
  } catch {
    // The client, or the server, has had enough.
  } finally {
    clearTimeout(timer)
  }
}

/** A Web response with what belongs to the verdict: the headers, as pairs, and a receipt; the guard says how much may wait for that. */
async function dress(response, { headers, receipt }, guard) {
  const fields = new Headers(response.headers)
  for (const [name, value] of headers) fields.append(name, value)
  const { status, statusText } = response
  if (receipt === null || response.body === null || !getsReceipt(status, (name) => fields.has(name))) {
    return new Response(response.body, { status, statusText, headers: fields })
  }
  const maxBody = guard.maxReceiptBody
  const { body, sha256 } = await hashed(response.body, mayWait(fields.get('content-length'), maxBody), maxBody)
  const lines = sha256 === null ? [] : signed(receipt, sha256, guard)
  for (const [name, value] of lines) fields.set(name, value)
  // The receipt is over these bytes, and Next compresses what may be compressed.
  if (lines.length > 0 && !NO_TRANSFORM.test(fields.get('cache-control')))
    fields.append('cache-control', 'no-transform')
  return new Response(body, { status, statusText, headers: fields })
}

/** The receipt's headers; none when signing fails, for the content is not to blame. */
function signed(receipt, sha256, guard) {
  try {
    return receipt.sign(sha256)
  } catch (error) {
    guard.report(error)
    return []
  }
}

/**
 * The hash of a body that has one piece, or may wait; `null` for one that is streamed, which passes through: Web responses have no
 * trailers. `body` is the same body again.
 */
async function hashed(stream, waits, maxBody) {
  const reader = stream.getReader()
  const chunks = []
  let size = 0
  for (;;) {
    const next = reader.read()
    // A body made from a text or bytes ends without waiting for anything: what is not there after all microtasks is a stream.
    const step = waits || chunks.length === 0 ? await next : await Promise.race([next, macrotask(null)])
    if (step === null) return { body: joined(chunks, reader, next), sha256: null }
    if (step.done) {
      const body = Buffer.concat(chunks)
      return { body, sha256: createHash('sha256').update(body).digest() }
    }
    chunks.push(step.value)
    size += step.value.length
    if (size > maxBody || (!waits && chunks.length > 1)) return { body: joined(chunks, reader), sha256: null }
  }
}

/** What was read, then a read that is under way, then the rest. */
function joined(chunks, reader, underWay = undefined) {
  let next = underWay
  return new ReadableStream({
    async pull(controller) {
      if (chunks.length > 0) {
        controller.enqueue(chunks.shift())
        return
      }
      const { done, value } = await (next ?? reader.read())
      next = undefined
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

module.exports = { discard, dress, pathOf, readWeb }
