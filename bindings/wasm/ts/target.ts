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
 * What an agent has signed counts only where it was compared with the request: with `resource_match` `off` it may be any URL. And only when the URL's
 * host names no other of our origins, whose page this may be.
 */
export function servedUrl(policy: { origins: string[]; resourceMatch: string }, url: string, resource: string | null): string | undefined {
  // Among our own origins, and only among them, the URL's host may choose.
  const { host } = new URL(url);
  const named = policy.origins.find((origin) => origin.slice(origin.indexOf("://") + 3) === host);
  if (resource !== null && !resource.startsWith("/") && policy.resourceMatch !== "off") {
    return named === undefined || resource.startsWith(`${named}/`) ? resource : undefined;
  }
  return named === undefined ? undefined : named + targetOf(url);
}
