// The verifier in Node, with real fetches on loopback: kept documents, stores that fail, brokers; and Next's own
// responses.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NextRequest, NextResponse } from "next/server.js";
import * as imagxp from "../dist/index.js";
import { withImagxp } from "../dist/deno.js";
import { imagxpProxy } from "../dist/next.js";
import { ORIGIN, SECRET, agent, broker, policy, quietly } from "./support.js";

const HOST = "http://localhost:3000";
let reader;

before(async () => { reader = await agent(); });
after(() => reader.close());

const request = (target, lines, init = {}) => new Request(HOST + target, { ...init, headers: lines });
const page = () => new Response("page");

test("the query is compared as it came", async () => {
  const site = new imagxp.Verifier({ policy: policy() });
  const pairs = [["/a?q='x'", "/a?q='x'"], ["/a?q='x'", "/a?q=%27x%27"], ["/a?q=%27x%27", "/a?q='x'"], ["/a?", "/a?"], ["/a?#b", "/a?"]];
  for (const [requested, signed] of pairs) {
    const verdict = await site.verifyRequest(request(requested, reader.sign(signed)));
    assert.equal(verdict.code, null, `${requested}, signed as ${signed}`);
  }
  assert.equal((await site.verifyRequest(request("/a", reader.sign("/a?")))).code, "claim.resource_mismatch");
});

test("of a request for a WebSocket the application gets the very object, and may answer nothing when it was upgraded", async () => {
  const socket = ["upgrade", "WebSocket"];
  const asked = request("/", [...reader.sign("/"), socket]);
  let same;
  const upgrade = withImagxp((passed, info, verdict) => { same = [passed === asked, imagxp.verdictOf(passed) === verdict]; }, { policy: policy() });
  assert.equal(await upgrade(asked, {}), undefined);
  assert.deepEqual(same, [true, true]);
  // What only we may say is never passed on.
  await upgrade(request("/", [...reader.sign("/"), socket, ["x-imagxp-verdict-admin", "1"]]), {});
  assert.equal(same[0], false);
});

test("any other request is a copy, whose headers the application may change", async () => {
  for (const more of [[], [["upgrade", "h2c"]]]) {
    const asked = request("/", [...reader.sign("/"), ...more]);
    const own = withImagxp((passed, info, verdict) => {
      assert.deepEqual([passed === asked, imagxp.verdictOf(passed) === verdict], [false, true]);
      return new Response();
    }, { policy: policy() });
    assert.equal((await own(asked, {})).status, 200);
  }
});

test("verifyRequest gives the verdict, and leaves the request as it is", async () => {
  const verifier = new imagxp.Verifier({ policy: policy() });
  const asked = request("/a", reader.sign("/a"));
  const verdict = await verifier.verifyRequest(asked);
  assert.deepEqual([verdict.outcome, verdict.agentId], ["allow", reader.identity.agentId]);
  assert.equal((await verifier.verifyRequest(request("/a", asked.headers))).code, "replay.nonce_seen");
  const body = "what is said";
  const lines = reader.sign("/a", { method: "POST", contentDigest: imagxp.contentDigest(body) });
  const posted = request("/a", lines, { method: "POST", body });
  assert.equal((await verifier.verifyRequest(posted)).outcome, "allow");
  assert.equal(await posted.text(), body, "it was hashed, and can still be read");
});

test("verifyRequest copies no body, unless its digest was signed, and keeps nothing of a copy that it does not read", async () => {
  const verifier = new imagxp.Verifier({ policy: policy({ unsigned: "allow" }), maxBody: 100 });
  let [cancelled, pulled] = [false, 0];
  const upload = (lines) => {
    const body = new ReadableStream({
      pull: (controller) => { controller.enqueue(new Uint8Array(1000).fill((pulled += 1))); },
      cancel: () => { cancelled = true; },
    }, { highWaterMark: 0 });
    return request("/a", lines, { method: "POST", body, duplex: "half" });
  };
  const unsigned = upload([["user-agent", "curl/8"]]);
  const { body } = unsigned;
  unsigned.clone = () => assert.fail("it is copied");
  assert.equal((await verifier.verifyRequest(unsigned)).outcome, "allow");
  assert.deepEqual([unsigned.body === body, pulled], [true, 0]);
  // A signed one that is longer than is held: once the application has gone, nobody keeps what is left of it.
  const lines = reader.sign("/a", { method: "POST", contentDigest: imagxp.contentDigest("x") });
  const large = upload(lines);
  assert.equal((await verifier.verifyRequest(large)).code, "claim.digest_mismatch");
  const stream = large.body.getReader();
  assert.equal((await stream.read()).value[0], 1, "from the beginning");
  await stream.cancel();
  assert.equal(cancelled, true);
});

