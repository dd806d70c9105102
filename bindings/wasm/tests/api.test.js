// The module's API in Node: keys that sign elsewhere, stores that answer later, traps, bad arguments, and what an instance weighs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as imagxp from "../dist/index.js";
import { _panic, initSync } from "../generated/imagxp.js";
import { ORIGIN } from "./support.js";

const AGENT = "bot.example";
const POLICY = { version: 1, origins: [ORIGIN], purposes: { SUMMARY: { allow: true } } };
const MAX_GZIPPED = 600 * 1024;

const code = (expected) => (error) => error instanceof imagxp.ImagxpError && error.code === expected;

function site(options) {
  const identity = new imagxp.Identity(AGENT, imagxp.PrivateKey.generate());
  const publisher = new imagxp.Publisher(imagxp.Policy.fromJson(POLICY), options);
  publisher.supply(imagxp.manifestUrl(AGENT), identity.manifest().toJson());
  return { identity, publisher };
}

const lines = (identity, target = "/") => [["user-agent", "IMAGXP/1.0"], ...identity.sign("GET", ORIGIN + target, "SUMMARY")];

test("the module is small enough to cross the wire to every isolate", () => {
  const bytes = readFileSync(new URL("../generated/imagxp.wasm", import.meta.url));
  const { length } = gzipSync(bytes, { level: 9 });
  console.log(`# imagxp.wasm: ${bytes.length} bytes, ${length} gzipped`);
  assert.ok(length <= MAX_GZIPPED, `${length} bytes gzipped`);
  const glue = readFileSync(new URL("../generated/imagxp.js", import.meta.url), "utf8");
  assert.doesNotMatch(glue, /AGFzbQ|new WebAssembly\.Module|WebAssembly\.(compile|instantiate)/, "an asset of its own, compiled by the platform");
});

