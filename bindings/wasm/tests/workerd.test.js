// Real workerd, real HTTP: everything that an adapter has to show, and header lines over raw sockets.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as imagxp from "../dist/index.js";
import { ORIGIN, OTHERS, REPLAY, SECRET, agent, broker, exchange, policy, serve, workerd } from "./support.js";

const WORKER = fileURLToPath(new URL("fixtures/worker.js", import.meta.url));
const BROWSER = [["user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"], ["accept-language", "en"], ["sec-fetch-mode", "navigate"], ["sec-fetch-dest", "document"], ["sec-fetch-site", "none"]];

const siteKey = imagxp.PrivateKey.generate();
const site = new imagxp.Identity("pub.example", siteKey);
let reader;
let bank;
let upstream;
let server;
let ports;

before(async () => {
  reader = await agent();
  bank = await broker();
  upstream = await serve((_, response) => response.end("from elsewhere"));
  const common = { SITE_KEY: siteKey.toPem(), SECRET, UPSTREAM: `http://${upstream.host}/` };
  const paths = [{ match: "/paid/**", price: { amount: "0.01", currency: "USD" } }];
  server = await workerd(WORKER, {
    main: { ...common, POLICY: policy({ paths, payment: { brokers: [bank.entry] } }) },
    observe: { ...common, POLICY: policy({ mode: "observe", unsigned: "deny" }) },
    one: { ...common, POLICY: policy(), REPLAY },
    two: { ...common, POLICY: policy(), REPLAY },
  });
  ({ ports } = server);
});

after(async () => {
  await server?.close();
  await Promise.all([reader, bank, upstream].map((one) => one?.close()));
});

const get = (target, lines, options) => exchange(ports.main, target, lines, options);

test("allowed: the manifest is fetched once, the verdict reaches the Worker, the answer says who made it", async () => {
  const answer = await get("/verdict", reader.sign("/verdict"));
  assert.equal(answer.status, 200, answer.text);
  const { verdict, same } = answer.json();
  assert.equal(verdict.outcome, "allow");
  assert.equal(verdict.agentId, reader.identity.agentId);
  assert.equal(verdict.purpose, "SUMMARY");
  assert.equal(verdict.resource, `${ORIGIN}/verdict`);
  assert.equal(same, true);
  assert.equal(answer.header("x-imagxp-content-origin"), "HUMAN");
  assert.equal((await get("/again", reader.sign("/again"))).status, 200);
  assert.equal(reader.state.fetches, 1);
});

test("denied: another purpose, another resource, a key that nobody published", async () => {
  const purpose = await get("/", reader.sign("/", { purpose: "CRAWL_TRAINING" }));
  assert.deepEqual([purpose.status, purpose.code()], [403, "policy.purpose_denied"]);
  assert.equal(purpose.header("content-type"), "application/json");
  assert.equal(purpose.header("cache-control"), "no-store");
  const resource = await get("/b", reader.sign("/a"));
  assert.deepEqual([resource.status, resource.code()], [403, "claim.resource_mismatch"]);
  const stranger = new imagxp.Identity(reader.identity.agentId, imagxp.PrivateKey.generate(), { allowLoopback: true });
  const forged = await get("/", [["user-agent", "IMAGXP/1.0"], ...stranger.sign("GET", `${ORIGIN}/`, "SUMMARY")]);
  assert.deepEqual([forged.status, forged.code()], [401, "identity.key_mismatch"]);
});

test("the origin is the policy's, whatever Host says", async () => {
  const host = `localhost:${ports.main}`;
  assert.equal((await get("/h", reader.sign("/h"), { host })).status, 200);
  // `allow_loopback` is for development: on any other host nobody is let in.
  const elsewhere = await get("/h", reader.sign("/h"), { host: "pub.example" });
  assert.deepEqual([elsewhere.status, elsewhere.code()], [500, "internal.invariant"]);
});

test("paid: an offer, a visa, and its one use", async () => {
  const unpaid = await get("/paid/a", reader.sign("/paid/a"));
  assert.deepEqual([unpaid.status, unpaid.code()], [402, "payment.required"]);
  assert.equal(imagxp.readOffer(unpaid.text, { trusted: [bank.issuer], allowLoopback: true }).price, "0.01");
  const payment = bank.visa(reader);
  const paid = await get("/paid/a", reader.sign("/paid/a", { payment }));
  assert.equal(paid.status, 200, paid.text);
  const twice = await get("/paid/a", reader.sign("/paid/a", { payment }));
  assert.deepEqual([twice.status, twice.code()], [402, "payment.already_used"]);
});

test("a handler that changes a header of a request that was paid for", async () => {
  const answer = await get("/paid/changed", reader.sign("/paid/changed", { payment: bank.visa(reader) }));
  assert.deepEqual([answer.status, answer.text], [200, "here"]);
});