test("two lines of one header that a Headers has joined", async () => {
  const taken = [];
  const verifier = new imagxp.Verifier({ policy: policy(), onFeedback: (feedback) => taken.push(feedback) });
  const ask = async (headers) => {
    const answer = await verifier.handle(request("/", headers), page);
    const code = answer.status === 200 ? null : (await answer.json()).error.code;
    return [answer.status, code, answer.headers.get("x-imagxp-feedback-status")];
  };
  // Those of bindings/python/tests/test_servers.py.
  for (const end of ["payload", "signature", "public-key", "payment", "credential", "proof", "feedback", "agent-id", "alg", "something"]) {
    const name = `x-imagxp-${end}`;
    const headers = new Headers(reader.sign("/"));
    const value = headers.get(name) ?? "eyJhIjoxfQ";
    for (const [first, second] of [[value, value], [value, "other"], ["", value], [value, ""]]) {
      const twice = new Headers(headers);
      twice.delete(name);
      twice.append(name, first);
      twice.append(name.toUpperCase(), second);
      assert.deepEqual(await ask(twice), [400, "header.duplicate", null], name);
    }
    assert.deepEqual(await ask(headers), [200, null, null], `${name}: nothing was spent`);
  }
  // Feedback that is raw JSON has commas of its own.
  const opinion = () => new imagxp.Feedback(`${ORIGIN}/é`, 1, "HIGH_QUALITY").sign(reader.identity);
  const wire = (text) => Buffer.from(text).toString("latin1");
  const [one, other] = [wire(opinion()), wire(opinion())];
  const encoded = imagxp.feedbackHeader(opinion());
  for (const pair of [[one, other], [one, one], ['{"a":{},"b":1}', one], [encoded, one], [one, encoded], [one, ""]]) {
    const headers = new Headers(reader.sign("/"));
    for (const line of pair) headers.append("x-imagxp-feedback", line);
    assert.deepEqual(await ask(headers), [400, "header.duplicate", null]);
  }
  assert.deepEqual(taken, []);
  assert.deepEqual(await ask([...reader.sign("/"), ["x-imagxp-feedback", one]]), [200, null, "accepted"]);
  assert.equal(taken.length, 1);
});

test("Deno: the switch for development lets in nobody from another machine, whatever Host says", async () => {
  const handler = withImagxp(page, { policy: policy() });
  const from = async (remoteAddr) => (await quietly(() => handler(request("/", reader.sign("/")), { remoteAddr }))).status;
  for (const hostname of ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "1127.0.0.1"]) {
    assert.equal(await from({ transport: "tcp", hostname, port: 1 }), 500, hostname);
  }
  for (const hostname of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(await from({ transport: "tcp", hostname, port: 1 }), 200, hostname);
  }
  assert.deepEqual([await from({ transport: "unix", path: "/run/site" }), await from(undefined)], [200, 200]);
  const elsewhere = withImagxp(page, { policy: policy({ allow_loopback: false, unsigned: "allow" }) });
  assert.equal((await elsewhere(request("/", []), { remoteAddr: { hostname: "192.0.2.7" } })).status, 200);
});

test("a document store: other isolates find what one has fetched, and a new key is fetched all the same", async () => {
  const own = await agent();
  try {
    const kept = new Map();
    const documents = {
      get: async (key) => kept.get(key) ?? null,
      put: async (key, value, { expirationTtl }) => {
        assert.ok(expirationTtl >= 60);
        kept.set(key, value);
      },
    };
    const waiting = [];
    const context = { waitUntil: (promise) => waiting.push(promise) };
    const verdict = async () => {
      const verdict = await new imagxp.Verifier({ policy: policy(), documents }).verifyRequest(request("/", own.sign("/")), context);
      await Promise.all(waiting.splice(0));
      return verdict;
    };
    assert.equal((await verdict()).outcome, "allow");
    assert.equal(kept.size, 1);
    assert.equal((await verdict()).outcome, "allow");
    assert.equal(own.state.fetches, 1, "the second verifier took the kept copy");

    // The copy is damaged, and then too old: it is fetched again.
    const [key] = kept.keys();
    for (const copy of ["{", JSON.stringify({ body: "{}", fetchedAt: Date.now(), maxAge: null }), JSON.stringify({ ...JSON.parse(kept.get(key)), fetchedAt: Date.now() - 301_000 })]) {
      kept.set(key, copy);
      const { fetches } = own.state;
      assert.equal((await quietly(verdict)).outcome, "allow");
      assert.equal(own.state.fetches, fetches + 1, copy);
    }
  } finally {
    await own.close();
  }
});

