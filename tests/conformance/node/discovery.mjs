// The operations `robots` and `preferences`.

import { Robots, discover } from "../../../bindings/node/index.mjs";
import { bytes } from "./support.mjs";

export function robots(given) {
  const parsed = Robots.parse(bytes(given, "robots") ?? "");
  const token = given.product_token;
  return {
    allowed: given.paths.map((path) => parsed.allows(token, path)),
    policy_urls: parsed.policyUrls(token),
  };
}

export function preferences(given) {
  const rsl = bytes(given, "rsl");
  const found = discover(given.url, given.product_token, {
    robots: bytes(given, "robots"),
    robotsStatus: given.robots_status,
    headers: given.headers,
    rsl:
      rsl === undefined
        ? undefined
        : { "https://pub.example/license.xml": rsl },
    policy: bytes(given, "policy"),
  });
  return { report: found.toJSON() };
}