for (const [algorithm, parameters, signing] of [
  ["ES256", { name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
  ["EdDSA", { name: "Ed25519" }, { name: "Ed25519" }],
]) {
  test(`${algorithm}: WebCrypto has the key, and signs requests, receipts, feedback and assertions`, async () => {
    const { privateKey, publicKey } = await crypto.subtle.generateKey(parameters, false, ["sign", "verify"]);
    const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
    const identity = imagxp.Identity.external(AGENT, imagxp.PublicKey.fromSpki(spki));
    const sign = async (prepared) => prepared.complete(new Uint8Array(await crypto.subtle.sign(signing, privateKey, prepared.message)));

    const publisher = new imagxp.Publisher(imagxp.Policy.fromJson(POLICY));
    publisher.supply(imagxp.manifestUrl(AGENT), identity.manifest().toJson());
    const headers = await sign(identity.prepare("GET", `${ORIGIN}/`, "SUMMARY"));
    const { verdict } = publisher.verify("GET", "/", [["user-agent", "IMAGXP/1.0"], ...headers]);
    assert.equal(verdict.outcome, "allow", verdict.code);
    assert.equal(verdict.keyId, identity.keyId);

    const receipt = new imagxp.Receipt(`https://${AGENT}/`, new Uint8Array(32), { origin: "HUMAN", traceId: verdict.traceId });
    imagxp.SignedReceipt.fromHeaders(await sign(receipt.prepare(identity))).verify(identity.manifest());
    const opinion = await sign(new imagxp.Feedback(`${ORIGIN}/`, 0.5, "OTHER").prepare(identity));
    assert.equal(publisher.feedback(imagxp.feedbackHeader(opinion)).feedback.scoreMillionths, 500_000);
    if (algorithm === "ES256") {
      const endpoint = "https://broker.example/token";
      const assertion = await sign(imagxp.prepareAssertion(identity, endpoint));
      assert.equal(imagxp.verifyAssertion(assertion, identity.manifest(), endpoint).agentId, AGENT);
    }

    assert.throws(() => identity.sign("GET", `${ORIGIN}/`, "SUMMARY"), code("usage.signer"));
    const prepared = identity.prepare("GET", `${ORIGIN}/`, "SUMMARY");
    assert.throws(() => prepared.complete(new Uint8Array(70)), code("usage.argument"));
    assert.throws(() => prepared.complete(new Uint8Array(64)), code("usage.signer"));
    assert.throws(() => prepared.complete(new Uint8Array(64)), code("usage.argument"), "only once");
  });
}

test("publishers that share a secret name their verdicts differently", () => {
  const secret = new Uint8Array(16);
  const now = new Date("2026-03-01T12:00:00Z");
  const named = () => new imagxp.Publisher(imagxp.Policy.fromJson(POLICY), { secret }).verify("GET", "/", [], { now }).verdict.traceId;
  assert.equal(new Set(Array.from({ length: 20 }, named)).size, 20);
});

test("a store that answers later is asked after the signature holds, and once", () => {
  assert.throws(() => new imagxp.Publisher(imagxp.Policy.fromJson(POLICY), { replay: "later" }), code("usage.argument"));
  const { identity, publisher } = site({ replay: "later", secret: new Uint8Array(16) });
  const request = lines(identity);
  const forged = request.map(([name, value]) => [name, name === "x-imagxp-signature" ? "ab".repeat(64) : value]);
  assert.equal(publisher.verify("GET", "/", forged).pending, undefined);

  for (const [answer, outcome, expected] of [["full", "undecided", "replay.store_full"], ["error", "undecided", "replay.store_error"], ["fresh", "allow", null], ["seen", "deny", "replay.nonce_seen"]]) {
    const asked = lines(identity);
    const { verdict, pending } = publisher.verify("GET", "/", asked);
    assert.deepEqual([verdict.outcome, verdict.code, verdict.http], ["undecided", "replay.store_error", 503]);
    assert.deepEqual(verdict.needs, [{ kind: "replay", url: "" }]);
    assert.match(pending.insertion.key, /^[0-9a-f]{32}$/);
    assert.ok(pending.insertion.expiresAt > Date.now());
    pending.inserted(answer);
    const resumed = publisher.resume(pending);
    assert.deepEqual([resumed.verdict.outcome, resumed.verdict.code, resumed.pending], [outcome, expected, undefined]);
    assert.throws(() => publisher.resume(pending), code("usage.argument"), "only once");
    // What the store has is known here from then on, and nothing else.
    const again = publisher.verify("GET", "/", asked);
    assert.equal(again.pending === undefined, answer === "fresh" || answer === "seen");
    if (again.pending === undefined) assert.equal(again.verdict.code, "replay.nonce_seen");
  }
  // Resumed without an answer it asks again.
  const { pending } = publisher.verify("GET", "/", request);
  assert.ok(publisher.resume(pending).pending.insertion);
  assert.throws(() => publisher.verify("GET", "/", request).pending.inserted("yes"), code("usage.argument"));
});

test("a broker is shown what a visa came with, of a verdict that takes it and of no other", () => {
  const [broker, issuer] = [imagxp.PrivateKey.generate(), "https://broker.example"];
  const identity = new imagxp.Identity(AGENT, imagxp.PrivateKey.generate());
  const paid = {
    ...POLICY,
    purposes: { SUMMARY: { allow: true, price: { amount: "0.01", currency: "USD" } } },
    payment: { required: true, brokers: [{ issuer, jwks_uri: `${issuer}/jwks.json` }] },
  };
  const publisher = new imagxp.Publisher(imagxp.Policy.fromJson(paid));
  publisher.supply(imagxp.manifestUrl(AGENT), identity.manifest().toJson());
  publisher.supply(`${issuer}/jwks.json`, { keys: [{ ...broker.publicKey.toJwk(), kid: broker.publicKey.thumbprint }] });
  const terms = { issuer, audience: ORIGIN, agentId: AGENT, jkt: identity.keyId, jti: "visa-0001", amount: "0.01", currency: "USD" };
  const visa = imagxp.issueVisa(broker, terms);
  const signed = identity.sign("GET", `${ORIGIN}/`, "SUMMARY", { payment: visa });
  const keyless = signed.filter(([name]) => name !== "x-imagxp-public-key");
  assert.equal(keyless.length, signed.length - 1);
  const { verdict } = publisher.verify("GET", "/", keyless);
  assert.deepEqual([verdict.code, verdict.payment.state], [null, "visa"]);
  const given = Object.fromEntries(signed);
  const request = { payload: given["x-imagxp-payload"], signature: given["x-imagxp-signature"], public_key: given["x-imagxp-public-key"] };
  for (const headers of [keyless, signed, new Headers(keyless)]) assert.deepEqual(publisher.presented(verdict, headers), { visa, request });

  const unpaid = publisher.verify("GET", "/", lines(identity)).verdict;
  assert.equal(unpaid.code, "payment.required");
  for (const other of [unpaid, { ...verdict, payment: undefined }, { ...verdict, needs: [{}] }, { ...verdict, agentId: null }, {}, undefined, 5]) {
    assert.throws(() => publisher.presented(other, keyless), code("usage.argument"), JSON.stringify(other));
  }
  assert.throws(() => publisher.presented(verdict, []), code("usage.argument"));
  assert.throws(() => publisher.presented(verdict, 5), code("usage.argument"));
  assert.throws(() => publisher.presented(verdict, keyless, { now: Date.now() + 2 * 86_400_000 }), code("usage.argument"), "the manifest is forgotten");
});

test("a broker's word is definite, or none", () => {
  const refused = (code) => JSON.stringify({ results: [{ accepted: false, error: { code, message: "no" } }] });
  for (const [status, body, word] of [
    [200, '{"results":[{"accepted":true,"jti":"j"}]}', "accepted"],
    [200, new TextEncoder().encode(refused("visa.state")), "refused"],
    [200, refused("store.busy"), "unavailable"],
    [200, "{", "unavailable"],
    [503, '{"results":[{"accepted":true}]}', "unavailable"],
    [65_736, '{"results":[{"accepted":true}]}', "unavailable"],
  ]) assert.equal(imagxp.readRedemption(status, body), word);
  assert.throws(() => imagxp.readRedemption(200, undefined), code("usage.argument"));

  const results = ["visa.state", "store.busy", "ledger.broken"].map((code) => ({ accepted: false, error: { code, message: "no" } }));
  const batch = JSON.stringify({ results: [{ accepted: true }, ...results] });
  assert.deepEqual(imagxp.readRedemptions(200, batch, 4), ["accepted", "refused", "unavailable", "unavailable"]);
  for (const [status, body, presented] of [[503, batch, 4], [200, batch, 3], [200, batch, 5], [200, "<html>", 2], [0, "", 1000]]) {
    assert.deepEqual(imagxp.readRedemptions(status, body, presented), Array(presented).fill("unavailable"), `${status} ${presented}`);
  }
  assert.deepEqual(imagxp.readRedemptions(200, "", 0), []);
  for (const many of [1001, -1]) assert.throws(() => imagxp.readRedemptions(200, batch, many), code("usage.argument"));
  assert.throws(() => imagxp.readRedemptions(200, undefined, 1), code("usage.argument"));
});

test("memory: the same request passes once", () => {
  const { identity, publisher } = site();
  const request = lines(identity);
  assert.equal(publisher.verify("GET", "/", request).verdict.code, null);
  assert.equal(publisher.verify("GET", "/", request).verdict.code, "replay.nonce_seen");
  const small = site({ maxReplayEntries: 5 });
  const codes = Array.from({ length: 3 }, () => small.publisher.verify("GET", "/", lines(small.identity)).verdict.code);
  assert.deepEqual(codes, [null, "replay.store_full", "replay.store_full"]);
});

test("a rule and a sink of the site's own, and what becomes of what they throw", () => {
  const records = [];
  const audit = (record, manifest) => records.push([JSON.parse(record), manifest]);
  const good = site({ customPolicy: (claim, path) => claim.agentId === AGENT && path !== "/no", audit });
  assert.equal(good.publisher.verify("GET", "/", lines(good.identity)).verdict.outcome, "allow");
  assert.equal(good.publisher.verify("GET", "/no", lines(good.identity, "/no")).verdict.code, "policy.denied");
  assert.deepEqual(records.map(([record]) => record.code ?? null), [null, "policy.denied"]);
  assert.ok(records[0][1] instanceof Uint8Array);
  const broken = () => { throw new Error("on purpose"); };
  const { error } = console;
  console.error = () => undefined;
  try {
    for (const [options, expected] of [
      [{ customPolicy: broken }, "policy.error"],
      [{ customPolicy: async () => true }, "policy.error"],
      [{ customPolicy: () => 1 }, "policy.error"],
      [{ audit: broken }, "audit.unavailable"],
    ]) {
      const bad = site(options);
      const { verdict } = bad.publisher.verify("GET", "/", lines(bad.identity));
      assert.deepEqual([verdict.outcome, verdict.code], ["undecided", expected]);
    }
  } finally {
    console.error = error;
  }
});

test("bad arguments are errors with a code", () => {
  const { identity, publisher } = site();
  for (const bad of [
    () => imagxp.Policy.fromJson("{"),
    () => imagxp.Policy.fromJson({ version: 1, unknown: true }),
  ]) assert.throws(bad, (error) => error instanceof imagxp.ImagxpError && /^(usage\.policy|json\.)/.test(error.code));
  for (const bad of [
    () => identity.sign("GET", "/relative", "SUMMARY"),
    () => identity.sign("GET", `${ORIGIN}/`, "READ"),
    () => identity.sign("GET", `${ORIGIN}/`, "SUMMARY", { nonse: "0123456789abcdef" }),
    () => identity.sign("GET", `${ORIGIN}/`, "SUMMARY", { now: "yesterday" }),
    () => identity.sign("GET", `${ORIGIN}/`, "SUMMARY", { now: Number.NaN }),
    () => identity.sign("GET", `${ORIGIN}/`, "SUMMARY", 5),
    () => publisher.verify("GET", "/", 5),
    () => publisher.verify("GET", "/", "x-imagxp-payload: a"),
    () => publisher.verify("GET", "/", [["a", "b", "c"]]),
    () => publisher.verify("GET", "/", [["a", 1]]),
    () => publisher.verify("GET", "/", [["a", "b\nc"]]),
    () => publisher.supply("https://elsewhere.example/", "{}"),
    () => publisher.supplyFailure(imagxp.manifestUrl(AGENT), "tired"),
    () => new imagxp.Publisher(imagxp.Policy.fromJson(POLICY), { secret: "short" }),
    () => new imagxp.Publisher(imagxp.Policy.fromJson(POLICY), { customPolicy: true }),
    () => imagxp.PrivateKey.generate("RS256"),
    () => imagxp.canonicalize({}),
    () => new imagxp.Feedback(`${ORIGIN}/`, 2, "OTHER"),
    () => new imagxp.Receipt(`${ORIGIN}/`, "00", { origin: "HUMAN", traceId: "x" }),
  ]) assert.throws(bad, code("usage.argument"), bad.toString());
  assert.throws(() => imagxp.PublicKey.fromSpki("AAAA"), code("key.malformed"));
  assert.throws(() => imagxp.canonicalize('{"a":1,"a":2}'), code("json.duplicate_key"));
});

test("a character of a header is a byte", () => {
  const browsers = new imagxp.Publisher(imagxp.Policy.fromJson({ ...POLICY, unsigned: "browsers" }));
  for (const [bytes, code] of [["", null], ["\xe9", "auth.required"], ["\xc3\xa9", null], ["\u20ac", null]]) {
    const userAgent = `Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0${bytes}`;
    const headers = [["user-agent", userAgent], ["accept-language", "en"], ["sec-fetch-mode", "navigate"]];
    assert.equal(browsers.verify("GET", "/", headers).verdict.code, code, bytes);
  }
});

test("a Headers has joined its lines; they are taken apart again", () => {
  const { identity, publisher } = site();
  const [userAgent, payload, signature, publicKey] = lines(identity);
  const twice = new Headers([userAgent, payload, payload, signature, publicKey]);
  assert.equal(publisher.verify("GET", "/", twice).verdict.code, "header.duplicate");
  const paid = new Headers([userAgent, payload, signature, publicKey, ["x-imagxp-payment", "a.b.c"], ["x-imagxp-payment", "a.b.c"]]);
  assert.equal(publisher.verify("GET", "/", paid).verdict.code, "header.duplicate");
  // As Node has them: one name, several values.
  const listed = { "user-agent": userAgent[1], "x-imagxp-payload": [payload[1], payload[1]], "x-imagxp-signature": signature[1] };
  assert.equal(publisher.verify("GET", "/", listed).verdict.code, "header.duplicate");
  assert.equal(publisher.verify("GET", "/", new Headers([userAgent, payload, signature, publicKey])).verdict.code, null);
});

test("a verdict is plain data, and cannot be changed", () => {
  const { identity, publisher } = site();
  const { verdict } = publisher.verify("GET", "/", lines(identity));
  assert.deepEqual(structuredClone(verdict), { ...verdict });
  assert.throws(() => { verdict.isAllowed = false; }, TypeError);
  const refused = publisher.verify("GET", "/", [["user-agent", "curl/8"], ["x-imagxp-payload", "?"]]).verdict;
  assert.equal(JSON.parse(refused.body).error.code, refused.code);
  const { steps, text } = publisher.explain("GET", "/", lines(identity));
  assert.ok(steps.length > 5 && text.includes("signature"));
});

test("a panic is an error, and the next call finds a new instance", () => {
  const { identity } = site();
  assert.throws(() => _panic(), code("internal.panic"));
  assert.throws(() => identity.keyId, Error, "what lived in the old instance is gone");
  const next = site();
  identity.free();
  assert.equal(next.publisher.verify("GET", "/", lines(next.identity)).verdict.code, null);
  for (let number = 0; number < 50; number += 1) assert.throws(() => _panic(), code("internal.panic"));
  assert.equal(imagxp.canonicalize('{"b":1,"a":2}'), '{"a":2,"b":1}');
});

test("a hundred thousand verifications leave the memory as it was", () => {
  const { identity, publisher } = site({ replay: "later", secret: new Uint8Array(16) });
  const good = lines(identity);
  const forged = good.map(([name, value]) => [name, name === "x-imagxp-payload" ? value.slice(0, -8) : value]);
  const browser = [["user-agent", "Mozilla/5.0"], ["accept-language", "en"], ["sec-fetch-mode", "navigate"]];
  const rounds = (count) => {
    for (let number = 0; number < count; number += 1) {
      const { pending } = publisher.verify("GET", "/", good);
      // What is there would be remembered, and so refused without asking.
      pending.inserted("full");
      if (publisher.resume(pending).verdict.code !== "replay.store_full") throw new Error("another verdict");
      pending.free();
      for (let other = 0; other < 9; other += 1) publisher.verify("GET", "/", other % 2 ? forged : browser);
    }
  };
  const { memory } = initSync();
  rounds(200);
  const size = memory.buffer.byteLength;
  rounds(9_800);
  assert.equal(memory.buffer.byteLength, size);
});
