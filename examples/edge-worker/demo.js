// Serves worker.js in workerd, Cloudflare's own runtime, and visits it: a browser, an agent, a replay, a forgery, a page that costs money.

import * as imagxp from "@imagxp/edge";
import { fileURLToPath } from "node:url";
import { REPLAY, SECRET, agent, broker, exchange, policy, workerd } from "../../bindings/wasm/tests/support.js";

const WORKER = fileURLToPath(new URL("worker.js", import.meta.url));
const BROWSER = [["User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"], ["Accept-Language", "en"], ["Sec-Fetch-Mode", "navigate"]];

const reader = await agent();
const bank = await broker();
const siteKey = imagxp.PrivateKey.generate();
// The policy of the example, but that readers and broker are on this machine.
const rules = policy({
  paths: [{ match: "/premium/**", price: { amount: "0.05", currency: "EUR" }, unsigned: "deny" }],
  payment: { brokers: [bank.entry] },
});
const bindings = { POLICY: rules, IMAGXP_SECRET: SECRET, IMAGXP_PRIVATE_KEY: siteKey.toPem(), REPLAY };
const { ports, close, log } = await workerd(WORKER, { site: bindings });

let failed = 0;
async function visit(who, target, lines, expected, what) {
  const answer = await exchange(ports.site, target, lines);
  const said = answer.status === 200 ? (what ?? answer.text.trim()) : answer.code();
  const right = answer.status === expected;
  if (!right) failed += 1;
  console.log(`${right ? " " : "!"} ${who.padEnd(28)} ${target.padEnd(12)} ${answer.status}  ${said}`);
  return answer;
}

try {
  const lines = reader.sign("/posts/1");
  await visit("a browser", "/posts/1", BROWSER, 200);
  await visit("a client without signature", "/posts/1", [["User-Agent", "curl/8"]], 401);
  const page = await visit("an agent", "/posts/1", lines, 200);
  await visit("the same request again", "/posts/1", lines, 409);
  await visit("an agent that trains", "/posts/1", reader.sign("/posts/1", { purpose: "CRAWL_TRAINING" }), 403);
  await visit("the payload twice", "/posts/1", [...reader.sign("/posts/1"), lines[1]], 400);
  await visit("an agent that pays nothing", "/premium/1", reader.sign("/premium/1"), 402);
  const payment = bank.visa(reader, { amount: "0.05", currency: "EUR" });
  await visit("an agent with a visa", "/premium/1", reader.sign("/premium/1", { payment }), 200);
  const published = await visit("whoever checks a receipt", "/.well-known/imagxp-agent.json", [["User-Agent", "curl/8"]], 200, "the site's manifest");
  const manifest = imagxp.Manifest.parse(published.text, "pub.example");
  const receipt = imagxp.SignedReceipt.fromHeaders(page.headers).verify(manifest);
  console.log(`  the receipt of the page speaks of ${receipt.url}, made by ${receipt.origin}`);
} catch (error) { console.error(log()); throw error;
} finally {
  await close();
  await Promise.all([reader.close(), bank.close()]);
}
process.exitCode = failed === 0 ? 0 : 1;