test("a replay store that fails lets nobody in", async () => {
  const stores = {
    "throws": () => { throw new Error("on purpose"); },
    "rejects": async () => { throw new Error("on purpose"); },
    "answers nonsense": () => "yes",
    "answers nothing": () => undefined,
  };
  for (const [name, insertIfAbsent] of Object.entries(stores)) {
    const verifier = new imagxp.Verifier({ policy: policy(), replayStore: { insertIfAbsent }, secret: SECRET });
    const answer = await quietly(() => verifier.handle(request("/", reader.sign("/")), page));
    assert.deepEqual([answer.status, (await answer.json()).error.code], [503, "replay.store_error"], name);
  }
  const full = new imagxp.Verifier({ policy: policy(), replayStore: { insertIfAbsent: () => "full" }, secret: SECRET });
  assert.equal((await full.verifyRequest(request("/", reader.sign("/")))).code, "replay.store_full");
});

test("a visa of several uses is counted in a store that answers later, and redeemed at the broker", async () => {
  const bank = await broker();
  try {
    const entries = new Set();
    const insertIfAbsent = async ({ key }) => (entries.has(key) ? "seen" : (entries.add(key), "fresh"));
    const asked = [];
    const redeem = async (need, visa) => (asked.push(need.url), visa === "" ? "refused" : "accepted");
    const rules = policy({ price: { amount: "0.01", currency: "USD" }, payment: { brokers: [{ ...bank.entry, check: "redeem" }] } });
    const verifier = new imagxp.Verifier({ policy: rules, secret: SECRET, replayStore: { insertIfAbsent }, redeem });
    const payment = bank.visa(reader, { maxUses: 3 });
    const codes = [];
    for (let use = 0; use < 4; use += 1) codes.push((await verifier.verifyRequest(request("/", reader.sign("/", { payment })))).code);
    assert.deepEqual(codes, [null, null, null, "payment.already_used"]);
    assert.equal(asked.length, 3);
    assert.ok(asked.every((url) => url.startsWith(bank.issuer)));
    const without = new imagxp.Verifier({ policy: rules });
    const verdict = await without.verifyRequest(request("/", reader.sign("/", { payment: bank.visa(reader) })));
    assert.deepEqual([verdict.http, verdict.outcome], [503, "undecided"]);
  } finally {
    await bank.close();
  }
});

test("a broker is shown the visa and the signed request, also of an agent that leaves its key out", async () => {
  const bank = await broker();
  try {
    const rules = policy({ price: { amount: "0.01", currency: "USD" }, payment: { brokers: [{ ...bank.entry, check: "redeem" }] } });
    const shown = [];
    const redeem = async (need, visa, presented, { resource }) => (shown.push([need.url, visa, presented, resource]), "accepted");
    const verifier = new imagxp.Verifier({ policy: rules, redeem });
    for (const name of ["x-imagxp-public-key", "none"]) {
      const visa = bank.visa(reader);
      const lines = reader.sign("/", { payment: visa });
      const verdict = await verifier.verifyRequest(request("/", lines.filter(([own]) => own !== name)));
      assert.deepEqual([verdict.code, verdict.payment.state], [null, "visa"]);
      const sent = Object.fromEntries(lines);
      const signed = { payload: sent["x-imagxp-payload"], signature: sent["x-imagxp-signature"], public_key: sent["x-imagxp-public-key"] };
      assert.deepEqual(shown.splice(0), [[`${bank.issuer}/v1/visas/redeem`, visa, { visa, request: signed }, "https://pub.example/"]]);
    }
  } finally {
    await bank.close();
  }
});

