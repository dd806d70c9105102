import { headers } from 'next/headers'
import { verdictOf } from 'imagxp/next'

export default async function Page() {
  const verdict = verdictOf(await headers())
  return <p>Read by {verdict === null ? 'nobody we know' : (verdict.agentId ?? verdict.visitor)}.</p>
}