test("replayed: the same request passes once", async () => {
  const lines = reader.sign("/once");
  assert.equal((await get("/once", lines)).status, 200);
  const again = await get("/once", lines);
  assert.deepEqual([again.status, again.code()], [409, "replay.nonce_seen"]);
});

test("a Durable Object: one nonce passes once in two isolates, also when forty come at the same time", async () => {
  const lines = reader.sign("/shared");
  assert.equal((await exchange(ports.one, "/shared", lines)).status, 200);
  assert.equal((await exchange(ports.two, "/shared", lines)).code(), "replay.nonce_seen");
  assert.equal((await exchange(ports.one, "/shared", lines)).code(), "replay.nonce_seen");
  const race = reader.sign("/race");
  const sent = Array.from({ length: 40 }, (_, number) => exchange(number % 2 ? ports.one : ports.two, "/race", race));
  const answers = await Promise.all(sent);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(39).fill(409)]);
});

test("a Durable Object forgets what has expired, and nothing else", async () => {
  const entry = (number, expiresAt) => ({ key: String(number).padStart(32, "0"), agent: "a".repeat(32), expiresAt });
  const expired = entry(1, Date.now() - 3_600_000);
  const alive = entry(2, Date.now() + 60_000);
  const insert = async () => {
    const body = JSON.stringify([expired, expired, alive, alive]);
    return (await exchange(ports.one, "/insert", reader.sign("/insert", { method: "POST" }), { method: "POST", body })).json();
  };
  assert.deepEqual(await insert(), ["fresh", "seen", "fresh", "seen"]);
  assert.deepEqual(await insert(), ["fresh", "seen", "seen", "seen"]);
});

test("observe: everything is computed and everybody passes", async () => {
  const answer = await exchange(ports.observe, "/verdict", [["user-agent", "curl/8"]]);
  assert.equal(answer.status, 200);
  const { verdict } = answer.json();
  assert.deepEqual([verdict.outcome, verdict.wouldDeny, verdict.code], ["allow", true, "auth.required"]);
  const lines = reader.sign("/verdict", { purpose: "CRAWL_TRAINING" });
  const denied = await exchange(ports.observe, "/verdict", lines);
  assert.equal(denied.json().verdict.code, "policy.purpose_denied");
});

test("unsigned: a browser passes, a client does not, everybody reads robots.txt and the public policy", async () => {
  assert.equal((await get("/page", BROWSER)).text, "page /page");
  const client = await get("/page", [["user-agent", "curl/8"]]);
  assert.deepEqual([client.status, client.code()], [401, "auth.required"]);
  assert.equal(client.header("www-authenticate"), "IMAGXP");
  assert.equal((await get("/robots.txt", [["user-agent", "curl/8"]])).text, "page /robots.txt");
  const announced = await get("/.well-known/imagxp-policy.json", []);
  assert.equal(announced.status, 200);
  assert.ok(announced.json().purposes.SUMMARY);
  const head = await get("/page", [["user-agent", "curl/8"]], { method: "HEAD" });
  assert.deepEqual([head.status, head.text], [401, ""]);
});

test("a receipt: in the head of a page, and for a stream once it has passed", async () => {
  const manifest = site.manifest();
  const agentId = reader.identity.agentId;
  const page = await get("/page?x=1", reader.sign("/page?x=1"));
  const digest = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const inHead = imagxp.SignedReceipt.fromHeaders(page.headers).verify(manifest);
  inHead.check({ url: `${ORIGIN}/page?x=1`, contentSha256: await digest(page.body), agentId });

  const streamed = await get("/stream", reader.sign("/stream"));
  assert.equal(streamed.text, "one two three");
  assert.equal(streamed.header("x-imagxp-provenance"), undefined);
  const kept = (await get("/receipts", reader.sign("/receipts"))).json();
  const { headers } = kept.find(({ of }) => of.url === `${ORIGIN}/stream`);
  const atTheEnd = imagxp.SignedReceipt.fromHeaders(headers).verify(manifest);
  atTheEnd.check({ url: `${ORIGIN}/stream`, contentSha256: await digest(streamed.body), agentId });
});

test("the query is compared as it came", async () => {
  for (const [sent, signed] of [["/verdict?q='x'", "/verdict?q='x'"], ["/verdict?q='x'", "/verdict?q=%27x%27"], ["/verdict?q=%27x%27", "/verdict?q='x'"], ["/verdict?", "/verdict?"]]) {
    const answer = await get(sent, reader.sign(signed));
    assert.equal(answer.status, 200, `${sent}, signed as ${signed}: ${answer.text}`);
  }
});

test("an answer that was fetched elsewhere gets the headers too", async () => {
  const answer = await get("/immutable", reader.sign("/immutable"));
  assert.equal(answer.text, "from elsewhere");
  assert.equal(answer.header("x-imagxp-content-origin"), "HUMAN");
  assert.ok(answer.header("x-imagxp-provenance"));
});

