import { withImagxp } from 'imagxp/next'
import { withReceipts } from '../../../lib/imagxp'

type Context = { params: Promise<{ slug: string }> }

export const GET = withImagxp<Context>(async (_request, { params, imagxp }) => {
  const { slug } = await params
  return Response.json({
    article: slug,
    reader: imagxp.agentId,
    visa: imagxp.payment.jti,
  })
}, withReceipts)
