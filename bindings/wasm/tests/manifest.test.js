// A site's own manifest: who checks its receipts, and the broker that pays it, come without a signature.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NextRequest, NextResponse } from "next/server.js";
import * as imagxp from "../dist/index.js";
import { withImagxp } from "../dist/deno.js";
import { imagxpProxy } from "../dist/next.js";
import { withImagxp as forWorkers } from "../dist/workers.js";
import { _panic } from "../generated/imagxp.js";
import { policy, quietly } from "./support.js";

const HOST = "http://localhost:3000";
const PATH = "/.well-known/imagxp-agent.json";
const identity = new imagxp.Identity("pub.example", imagxp.PrivateKey.generate());
const document = identity.manifest().toJson();
const closed = (more) => ({ policy: policy({ unsigned: "deny", origins: [HOST] }), ...more });
const request = (method = "GET", headers = [], path = PATH) => new NextRequest(HOST + path, { method, headers });
const page = () => new Response("page");

/** The same site with each adapter: what answers a request. */
function sites(options) {
  const verifier = new imagxp.Verifier(options);
  const deno = withImagxp(page, options);
  const worker = forWorkers({ fetch: page }, () => options);
  const proxy = imagxpProxy(NextResponse, options);
  return {
    verifier: (asked) => verifier.handle(asked, page),
    deno: (asked) => deno(asked, {}),
    workers: (asked) => worker.fetch(asked, {}, {}),
    next: (asked) => proxy(asked),
  };
}

test("who has signed nothing gets the manifest, and nothing else", async () => {
  for (const [name, ask] of Object.entries(sites(closed({ manifest: identity.manifest() })))) {
    const found = await ask(request());
    assert.equal(found.status, 200, name);
    assert.deepEqual([found.headers.get("content-type"), found.headers.get("access-control-allow-origin")], ["application/json", "*"], name);
    assert.match(found.headers.get("cache-control"), /^public, max-age=\d+$/, name);
    const text = await found.text();
    assert.equal(text, document, name);
    assert.equal(imagxp.Manifest.parse(text, "pub.example").keys[0].keyId, identity.keyId, name);

    assert.equal((await ask(request("GET", [], `${PATH}?a=b`))).status, 200, name);
    const head = await ask(request("HEAD"));
    assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, String(document.length), ""], name);
    const known = await ask(request("GET", [["if-none-match", `"other", ${found.headers.get("etag")}`]]));
    assert.deepEqual([known.status, await known.text()], [304, ""], name);
    const post = await ask(request("POST"));
    assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"], name);
    for (const path of ["/", `${PATH}5`, `${PATH}/x`, `/shop${PATH}`]) assert.equal((await ask(request("GET", [], path))).status, 401, `${name} ${path}`);
  }
});

test("each host has a manifest of its own", async () => {
  const www = new imagxp.Identity("www.pub.example", imagxp.PrivateKey.generate());
  const local = new imagxp.Identity("localhost:3001", imagxp.PrivateKey.generate(), { allowLoopback: true });
  const manifest = [identity, www, local].map((one) => one.manifest());
  for (const [name, ask] of Object.entries(sites(closed({ manifest })))) {
    for (const [origin, agentId] of [
      ["https://pub.example", "pub.example"],
      ["https://www.pub.example", "www.pub.example"],
      ["https://www.pub.example:8443", "www.pub.example"],
      ["http://localhost:3001", "localhost:3001"],
      ["http://localhost:3002", "pub.example"],
      ["https://other.example", "pub.example"],
    ]) {
      const found = await ask(new NextRequest(origin + PATH, { headers: { "x-forwarded-host": "www.pub.example" } }));
      assert.deepEqual([found.status, (await found.json()).agent_id], [200, agentId], `${name} ${origin}`);
    }
  }
  for (const wrong of [[], [manifest[0], 1]]) assert.throws(() => new imagxp.Verifier(closed({ manifest: wrong })), /`manifest` is not a Manifest/);
});

test("without the option the path is guarded like every other", async () => {
  for (const [name, ask] of Object.entries(sites(closed()))) assert.equal((await ask(request())).status, 401, name);
});

test("the manifest outlives the instance that has made it", async () => {
  const site = new imagxp.Verifier(closed({ manifest: identity.manifest() }));
  await quietly(() => assert.throws(_panic));
  const found = await site.handle(request(), page);
  assert.deepEqual([found.status, await found.text()], [200, document]);
});

test("Next: the switch for development is refused with the origin of a real site", () => {
  const proxy = (origins, allow_loopback = true) => imagxpProxy(NextResponse, { policy: policy({ origins, allow_loopback }) });
  for (const origin of ["https://pub.example", "https://localhost.example", "https://127.0.0.1.example"]) {
    const refused = (error) => error instanceof imagxp.ImagxpError && error.code === "usage.policy" && error.message.includes("allow_loopback");
    assert.throws(() => proxy([origin]), refused, origin);
    assert.throws(() => proxy([HOST, origin]), refused, origin);
  }
  for (const origin of [HOST, "http://127.0.0.1:1", "http://[::1]:3000"]) assert.equal(typeof proxy([origin]), "function");
  assert.equal(typeof proxy(["https://pub.example"], false), "function");
});