test("two lines of one header over a raw socket", async () => {
  const lines = reader.sign("/x");
  for (const [one, other] of OTHERS) {
    const answer = await get("/x", [...lines, one, other]);
    assert.deepEqual([answer.status, answer.code(), answer.header("x-imagxp-feedback-status")], [400, "header.duplicate", undefined], one[0]);
  }
  assert.equal((await get("/x", lines)).status, 200);
});

test("malformed headers over a raw socket are refused with their code", async () => {
  const [userAgent, payload, signature, publicKey] = reader.sign("/x");
  const visa = ["x-imagxp-payment", bank.visa(reader)];
  const cases = {
    "two payloads": [[userAgent, payload, payload, signature, publicKey], 400, "header.duplicate"],
    "two signatures": [[userAgent, payload, signature, ["X-IMAGXP-Signature", signature[1]], publicKey], 400, "header.duplicate"],
    "two different payloads": [[userAgent, payload, reader.sign("/x")[1], signature, publicKey], 400, "header.duplicate"],
    "two keys": [[userAgent, payload, signature, publicKey, publicKey], 400, "header.duplicate"],
    "two visas": [[userAgent, payload, signature, publicKey, visa, visa], 400, "header.duplicate"],
    "a visa and an empty one": [[userAgent, payload, signature, publicKey, visa, ["x-imagxp-payment", ""]], 400, "header.duplicate"],
    "two of a name that nobody knows": [[userAgent, payload, signature, publicKey, ["x-imagxp-new", "1"], ["x-imagxp-new", "1"]], 400, "header.duplicate"],
    "two visas of two names": [[userAgent, payload, signature, publicKey, visa, ["x-imagxp-credential", "a.b.c"]], 400, "header.conflict"],
    "no payload": [[userAgent, signature, publicKey], 400, "header.missing"],
    "no signature": [[userAgent, payload, publicKey], 400, "header.missing"],
    "an empty payload": [[userAgent, ["x-imagxp-payload", ""], signature, publicKey], 400, undefined],
    "not base64": [[userAgent, ["x-imagxp-payload", "{}"], signature, publicKey], 400, "header.base64_invalid"],
    "not JSON": [[userAgent, ["x-imagxp-payload", btoa("{")], signature, publicKey], 400, "json.malformed"],
    "a name twice in it": [[userAgent, ["x-imagxp-payload", btoa('{"v":"1.1","v":"1.1"}')], signature, publicKey], 400, "json.duplicate_key"],
    "DER": [[userAgent, payload, ["x-imagxp-signature", "3045022100"], publicKey], 400, "sig.malformed"],
    "bytes beyond ASCII": [[userAgent, ["x-imagxp-payload", "\u00e9\u00ff"], signature, publicKey], 400, "header.base64_invalid"],
    "a payload that is too large": [[userAgent, ["x-imagxp-payload", "A".repeat(20_000)], signature, publicKey], 413, "header.too_large"],
    "too many lines": [[...Array.from({ length: 200 }, (_, number) => [`x-${number}`, "1"]), payload, signature], 413, "header.too_large"],
  };
  for (const [name, [lines, status, code]] of Object.entries(cases)) {
    const answer = await get("/x", lines);
    assert.equal(answer.status, status, `${name}: ${answer.text}`);
    if (code !== undefined) assert.equal(answer.code(), code, name);
  }
  // None of them has spent the nonce.
  assert.equal((await get("/x", [userAgent, payload, signature, publicKey])).status, 200);
});

test("nobody else speaks of verdicts", async () => {
  const claimed = [["x-imagxp-verdict-outcome", "allow"], ["X-Imagxp-Verdict-Agent-Id", "google.com"], ["x_imagxp_verdict_code", "no"]];
  const answer = await get("/verdict", [...reader.sign("/verdict"), ...claimed, ["x-other", "stays"]]);
  const names = answer.json().headers.map(([name]) => name);
  assert.ok(names.includes("x-other"));
  assert.deepEqual(names.filter((name) => name.includes("verdict")), []);
});

test("a signed body is compared with its digest and still reaches the Worker", async () => {
  const body = "what was sent ü";
  const contentDigest = imagxp.contentDigest(body);
  const lines = reader.sign("/echo", { method: "POST", contentDigest });
  const other = await get("/echo", lines, { method: "POST", body: `${body}!` });
  assert.deepEqual([other.status, other.code()], [400, "claim.digest_mismatch"]);
  const same = await get("/echo", lines, { method: "POST", body });
  assert.deepEqual([same.status, same.text], [200, body]);
  const long = "x".repeat(5000);
  const large = reader.sign("/echo", { method: "POST", contentDigest: imagxp.contentDigest(long) });
  assert.equal((await get("/echo", large, { method: "POST", body: long })).code(), "claim.digest_mismatch");
});

