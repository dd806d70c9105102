'use strict'

const { codes } = require('../../index.cjs')

/** An answer of ours: `status`, `headers` as pairs, `body` as a Buffer. */
class Answer {
  constructor(status, headers, body) {
    this.status = status
    this.headers = headers
    this.body = body
  }

  /** One whose body is JSON. */
  static json(status, headers, body) {
    const own = [
      ['content-type', 'application/json'],
      ['content-length', String(body.length)],
    ]
    return new Answer(status, [...own, ...headers], body)
  }

  /** What a refused request gets. */
  static refusal(verdict, headers) {
    return Answer.json(verdict.http, headers, verdict.body())
  }

  /** The public policy, for anyone. */
  static policy(body) {
    const headers = [
      ['cache-control', 'public, max-age=300'],
      ['access-control-allow-origin', '*'],
    ]
    return Answer.json(200, headers, body)
  }

  /** A fault of ours. It says nothing of what went wrong. */
  static fault() {
    const { name, hint, message, retry } = codes.byName('internal.invariant')
    return Answer.json(
      500,
      [['cache-control', 'no-store']],
      Buffer.from(JSON.stringify({ error: { code: name, hint, message, retry } })),
    )
  }

  /** As a Web `Response`. */
  toResponse(method) {
    // A status like 304 allows no body, not even an empty one.
    const body = method === 'HEAD' || this.body.length === 0 ? null : this.body
    return new Response(body, { status: this.status, headers: this.headers })
  }
}

module.exports = { Answer }
