import { withImagxp } from 'imagxp/next'
import { withReceipts } from '../../../lib/imagxp'

type Context = { params: Promise<{ slug: string }> }

export const GET = withImagxp<Context>(async (_request, { params, imagxp }) => {
  const { slug } = await params
  return new Response(`Article ${slug}, for ${imagxp.agentId ?? imagxp.visitor}.\n`)
}, withReceipts)
