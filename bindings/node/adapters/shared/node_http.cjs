'use strict'

const { AnsweredResponse } = require('./answered_response.cjs')
const { stripIncoming } = require('./headers.cjs')
const { letGo, readIncoming } = require('./incoming_body.cjs')

/** What a Guard needs to know of a Node request; `url` is the path and query that are served. */
function asked(request, url) {
  return {
    method: request.method,
    url,
    headers: request.rawHeaders,
    host: request.headers.host ?? request.headers[':authority'],
    localAddress: request.socket?.localAddress,
    readBody: (max) => readIncoming(request, max),
  }
}

/** Lets a request on to the application: without what only we may say, and with our headers on the answer. */
function passOn(guard, request, response, { headers, receipt }) {
  stripIncoming(request)
  if (headers.length > 0 || receipt !== null) {
    const report = (error) => guard.report(error)
    new AnsweredResponse(request, response, { headers, receipt, maxBody: guard.maxReceiptBody, report }).attach()
  }
}

module.exports = { asked, letGo, passOn }
