'use strict'

const { codes } = require('../../index.cjs')

/** An answer of ours: `status`, `headers` as pairs, `body` as a Buffer. */
class Answer {
  constructor(status, headers, body) {
    this.status = status
    this.headers = [['content-type', 'application/json'], ['content-length', String(body.length)], ...headers]
    this.body = body
  }

  /** What a refused request gets. */
  static refusal(verdict, headers) {
    return new Answer(verdict.http, headers, verdict.body())
  }

  /** The public policy, for anyone. */
  static policy(body) {
    const headers = [
      ['cache-control', 'public, max-age=300'],
      ['access-control-allow-origin', '*'],
    ]
    return new Answer(200, headers, body)
  }

  /** A fault of ours. It says nothing of what went wrong. */
  static fault() {
    const { name, hint, message, retry } = codes.byName('internal.invariant')
    return new Answer(
      500,
      [['cache-control', 'no-store']],
      Buffer.from(JSON.stringify({ error: { code: name, hint, message, retry } })),
    )
  }

  /** As a Web `Response`. */
  toResponse(method) {
    return new Response(method === 'HEAD' ? null : this.body, { status: this.status, headers: this.headers })
  }
}

module.exports = { Answer }
