// Receipts of a verifier in Node: whose key signs them, what they name, and what becomes of the answer.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as imagxp from "../dist/index.js";
import { ORIGIN, agent, policy, quietly } from "./support.js";

const HOST = "http://localhost:3000";
let reader;

before(async () => { reader = await agent(); });
after(() => reader.close());

const request = (target, lines) => new Request(HOST + target, { headers: lines });
const page = () => new Response("page");

/** The URL of the receipt for a target that was asked for at `host` with this claim; `null` without one. */
async function urlOf(verifier, claimed, target = "/a?b", host = HOST) {
  const lines = reader.identity.sign("GET", claimed, "SUMMARY");
  const answer = await verifier.handle(new Request(host + target, { headers: [["user-agent", "Test IMAGXP/1.0"], ...lines] }), page);
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.headers.has("x-imagxp-provenance") ? imagxp.SignedReceipt.fromHeaders(answer.headers).receipt.url : null;
}

test("a receipt is for what is served, whatever was signed", async () => {
  const identity = { agentId: "localhost:3000", privateKey: imagxp.PrivateKey.generate().toPem(), allowLoopback: true };
  const rules = (more) => policy({ origins: [ORIGIN, HOST], ...more });
  // Nobody has compared what was signed.
  const off = new imagxp.Verifier({ policy: rules({ resource_match: "off" }), identity });
  for (const claimed of [`${HOST}/other`, "https://elsewhere.example/a?b", `${HOST}/a?b`]) assert.equal(await urlOf(off, claimed), `${HOST}/a?b`);
  const strict = new imagxp.Verifier({ policy: rules(), identity });
  assert.equal(await urlOf(strict, `${HOST}/a?b`), `${HOST}/a?b`);
  // Which of the two was served?
  const ofOther = new imagxp.Verifier({ policy: rules(), identity: { ...identity, agentId: "pub.example", allowLoopback: false } });
  for (const verifier of [off, strict, ofOther]) assert.equal(await urlOf(verifier, `${ORIGIN}/a?b`), null);
});

test("where the host is another the claim says which of our origins is served", async () => {
  const identity = { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem() };
  const inner = "http://127.0.0.1:9";
  for (const resource_match of ["strict", "path", "off"]) {
    const site = new imagxp.Verifier({ policy: policy({ resource_match }), identity });
    assert.equal(await urlOf(site, `${ORIGIN}/a?b`, "/a?b", inner), `${ORIGIN}/a?b`);
  }
  const off = new imagxp.Verifier({ policy: policy({ resource_match: "off" }), identity });
  assert.equal(await urlOf(off, `${ORIGIN}/other`, "/a?b", inner), `${ORIGIN}/a?b`);
  assert.equal(await urlOf(off, "https://elsewhere.example/a?b", "/a?b", inner), null);
});

test("however the claim spells the origin", async () => {
  const identity = { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem() };
  for (const host of [HOST, "http://127.0.0.1:9"]) {
    const verifier = new imagxp.Verifier({ policy: policy(), identity });
    assert.equal(await urlOf(verifier, "https://pub.example:443/a", "/a", host), `${ORIGIN}/a`);
    assert.equal(await urlOf(verifier, "https://PUB.Example/a", "/a", host), `${ORIGIN}/a`);
    assert.equal(await urlOf(verifier, "https://pub.example?x=1", "/?x=1", host), `${ORIGIN}/?x=1`);
    // What is asked for, as it came.
    assert.equal(await urlOf(verifier, "https://pub.example/%7ea", "/~a", host), `${ORIGIN}/~a`);
  }
});