test("feedback is taken once", async () => {
  const opinion = new imagxp.Feedback(`${ORIGIN}/page`, "0.25", "INACCURATE");
  const value = imagxp.feedbackHeader(opinion.sign(reader.identity));
  for (const [port, statuses] of [[ports.main, ["accepted", "replay.nonce_seen"]], [ports.one, ["accepted", "replay.nonce_seen"]]]) {
    for (const status of statuses) {
      const answer = await exchange(port, "/page", [...reader.sign("/page"), ["x-imagxp-feedback", value]]);
      assert.equal(answer.status, 200);
      assert.equal(answer.header("x-imagxp-feedback-status"), status);
    }
    const taken = (await exchange(port, "/feedback", reader.sign("/feedback"))).json();
    assert.deepEqual(taken.map(({ scoreMillionths, reason }) => [scoreMillionths, reason]), [[250_000, "INACCURATE"]]);
  }
});

test("feedback in raw JSON, with more than ASCII", async () => {
  const opinion = new imagxp.Feedback(`${ORIGIN}/é`, 1, "HIGH_QUALITY").sign(reader.identity);
  const answer = await exchange(ports.two, "/page", [...reader.sign("/page"), ["x-imagxp-feedback", opinion]]);
  assert.deepEqual([answer.status, answer.header("x-imagxp-feedback-status")], [200, "accepted"]);
});

test("a browser's User-Agent is the bytes that came", async () => {
  const [[name, value], ...lines] = BROWSER;
  // Latin-1, then UTF-8 of one character below 256 and of one beyond.
  for (const [bytes, status] of [["\xe9", 401], ["\xc3\xa9", 200], ["\xe2\x82\xac", 200]]) {
    const answer = await get("/page", [[name, `${value} ${bytes}`], ...lines], { encoding: "latin1" });
    assert.equal(answer.status, status, bytes);
  }
});

test("a manifest that stalls costs its own reader a 503, and nobody else anything", async () => {
  const slow = await agent((request, response) => response.write("{"));
  try {
    const waiting = get("/slow", slow.sign("/slow"));
    assert.equal((await get("/page", BROWSER)).status, 200);
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.code()], [503, "identity.fetch_failed"]);
    // Remembered: the next one does not wait.
    assert.equal((await get("/slow", slow.sign("/slow"))).code(), "identity.fetch_failed");
    assert.equal(slow.state.fetches, 1);
  } finally {
    await slow.close();
  }
});

test("manifests that must not be taken", async () => {
  const cases = [
    ["identity.redirect", (_, response) => response.writeHead(302, { location: "https://example.com/" }).end()],
    ["identity.not_found", (_, response) => response.writeHead(404).end()],
    ["identity.fetch_failed", (_, response) => response.writeHead(500).end()],
    ["identity.manifest_invalid", (_, response) => response.end("{")],
    ["identity.manifest_invalid", (_, response) => response.end(" ".repeat(70_000))],
    ["identity.manifest_invalid", (_, response, { manifest }) => response.writeHead(200, { "content-encoding": "br" }).end(manifest)],
  ];
  // All at once: the port of one that is closed may be the next one's, and workerd keeps connections.
  const agents = await Promise.all(cases.map(([, answer]) => agent(answer)));
  try {
    for (const [number, [code]] of cases.entries()) {
      assert.equal((await get("/", agents[number].sign("/"))).code(), code, `case ${number}`);
    }
  } finally {
    await Promise.all(agents.map((odd) => odd.close()));
  }
});

test("garbage never causes a fetch, and twenty first requests cause one", async () => {
  const fresh = await agent();
  try {
    const lines = fresh.sign("/").map(([name, value]) => [name, name === "x-imagxp-signature" ? "ab".repeat(64) : value]);
    assert.equal((await get("/", lines)).code(), "sig.invalid");
    assert.equal(fresh.state.fetches, 0);
    const answers = await Promise.all(Array.from({ length: 20 }, () => get("/", fresh.sign("/"))));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(fresh.state.fetches, 1);
  } finally {
    await fresh.close();
  }
});

test("a trap costs one request: the next one finds a new instance", async () => {
  const [first, second] = [await agent(), await agent()];
  try {
    // In a rule that is asked while the instance verifies: nobody passes.
    const inside = await get("/trap", first.sign("/trap"));
    assert.deepEqual([inside.status, inside.code()], [500, "internal.panic"]);
    assert.equal((await get("/after", first.sign("/after"))).status, 200);
    const broken = await get("/panic", second.sign("/panic"));
    assert.equal(broken.status, 500);
    assert.equal((await get("/after", second.sign("/after"))).status, 200);
    // The directory lived in the instance.
    assert.deepEqual([first.state.fetches, second.state.fetches], [2, 2]);
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});
