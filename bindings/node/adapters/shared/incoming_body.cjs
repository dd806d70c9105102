'use strict'

/**
 * Reads the body of a Node request and puts it back, so that the application reads it again.
 *
 * Resolves to `{ gone: true }` when the client has left, `{ body: null }` when there are more than `max` bytes (what was read is put
 * back all the same), otherwise `{ body }`.
 */
function readIncoming(request, max) {
  return new Promise((resolve) => {
    const chunks = []
    let size = 0

    const settle = (found) => {
      request.off('readable', onReadable).off('close', onClose).off('error', onClose)
      resolve(found)
    }
    const onClose = () => settle({ gone: true })
    const onReadable = () => {
      // Never past the end of what is there: a `read()` that finds the end would say `end` before the application listens.
      while (request.readableLength > 0) {
        const chunk = request.read(request.readableLength)
        if (chunk === null) break
        chunks.push(chunk)
        size += chunk.length
      }
      if (!hasAll(request) && size <= max) return
      const body = Buffer.concat(chunks)
      if (size > 0) request.unshift(body)
      settle({ gone: false, body: size <= max ? body : null })
    }

    if (request.destroyed && !hasAll(request)) {
      onClose()
      return
    }
    request.on('readable', onReadable).on('close', onClose).on('error', onClose)
    onReadable()
  })
}

/** Whether all of the body has arrived, read or not. HTTP/2 requests say so in `complete` only after they have been read. */
function hasAll(request) {
  return request.complete || request._readableState.ended
}

module.exports = { readIncoming }
