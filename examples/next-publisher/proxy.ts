import { imagxpProxy } from 'imagxp/next'
import { options } from './lib/imagxp'

// Pages: a refused request never reaches them. It serves the policy and our manifest, too.
export const proxy = imagxpProxy(options)

export const config = {
  // Everything but what Next serves for pages, and the handlers that are wrapped themselves.
  matcher: ['/((?!_next/|favicon\\.ico$|articles/|premium/|echo$|stream$).*)'],
}