test("what has a receipt is not to be compressed, and what the program has encoded gets none", async () => {
  const identity = { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem() };
  const caching = async (verifier, headers, body = "page", status = 200) => {
    const answer = await verifier.handle(request("/", reader.sign("/")), () => new Response(body, { headers, status }));
    await answer.arrayBuffer();
    return [answer.headers.has("x-imagxp-provenance"), answer.headers.get("cache-control")];
  };
  const site = new imagxp.Verifier({ policy: policy(), identity });
  assert.deepEqual(await caching(site, {}), [true, "no-transform"]);
  assert.deepEqual(await caching(site, { "cache-control": "private, max-age=60" }), [true, "private, max-age=60, no-transform"]);
  assert.deepEqual(await caching(site, { "cache-control": "No-Transform, private" }), [true, "No-Transform, private"]);
  assert.deepEqual(await caching(site, { "content-encoding": "identity" }), [true, "no-transform"]);
  assert.deepEqual(await caching(site, { "content-encoding": "gzip" }), [false, null]);
  assert.deepEqual(await caching(site, {}, "no", 404), [false, null]);
  assert.deepEqual(await caching(new imagxp.Verifier({ policy: policy() }), {}), [false, null]);
  // A stream's comes at its end, when the head is gone.
  const slowly = async function* () {
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield new Uint8Array(10);
  };
  assert.deepEqual(await caching(site, {}, ReadableStream.from(slowly())), [false, null]);
  const told = [];
  const later = new imagxp.Verifier({ policy: policy(), identity, onReceipt: (lines) => { told.push(lines); } });
  assert.deepEqual(await caching(later, {}, ReadableStream.from(slowly())), [false, "no-transform"]);
  assert.equal(told.length, 1);
});

test("a receipt by a key that lives in WebCrypto", async () => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", publicKey);
  const sign = (message) => crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, message);
  const verifier = new imagxp.Verifier({ policy: policy(), identity: { agentId: "pub.example", publicKey: jwk, sign } });
  const manifest = imagxp.Identity.external("pub.example", imagxp.PublicKey.fromJwk(jwk)).manifest();
  for (const [body, headers] of [["page", {}], ["page", { "content-length": "4" }], [null, {}]]) {
    const answer = await verifier.handle(request("/", reader.sign("/")), () => new Response(body, { headers }));
    const bytes = await answer.arrayBuffer();
    const contentSha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const receipt = imagxp.SignedReceipt.fromHeaders(answer.headers).verify(manifest);
    receipt.check({ url: `${ORIGIN}/`, contentSha256, agentId: reader.identity.agentId });
  }
  // Errors, what has no content, and a part, which must not be taken for the whole, get none.
  for (const [body, status] of [["no", 404], [null, 204], ["part", 206]]) {
    const made = () => new Response(body, { status });
    const answer = await verifier.handle(request("/", reader.sign("/")), made);
    assert.deepEqual([answer.status, answer.headers.get("x-imagxp-provenance")], [status, null]);
  }
});

test("a key that does not sign: the answer goes out without a receipt", async () => {
  const publicKey = imagxp.PrivateKey.generate().publicKey.toJwk();
  for (const sign of [() => Promise.reject(new Error("the KMS is down")), () => new Uint8Array(3)]) {
    const verifier = new imagxp.Verifier({ policy: policy(), identity: { agentId: "pub.example", publicKey, sign } });
    for (const body of ["page", null]) {
      await quietly(async (said) => {
        const answer = await verifier.handle(request("/", reader.sign("/")), () => new Response(body));
        assert.deepEqual([answer.status, await answer.text()], [200, body ?? ""]);
        assert.equal(answer.headers.get("x-imagxp-provenance"), null);
        assert.match(said.join(), /without its receipt/);
      });
    }
  }
});

test("a stream that nobody reads to its end is let go", async () => {
  let cancelled = false;
  const endless = new ReadableStream({
    pull: (controller) => new Promise((resolve) => setTimeout(() => resolve(cancelled || controller.enqueue(new Uint8Array(10))), 5)),
    cancel: () => { cancelled = true; },
  });
  const identity = { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem() };
  const answer = await new imagxp.Verifier({ policy: policy(), identity }).handle(request("/", reader.sign("/")), () => new Response(endless));
  const stream = answer.body.getReader();
  assert.equal((await stream.read()).value.byteLength, 10);
  await stream.cancel();
  assert.equal(cancelled, true);
});
