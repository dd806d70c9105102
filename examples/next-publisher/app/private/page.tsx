import { headers } from 'next/headers'
import { notFound } from 'next/navigation'
import { verdictOf } from 'imagxp/next'

/** For verified agents only: the verdict decides what a page shows. */
export default async function Page() {
  const verdict = verdictOf(await headers())
  if (verdict?.visitor !== 'verified_agent') notFound()
  return <p>Private, for {verdict.agentId}.</p>
}
