import { manifest } from '../../../lib/imagxp'

// Outside the proxy: whoever checks a receipt needs our key.
export function GET() {
  return Response.json(manifest, {
    headers: { 'cache-control': 'public, max-age=300' },
  })
}

// The key is made when the server starts.
export const dynamic = 'force-dynamic'
