// The worker for the Node package: what an adapter does for a request, and the core alone in the same addon.
//
// Usage: node ours.mjs FOLDER   (a release build of the addon with the feature `bench`)

import { createRequire } from "node:module";
import { join } from "node:path";
import { serve, timed } from "./conversation.mjs";

const require = createRequire(import.meta.url);
const folder = process.argv[2];
const { Identity, Policy, Publisher, manifestUrl } = require(
  join(folder, "index.cjs"),
);
const { _verifyAll: verifyAll } = require(join(folder, "load.cjs"));

const ORIGIN = "https://pub.example";
const PATH = "/2026/03/01/what-the-spring-tides-left-behind?page=2";
const WARM = 64;

// As a server behind a proxy gets them, beside the three of the agent: fifteen lines in all.
const FRAMEWORK = {
  Host: "pub.example",
  "User-Agent":
    "Mozilla/5.0 (compatible; ExampleBot/1.0; +https://agent.example/bot) IMAGXP/1.0",
  Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept-Encoding": "gzip, deflate, br",
  "Accept-Language": "en",
  Connection: "keep-alive",
  "X-Forwarded-For": "203.0.113.7",
  "X-Forwarded-Proto": "https",
  "X-Request-Id": "7b0c1d2e-3f40-4a51-8b62-9c73ad84be95",
  "Cache-Control": "no-cache",
  "If-None-Match": '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
  Cookie: "session=5f2b8c1e9a7d4063",
};
const rest = Object.entries(FRAMEWORK).flat();

class Site {
  constructor(algorithm) {
    this.agent = algorithm && Identity.generate("agent.example", algorithm);
    const purposes = { SUMMARY: { allow: true } };
    this.publisher = new Publisher(
      Policy.fromJson({
        version: 1,
        origins: [ORIGIN],
        unsigned: "allow",
        purposes,
      }),
    );
    if (!this.agent) return;
    this.publisher.supply(
      manifestUrl(this.agent.agentId),
      this.agent.manifest().toBytes(),
    );
    this.verify(this.requests(WARM));
  }

  requests(count) {
    const now = Date.now();
    const one = () => [
      ...rest,
      ...(this.agent
        ? this.agent.sign("GET", ORIGIN + PATH, "SUMMARY", { now }).flat()
        : []),
    ];
    return Array.from({ length: count }, one);
  }

  verify(requests) {
    // `now` is the clock's, as in a server.
    for (const headers of requests) {
      if (!this.publisher.verify("GET", PATH, headers).verdict.isAllowed)
        throw new Error("Node refuses");
    }
  }

  /** With what an adapter reads of a verdict. */
  read(requests) {
    for (const headers of requests) {
      const { isAllowed, agentId, purpose, traceId, responseHeaders, payment } =
        this.publisher.verify("GET", PATH, headers).verdict;
      if (
        !isAllowed ||
        [agentId, purpose, traceId, responseHeaders, payment].length !== 5
      )
        throw new Error("Node refuses");
    }
  }

  async core(count) {
    const now = Date.now();
    const requests = this.requests(count);
    const lines = requests[0].length;
    const joined = requests.map((headers) => headers.join("\n"));
    let allowed;
    const all = await timed(
      () =>
        ([, allowed] = verifyAll(
          this.publisher,
          "GET",
          PATH,
          joined,
          lines,
          now,
        )),
    );
    // Lines of another number are converted, and then passed over: what is left is the core's.
    const converted = await timed(() =>
      verifyAll(this.publisher, "GET", PATH, joined, lines + 2, now),
    );
    if (allowed !== count) throw new Error("the core refuses");
    return all - converted;
  }
}

const rows = {};
for (const [name, algorithm] of [
  ["", "ES256"],
  ["eddsa-", "EdDSA"],
  ["unsigned-", null],
]) {
  const site = new Site(algorithm);
  rows[`${name}core`] = (count) => site.core(count);
  for (const what of ["verify", "read"]) {
    rows[name + what] = (count) => {
      const requests = site.requests(count);
      return timed(() => site[what](requests));
    };
  }
}
await serve(rows);
