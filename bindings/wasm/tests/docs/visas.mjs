import assert from "node:assert/strict";
import { Identity, PrivateKey, Verifier, contentDigest, readRedemptions } from "@imagxp/edge";

const site = new Identity("pub.example", PrivateKey.generate());           // your key, from your platform's secrets
const queue = [];                                                          // on Cloudflare a Queue: await env.VISAS.send(presented)
const jwks_uri = "https://broker.example/.well-known/jwks.json";

const verifier = new Verifier({
  policy: {
    version: 1,
    origins: ["https://pub.example"],
    purposes: { SUMMARY: { allow: true, price: { amount: "0.05", currency: "USD" } } },
    payment: { required: true, brokers: [{ issuer: "https://broker.example", jwks_uri, check: "offline" }] },
  },
  manifest: site.manifest(),                                               // the broker fetches it
  onVisa: (presented) => void queue.push(presented),
});
assert.equal((await verifier.handle(new Request("https://pub.example/"))).status, 401);

async function redeemAll() {                                               // every few seconds; in a Queue's consumer
  const visas = queue.splice(0, 100);                                      // the broker reads 2 MiB at a time
  if (visas.length === 0) return;
  const body = JSON.stringify({ visas });
  const url = "https://broker.example/v1/visas/redeem";
  const signed = site.sign("POST", url, "SUMMARY", { contentDigest: contentDigest(body) });
  const headers = [...signed, ["content-type", "application/json"], ["idempotency-key", crypto.randomUUID()]];
  const present = async () => {
    const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual" });
    return readRedemptions(answer.status, await answer.text(), visas.length);
  };
  const words = await present().catch(() => visas.map(() => "unavailable"));
  queue.push(...visas.filter((_, at) => words[at] === "unavailable"));     // asked again later; a visa counts once
}

const refused = (code) => ({ accepted: false, error: { code, message: "no" } });
const sent = [];
/** One round with a broker that answers so: what is left in the queue. */
async function round(answer) {
  globalThis.fetch = async (url, { body }) => {
    sent.push(JSON.parse(body).visas);
    return answer();
  };
  await redeemAll();
  return queue.map(({ name }) => name);
}
const answered = (status, results) => () => Response.json({ results }, { status });

queue.push(...["a", "b", "c", "d"].map((name) => ({ name })));
const all = ["a", "b", "c", "d"];
assert.deepEqual(await round(() => { throw new TypeError("no connection"); }), all);
assert.deepEqual(await round(() => new Response(new ReadableStream({ pull: (body) => body.error(new TypeError("lost")) }))), all);
assert.deepEqual(await round(answered(503, all.map(() => ({ accepted: true })))), all);
assert.deepEqual(await round(answered(200, [{ accepted: true }, refused("store.busy"), refused("visa.state"), refused("clock.wrong")])), ["b", "d"]);
assert.deepEqual(await round(answered(200, [refused("payment.invalid_token"), { accepted: true }])), []);
assert.deepEqual([await round(() => assert.fail("there is nothing to ask")), sent.length], [[], 5]);
