// What is asked for, as it came.

/**
 * Path and query of a request's URL. A `URL` would write them anew: an empty query would be none, and an apostrophe in one `%27`.
 */
export function targetOf(url: string): string {
  const from = url.indexOf("/", url.indexOf("://") + 3);
  const target = from < 0 ? "/" : url.slice(from);
  const fragment = target.indexOf("#");
  return fragment < 0 ? target : target.slice(0, fragment);
}

/**
 * The absolute URL that a request is served under, which its receipt names; `undefined` when nobody can tell.
 *
 * Path and query are those that came: what the agent has signed need not be what it asked for (`resource_match` `off`). Among our own origins, and only
 * among them, the URL's host may choose, or else the agent, where something before us has changed `Host`; none when the two name different ones.
 * `resource` is in its normal form, as our origins are.
 */
export function servedUrl(origins: readonly string[], url: string, resource: string | null): string | undefined {
  const { host } = new URL(url);
  const named = origins.find((origin) => isHost(origin, host));
  const signed = origins.find((origin) => resource?.startsWith(`${origin}/`));
  const origin = named ?? signed;
  return origin === undefined || (signed ?? origin) !== origin ? undefined : origin + targetOf(url);
}

/** Whether a URL's host names this origin, its scheme's own port written or not: the URL's scheme need not be the origin's. */
function isHost(origin: string, host: string): boolean {
  const [scheme, own] = origin.split("://");
  return host === own || host === `${own}:${scheme === "https" ? 443 : 80}`;
}
