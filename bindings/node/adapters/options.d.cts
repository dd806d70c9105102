import type {
  AuditLog,
  BrokerClient,
  Feedback,
  Identity,
  Manifest,
  Need,
  Policy,
  Presented,
  Publisher,
  Redeemer,
  Resolver,
  Rotation,
  Verdict,
} from '../index.cjs'

/** What every adapter takes. Give a `policy` for a publisher of its own, or a `publisher` that is shared. */
export type AdapterOptions = AdapterHooks &
  (
    | { policy: Policy; publisher?: undefined; audit?: Audit }
    | { publisher: Publisher; policy?: undefined; audit?: undefined }
  )

/**
 * Keeps each decided verdict: a log, or a function that gets the record and, with each record, the manifest in force (`null` where there is
 * none), and has kept them when it returns: a promise is refused, and the request is answered with 503.
 */
export type Audit = AuditLog | ((record: Buffer, manifest: Buffer | null) => void | undefined)

export interface AdapterHooks {
  /** Fetches what verdicts need; its own by default. */
  resolver?: Resolver
  /**
   * Asks a broker about a visa where the policy says `check: redeem`: its client, which shows it the signed request too, or a function,
   * which gets both as `presented`; without it such visas are answered with 503. A broker pays each host by its own name: a policy with
   * origins on several needs a client for each, in an array; a function looks at `verdict.resource`.
   */
  redeem?:
    | BrokerClient
    | readonly BrokerClient[]
    | ((need: Need, visa: string, presented: Presented, verdict: Verdict) => Redemption | Promise<Redemption>)
  /**
   * Takes each visa that was accepted without asking its broker (`check: offline`), to redeem it soon after: the redeemer of that broker, or
   * an array of those of several brokers and hosts, or one for each issuer. A broker pays each host by its own name: a policy with origins on
   * several needs a redeemer for each. `onError` is told once of each issuer that has none. `close` them before the process ends.
   */
  redeemer?: Redeemer | readonly Redeemer[] | ReadonlyMap<string, Redeemer> | Readonly<Record<string, Redeemer>>
  /** How many bytes of a body whose digest the agent has signed are held to check it; 1 MiB by default. */
  maxBody?: number
  /**
   * Signs a provenance receipt for each successful answer, if the policy names the content's origin: its domain is the publisher's own,
   * where its manifest lies; with `manifest` that is served here.
   */
  identity?: Identity
  /**
   * The site's own manifest, or the rotation that keeps it, served to anybody at `/.well-known/imagxp-agent.json`: who checks a receipt, and
   * the broker that pays, need it. A site with several hosts gives an array with one for each: `Host` chooses, and the first is for every
   * other. Without the option that path is guarded like every other.
   */
  manifest?: Manifest | Rotation | readonly (Manifest | Rotation)[]
  /** How many bytes of an answer may wait for their receipt; 1 MiB by default. */
  maxReceiptBody?: number
  /** Takes feedback that holds, and the verdict on it, which names the agent. */
  onFeedback?: (feedback: Feedback, verdict: Verdict) => unknown
  /** Is told each verdict, allowed or not, before the request goes on. It cannot change it. */
  onVerdict?: (verdict: Verdict, request: { method: string; target: string }) => unknown
  /** Is told what went wrong in here or in a hook; `console.error` by default. */
  onError?: (error: unknown) => void
  /** The path below which the site lies, when a server in front of this one, or code that is no mount, has cut it from the URL: `/shop`. */
  prefix?: string
}

/** What a broker says about a visa. */
export type Redemption = 'accepted' | 'refused' | 'unavailable'