test("what is no answer of redeem is none of the broker's: 503, one audit record, and one line in the log", async () => {
  const bank = await broker();
  try {
    const rules = policy({ price: { amount: "0.01", currency: "USD" }, payment: { brokers: [{ ...bank.entry, check: "redeem" }] } });
    for (const answer of [undefined, true, "Accepted", { toString: () => "accepted" }]) {
      const records = [];
      const audit = (line) => { records.push(JSON.parse(line)); };
      const verifier = new imagxp.Verifier({ policy: rules, redeem: async () => answer, audit });
      const lines = reader.sign("/", { payment: bank.visa(reader) });
      await quietly(async (said) => {
        const response = await verifier.handle(request("/", lines), page);
        assert.deepEqual([response.status, (await response.json()).error.code], [503, "payment.redeem_unavailable"]);
        assert.deepEqual(said, ["imagxp: redeem gave another answer than accepted, refused or unavailable"]);
      });
      assert.deepEqual(records.map(({ code }) => code), ["payment.redeem_unavailable"]);
    }
  } finally {
    await bank.close();
  }
});

test("a visa that was let in without asking its broker is handed on, to be redeemed", async () => {
  const bank = await broker();
  try {
    const payment = { brokers: [{ ...bank.entry, check: "offline" }] };
    const rules = policy({ price: { amount: "0.01", currency: "USD" }, payment });
    const shown = [];
    const verifier = new imagxp.Verifier({ policy: rules, onVisa: (presented, { payment: { jti } }) => { shown.push([presented, jti]); } });
    const lines = reader.sign("/", { payment: bank.visa(reader, { jti: "visa-offline" }) });
    const sent = Object.fromEntries(lines);
    // The key is the manifest's where the request does not bring it.
    const answer = await verifier.handle(request("/", lines.filter(([name]) => name !== "x-imagxp-public-key")), page);
    assert.equal(answer.status, 200);
    const signed = { payload: sent["x-imagxp-payload"], signature: sent["x-imagxp-signature"], public_key: sent["x-imagxp-public-key"] };
    assert.deepEqual(shown.splice(0), [[{ visa: sent["x-imagxp-payment"], request: signed }, "visa-offline"]]);
    // Not again, not for what is free or refused.
    assert.equal((await verifier.handle(request("/", lines), page)).status, 409);
    assert.equal((await verifier.handle(request("/", reader.sign("/", { payment: sent["x-imagxp-payment"] })), page)).status, 402);
    assert.deepEqual(shown, []);
    assert.equal((await verifier.verifyRequest(request("/", reader.sign("/", { payment: bank.visa(reader) })))).code, null);
    assert.equal(shown.length, 1);

    const redeem = async () => "accepted";
    const asking = new imagxp.Verifier({ policy: { ...rules, payment: { brokers: [{ ...bank.entry, check: "redeem" }] } }, redeem, onVisa: (presented) => { shown.push(presented); } });
    assert.equal((await asking.handle(request("/", reader.sign("/", { payment: bank.visa(reader) })), page)).status, 200);
    assert.equal(shown.length, 1, "that one is redeemed");

    // What fails is said, and changes nothing; who can keep it running does not wait for it.
    for (const onVisa of [() => { throw new Error("on purpose"); }, async () => { throw new Error("on purpose"); }]) {
      const failing = new imagxp.Verifier({ policy: rules, onVisa });
      const said = await quietly(async (said) => {
        assert.equal((await failing.handle(request("/", reader.sign("/", { payment: bank.visa(reader) })), page)).status, 200);
        return said;
      });
      assert.match(said.join(), /not redeemed.*on purpose/);
    }
    const waiting = [];
    const slow = new imagxp.Verifier({ policy: rules, onVisa: () => new Promise(() => undefined) });
    const context = { waitUntil: (promise) => { waiting.push(promise); } };
    assert.equal((await slow.handle(request("/", reader.sign("/", { payment: bank.visa(reader) })), page, context)).status, 200);
    assert.ok(waiting.length >= 1);
  } finally {
    await bank.close();
  }
});

test("visas of two brokers are told apart by their issuer", async () => {
  const banks = [await broker(), await broker()];
  try {
    const payment = { brokers: banks.map(({ entry }) => ({ ...entry, check: "offline" })) };
    const rules = policy({ price: { amount: "0.01", currency: "USD" }, payment });
    const queues = {};
    const onVisa = (presented, verdict) => { (queues[verdict.payment.issuer] ??= []).push(presented.visa); };
    const verifier = new imagxp.Verifier({ policy: rules, onVisa });
    const visas = banks.map((bank) => bank.visa(reader));
    for (const visa of visas) assert.equal((await verifier.handle(request("/", reader.sign("/", { payment: visa })), page)).status, 200);
    assert.deepEqual(queues, { [banks[0].issuer]: [visas[0]], [banks[1].issuer]: [visas[1]] });
  } finally {
    await Promise.all(banks.map((bank) => bank.close()));
  }
});

