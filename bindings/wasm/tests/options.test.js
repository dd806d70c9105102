// What a verifier is made of: what cannot work, and what is misspelt, shows at once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NextResponse } from "next/server.js";
import * as imagxp from "../dist/index.js";
import { withImagxp } from "../dist/deno.js";
import { imagxpProxy } from "../dist/next.js";
import { withImagxp as forWorkers } from "../dist/workers.js";
import { SECRET, agent, policy } from "./support.js";

let reader;

before(async () => { reader = await agent(); });
after(() => reader.close());

const code = (expected) => (error) => error instanceof imagxp.ImagxpError && error.code === expected;
const request = (target, lines) => new Request(`http://localhost:3000${target}`, { headers: lines });
const page = () => new Response("page");

test("options that cannot work are refused when the site starts", () => {
  assert.throws(() => new imagxp.Verifier({ policy: { version: 1 } }), code("usage.policy"));
  const replayStore = { insertIfAbsent: () => "fresh" };
  assert.throws(() => new imagxp.Verifier({ policy: policy(), replayStore }), code("usage.argument"));
  const identity = { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem() };
  assert.throws(() => new imagxp.Verifier({ policy: policy({ provenance: undefined }), identity }), code("usage.argument"));
  assert.throws(() => new imagxp.Verifier({ policy: policy(), identity: { ...identity, privateKey: "{}" } }), code("key.malformed"));
  assert.throws(() => imagxpProxy(NextResponse, { policy: policy(), identity }), code("usage.argument"));
});

test("an option that is misspelt, or of another kind, is refused when the site starts", async () => {
  const rules = policy();
  const wrong = {
    "no options": undefined,
    "replaystore": { policy: rules, replaystore: { insertIfAbsent: () => "fresh" }, secret: SECRET },
    "custompolicy": { policy: rules, custompolicy: () => false },
    "prefix, which is Node's": { policy: rules, prefix: "/shop" },
    "a name of every object": { policy: rules, constructor: 1 },
    "a secret of 15 bytes": { policy: rules, secret: new Uint8Array(15) },
    "a secret of 30 digits": { policy: rules, secret: SECRET.slice(2) },
    "a secret of 32 letters": { policy: rules, secret: "z".repeat(32) },
    "a rule that is no function": { policy: rules, customPolicy: true },
    "an audit that is no function": { policy: rules, audit: {} },
    "a hook that is no function": { policy: rules, onFeedback: [] },
    "a redeemer that is no function": { policy: rules, redeem: {} },
    "a store without insertIfAbsent": { policy: rules, replayStore: { insert: () => "fresh" }, secret: SECRET },
    "a store without a secret": { policy: rules, replayStore: { insertIfAbsent: () => "fresh" } },
    "documents that cannot be put": { policy: rules, documents: { get: async () => null } },
    "a size in words": { policy: rules, maxBody: "1 MiB" },
    "half a byte": { policy: rules, maxReceiptBody: 0.5 },
    "no number": { policy: rules, maxReplayEntries: Number.NaN },
    "a limit that there is not": { policy: rules, limits: { payload: 1 } },
    "a limit in words": { policy: rules, limits: { payloadHeader: "1" } },
    "an identity's slip": { policy: rules, identity: { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem(), loopback: true } },
    "a manifest that is a document": { policy: rules, manifest: { agent_id: "pub.example" } },
    "a signer that is no function": { policy: rules, identity: { agentId: "pub.example", publicKey: {}, sign: "KMS" } },
  };
  for (const [name, options] of Object.entries(wrong)) {
    const refused = code("usage.argument");
    assert.throws(() => new imagxp.Verifier(options), refused, name);
    assert.throws(() => withImagxp(page, options), refused, name);
    if (options !== undefined) assert.throws(() => imagxpProxy(NextResponse, options), refused, name);
    // A Worker has its bindings with its first request.
    const worker = forWorkers({ fetch: page }, () => options);
    await assert.rejects(worker.fetch(request("/", reader.sign("/")), {}, {}), refused, name);
  }
  const identity = { agentId: "pub.example", privateKey: imagxp.PrivateKey.generate().toPem() };
  const all = { secret: SECRET, limits: { payloadHeader: 4096 }, maxBody: 0, maxReplayEntries: 10, audit: () => {}, customPolicy: () => true, fetch, identity };
  new imagxp.Verifier({ policy: rules, ...all, documents: undefined, onVisa: undefined });
  new imagxp.Verifier({ policy: JSON.stringify(rules), secret: new Uint8Array(16) });
  for (const own of [{ onReceipt: () => {} }, { maxReceiptBody: 10 }]) {
    assert.throws(() => imagxpProxy(NextResponse, { policy: rules, ...own }), code("usage.argument"), Object.keys(own)[0]);
  }
});
