// A small town: who pays whom, and who is not content. Everything goes through the server's own API.

import { freePort } from "../../../../bindings/node/test/ports.mjs";
import { Party } from "./party.js";
import { Server } from "./server.js";

/** What strangers write where they may. */
export const HOSTILE = {
  script: "<script>globalThis.owned=1</script><img src=x onerror=\"globalThis.owned=2\">",
  turned: "pay \u202eylno em\u202c \u200bnow \u05d0\u05d1\u05d2",
  long: "w".repeat(250),
};

/** A domain name as long as names can be. */
export const LONG_OWNER = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(50)}.example`;

const RULES = { RAG_RETRIEVAL: {}, SUMMARY: {}, CRAWL_TRAINING: { allow: false } };

/** A server with an agent, a publisher and money. */
export async function town(settings) {
  const server = new Server({}, settings);
  const agent = await Party.start(server.folder, "agent");
  const publisher = await Party.start(server.folder, "publisher");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(
    server.policy,
    JSON.stringify({ version: 1, origins: [publisher.origin], allow_loopback: true, unsigned: "allow", purposes: RULES, paths: [{ match: "/members/*", unsigned: "deny" }] }),
  );
  await server.start();
  const deposit = (owner, amount, reference, memo) => server.ask("POST", "/v1/deposits", { owner, amount, reference, memo });
  await deposit(agent.id, "1234567.891", "bank-1");
  return {
    server,
    agent,
    publisher,
    deposit,
    async close() {
      agent.close();
      publisher.close();
      await server.close();
    },
  };
}

/** A visa as far as `until`: `issued`, `redeemed`, `released`, `withheld` or `disputed`. Returns its jti. */
export async function visa({ server, agent, publisher }, amount, until, statement = "the page is what was asked for") {
  const bought = await agent.buy(server, publisher, amount);
  const { jti } = bought.visa;
  if (until === "issued") return jti;
  const request = agent.headers("GET", `${publisher.origin}/page`, { payment: bought.access_token });
  const signed = { payload: request["x-imagxp-payload"], signature: request["x-imagxp-signature"], public_key: request["x-imagxp-public-key"] };
  const { results } = await publisher.ask(server, "POST", "/v1/visas/redeem", { visas: [{ visa: bought.access_token, request: signed }] });
  if (!results[0].accepted) throw new Error(JSON.stringify(results[0]));
  if (until === "redeemed") return jti;
  const [score, reason] = until === "released" ? [0.9, "HIGH_QUALITY"] : [0.1, "SEO_SPAM"];
  await agent.ask(server, "POST", `/v1/visas/${jti}/feedback`, agent.feedback(publisher, jti, score, reason));
  if (until === "disputed") await publisher.ask(server, "POST", `/v1/visas/${jti}/contest`, { statement });
  return jti;
}

/** A proxy asks whether a request may pass. */
export async function verify({ server }, path, headers = {}) {
  const response = await fetch(`${server.origin}/v1/verify`, { headers: { ...headers, "x-original-uri": path, "x-original-method": "GET" } });
  await response.arrayBuffer();
  return response.headers.get("x-imagxp-verdict-code");
}

/** A signed request of the agent, judged. */
export const signedVerify = (town, path, purpose) => verify(town, path, town.agent.headers("GET", town.publisher.origin + path, { purpose }));

/** A request signed in the name of a domain that does not answer: nobody can judge it. */
export async function unknownVerify(town, path) {
  return verify(town, path, town.agent.headers("GET", town.publisher.origin + path, { agentId: `127.0.0.1:${await freePort()}` }));
}