test("a visa of more uses than a request may ask the store about", async () => {
  const bank = await broker();
  try {
    const entries = new Set();
    let asked = 0;
    const insertIfAbsent = async ({ key }) => ((asked += 1), entries.has(key) ? "seen" : (entries.add(key), "fresh"));
    const rules = policy({ price: { amount: "0.01", currency: "USD" }, payment: { brokers: [bank.entry] } });
    const isolate = () => new imagxp.Verifier({ policy: rules, secret: SECRET, replayStore: { insertIfAbsent } });
    const [uses, payment] = [140, bank.visa(reader, { maxUses: 140 })];
    const use = async (verifier) => (await verifier.verifyRequest(request("/", reader.sign("/", { payment })))).code;
    const verifier = isolate();
    for (let number = 0; number < uses; number += 1) assert.equal(await use(verifier), null, String(number));
    assert.equal(await use(verifier), "payment.already_used");
    assert.equal(asked, uses + 1 + uses, "a nonce each, and a use each");
    // One that knows nothing of them learns in two requests.
    const other = isolate();
    assert.deepEqual([await use(other), await use(other)], ["replay.store_error", "payment.already_used"]);
  } finally {
    await bank.close();
  }
});

test("a signed body leaves one audit record, read or not", async () => {
  const records = [];
  const audit = (record) => records.push(JSON.parse(record).code ?? null);
  const verifier = new imagxp.Verifier({ policy: policy(), audit, maxBody: 100 });
  const post = (body, said = body ?? "") => request("/", reader.sign("/", { method: "POST", contentDigest: imagxp.contentDigest(said) }), { method: "POST", body });
  const used = post("x");
  await used.text();
  const slowly = async function* () {
    for (let piece = 0; piece < 20; piece += 1) yield new Uint8Array(10);
  };
  const stream = new Request(post(undefined, new Uint8Array(200)), { body: ReadableStream.from(slowly()), duplex: "half" });
  for (const [asked, status] of [[post("x".repeat(100)), 200], [post(undefined), 200], [post("x".repeat(101)), 400], [stream, 400], [post(undefined, "x"), 400], [used, 400]]) {
    const answer = await verifier.handle(asked, page);
    assert.deepEqual([answer.status, records.splice(0)], [status, [status === 200 ? null : "claim.digest_mismatch"]]);
  }
});

test("what the site's own code throws is the site's", async () => {
  const verifier = new imagxp.Verifier({ policy: policy() });
  await assert.rejects(verifier.handle(request("/", reader.sign("/")), () => { throw new TypeError("mine"); }), TypeError);
});

test("Next: the page reads the verdict in headers that nobody else can set; a refusal ends here", async () => {
  const proxy = imagxpProxy(NextResponse, { policy: policy({ origins: [HOST] }) });
  const signed = [["user-agent", "Test IMAGXP/1.0"], ...reader.identity.sign("GET", `${HOST}/a`, "SUMMARY")];
  const next = (target, lines) => new NextRequest(HOST + target, { headers: lines });
  const passed = await proxy(next("/a", [...signed, ["x-imagxp-verdict-agent-id", "google.com"], ["x-imagxp-verdict-admin", "1"]]));
  // Next's own words for "go on, with these request headers".
  assert.equal(passed.headers.get("x-middleware-next"), "1");
  assert.equal(passed.headers.get("x-middleware-request-x-imagxp-verdict-agent-id"), reader.identity.agentId);
  assert.equal(passed.headers.get("x-middleware-request-x-imagxp-verdict-outcome"), "allow");
  assert.equal(passed.headers.get("x-middleware-request-x-imagxp-verdict-admin"), null);
  assert.equal(passed.headers.get("x-imagxp-content-origin"), "HUMAN");
  const refused = await proxy(next("/a", [["user-agent", "curl/8"]]));
  assert.deepEqual([refused.status, refused.headers.get("x-middleware-next")], [401, null]);
});
