import { withImagxp } from 'imagxp/next'
import { withReceipts } from '../../lib/imagxp'

export const GET = withImagxp(async () => {
  let piece = 0
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      if ((piece += 1) > 3) controller.close()
      else controller.enqueue(new TextEncoder().encode(`piece ${piece}\n`))
    },
  })
  return new Response(body)
}, withReceipts)
