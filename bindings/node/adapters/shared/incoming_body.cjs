'use strict'

/** How long a client may send on that is answered already. */
const LINGER_MS = 30_000

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

/**
 * Lets go of the rest of a body that was read in part and whose request is about to be answered: it is read and thrown away, for a while.
 *
 * A client that is still sending reads its answer later. Node does as much for a body that nobody has touched; of any other it would read
 * nothing more, and in the end reset the connection, with the answer unread.
 */
function letGo(request) {
  if (!request.readableDidRead || hasAll(request)) return
  if (request.stream !== undefined) {
    // HTTP/2 has a word for it: the answer is complete, send no more (RFC 9113 §8.1).
    request.stream.once('finish', () => setImmediate(() => request.stream.close()))
  } else {
    const timer = setTimeout(() => request.destroy(), LINGER_MS).unref()
    request.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
  }
  request.resume()
}

/** Whether all of the body has arrived, read or not. HTTP/2 requests say so in `complete` only after they have been read. */
function hasAll(request) {
  return request.complete || request._readableState.ended
}

module.exports = { LINGER_MS, letGo, readIncoming }
