import { withImagxp } from 'imagxp/next'
import { withReceipts } from '../../lib/imagxp'

// What a handler sees, also of a body that was read to check the digest that its agent has signed.
const seen = withImagxp(async (request, { imagxp }) => {
  return Response.json({
    body: await request.text(),
    headers: Object.fromEntries(request.headers),
    path: request.nextUrl.pathname,
    visitor: imagxp.visitor,
  })
}, withReceipts)

export const GET = seen
export const POST = seen
