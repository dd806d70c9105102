// Many requests at once, signed and verified: the same as one by one.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as imagxp from "../dist/index.js";
import { ORIGIN } from "./support.js";

const AGENT = "bot.example";
const POLICY = { version: 1, origins: [ORIGIN], purposes: { SUMMARY: { allow: true } } };
const NOW = Date.parse("2026-03-01T12:00:00.000Z");

const identity = new imagxp.Identity(AGENT, imagxp.PrivateKey.generate());
const code = (expected, message) => (error) =>
  error instanceof imagxp.ImagxpError && error.code === expected && (message === undefined || message.test(error.message));
const signed = (options) => [["user-agent", "IMAGXP/1.0"], ...identity.sign("GET", `${ORIGIN}/a`, "SUMMARY", { now: NOW, ...options })];

function knowing() {
  const publisher = new imagxp.Publisher(imagxp.Policy.fromJson(POLICY));
  publisher.supply(imagxp.manifestUrl(AGENT), identity.manifest().toJson(), { now: NOW });
  return publisher;
}

test("a batch has the verdicts of one by one", () => {
  const first = signed();
  const digest = imagxp.contentDigest(new TextEncoder().encode("body"));
  const requests = Array.from({ length: 40 }, (_, index) => {
    const forged = signed().map(([name, value]) => [name, name === "x-imagxp-signature" ? "11".repeat(64) : value]);
    if (index % 8 === 1) return ["GET", "/a", first];
    if (index % 8 === 3) return ["GET", "/a", forged];
    if (index % 8 === 5) return ["GET", "/a", {}];
    if (index % 8 === 6) return ["GET", "/b", new Headers(signed())];
    if (index % 8 === 7) return ["GET", "/a", signed({ contentDigest: digest }), index % 16 === 7 ? digest : null];
    return ["GET", "/a", signed()];
  });
  const single = knowing();
  const expected = requests.map(([method, url, headers, bodyDigest]) => single.verify(method, url, headers, { now: NOW, bodyDigest }).verdict.code);
  const batched = knowing();
  const got = [...batched.verifyBatch(requests.slice(0, 10), { now: NOW }), ...batched.verifyBatch(requests.slice(10), { now: NOW })];
  assert.deepEqual(got.map(({ verdict }) => verdict.code), expected);
  assert.deepEqual([...new Set(expected)].map(String).sort(), [
    "auth.required",
    "claim.digest_mismatch",
    "claim.resource_mismatch",
    "null",
    "replay.nonce_seen",
    "sig.invalid",
  ]);
  assert.deepEqual(batched.verifyBatch([]), []);
});

test("undecided ones are resumed, each by itself", () => {
  const publisher = new imagxp.Publisher(imagxp.Policy.fromJson(POLICY));
  const twice = signed();
  const verified = publisher.verifyBatch([["GET", "/a", twice], ["GET", "/a", twice], ["GET", "/a", signed()]], { now: NOW });
  publisher.supply(imagxp.manifestUrl(AGENT), identity.manifest().toJson(), { now: NOW });
  const codes = verified.map(({ pending }) => publisher.resume(pending, { now: NOW }).verdict.code);
  assert.deepEqual(codes, [null, "replay.nonce_seen", null]);
  for (const wrong of [undefined, "GET", {}, [["GET", "/a"]], [["GET", "/a", [], null, 1]], [["GET", 1, []]], [["GET", "/a", [], 1]], ["GET"]]) {
    assert.throws(() => publisher.verifyBatch(wrong), code("usage.argument"));
  }
});

test("a batch is signed as one by one, whole or not at all", () => {
  const options = Array.from({ length: 33 }, (_, index) => ({
    nonce: `nonce-${String(index).padStart(12, "0")}`,
    now: NOW + index,
    ...(index === 0 ? { adsDisplayed: true, context: { a: "é" }, payment: "a.b.c", compatible: true } : {}),
  }));
  const batch = identity.signBatch(options.map((own) => ["POST", `${ORIGIN}/x`, "SUMMARY", own]));
  assert.deepEqual(batch, options.map((own) => identity.sign("POST", `${ORIGIN}/x`, "SUMMARY", own)));
  const good = ["GET", `${ORIGIN}/`, "SUMMARY"];
  const publisher = knowing();
  for (const headers of identity.signBatch([["GET", `${ORIGIN}/a`, "SUMMARY"], ["GET", `${ORIGIN}/a`, "SUMMARY", undefined]], { now: NOW })) {
    assert.equal(publisher.verify("GET", "/a", [["user-agent", "IMAGXP/1.0"], ...headers], { now: NOW }).verdict.code, null);
  }
  assert.deepEqual(identity.signBatch([]), []);
  assert.throws(() => identity.signBatch([good, ["GET", "/relative", "SUMMARY"]]), code("usage.argument", /request 1: `\/relative`/));
  const nonce = { nonce: "nonce-000000000000" };
  assert.throws(() => identity.signBatch([[...good, nonce], good, [...good, nonce]]), code("usage.argument", /request 2/));
  for (const wrong of [undefined, "GET", ["GET"], [["GET"]], [["GET", 1, "SUMMARY"]], [[...good, { nonse: "x" }]], [[...good, {}, 1]]]) {
    assert.throws(() => identity.signBatch(wrong), code("usage.argument"));
  }
  const elsewhere = imagxp.Identity.external(AGENT, identity.publicKey);
  assert.throws(() => elsewhere.signBatch([good]), code("usage.signer"));
});
