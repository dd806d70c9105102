// Real Deno, real HTTP.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import * as imagxp from "../dist/index.js";
import { ORIGIN, OTHERS, PACKAGE, agent, exchange, policy } from "./support.js";

let reader;
let child;
let port;

before(async () => {
  reader = await agent();
  const environment = { ...process.env, POLICY: JSON.stringify(policy()), SITE_KEY: imagxp.PrivateKey.generate().toPem(), DENO_NO_UPDATE_CHECK: "1" };
  const allow = ["--allow-net=127.0.0.1", `--allow-read=${PACKAGE}`, "--allow-env=POLICY,SITE_KEY"];
  const flags = ["run", "--no-prompt", "--no-lock", "--cached-only", ...allow, path.join("tests", "fixtures", "deno.js")];
  child = spawn(binary(), flags, { cwd: PACKAGE, env: environment, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit").then(([code]) => { throw new Error(`deno ended with ${code}`); });
  ended.catch(() => undefined);
  const said = new Promise((resolve) => createInterface({ input: child.stdout }).on("line", (line) => line.startsWith("port ") && resolve(line)));
  port = Number((await Promise.race([said, ended])).slice(5));
});

after(async () => {
  child?.kill();
  await reader?.close();
});

/** The binary that npm installs for this machine beside the package that names it. */
function binary() {
  const require = createRequire(import.meta.url);
  const { optionalDependencies } = require("deno/package.json");
  for (const name of Object.keys(optionalDependencies)) {
    const [, platform] = name.split("/");
    const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
    if (!platform.startsWith(`${process.platform}-${process.arch}`) || (platform.includes("-", 8) && !platform.endsWith(libc) && process.platform === "linux")) continue;
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), process.platform === "win32" ? "deno.exe" : "deno");
  }
  throw new Error("npm has installed no Deno for this machine");
}

test("allowed, replayed, denied, unsigned", async () => {
  const lines = reader.sign("/page");
  const answer = await exchange(port, "/page", lines);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json().agentId, reader.identity.agentId);
  assert.equal(answer.header("x-imagxp-content-origin"), "HUMAN");
  assert.equal((await exchange(port, "/page", lines)).code(), "replay.nonce_seen");
  assert.equal((await exchange(port, "/", reader.sign("/", { purpose: "CRAWL_TRAINING" }))).code(), "policy.purpose_denied");
  assert.equal((await exchange(port, "/", [["user-agent", "curl/8"]])).code(), "auth.required");
  assert.equal(reader.state.fetches, 1);
});

test("the query is compared as it came", async () => {
  for (const [sent, signed] of [["/page?q='x'", "/page?q='x'"], ["/page?q='x'", "/page?q=%27x%27"], ["/page?q=%27x%27", "/page?q='x'"], ["/page?", "/page?"]]) {
    const answer = await exchange(port, sent, reader.sign(signed));
    assert.equal(answer.status, 200, `${sent}, signed as ${signed}: ${answer.text}`);
  }
});

test("a receipt is over what Deno sends, also to who could be sent it compressed", async () => {
  const accept = ["accept-encoding", "gzip"];
  const plain = await exchange(port, "/unsigned", [...reader.sign("/unsigned"), accept]);
  assert.equal(plain.header("content-encoding"), "gzip", "Deno compresses what nobody has signed");
  const answer = await exchange(port, "/long", [...reader.sign("/long"), accept]);
  assert.deepEqual([answer.status, answer.header("content-encoding")], [200, undefined]);
  const contentSha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", answer.body));
  const agentId = reader.identity.agentId;
  imagxp.SignedReceipt.fromHeaders(answer.headers).receipt.check({ url: `${ORIGIN}/long`, contentSha256, agentId });
});

test("a WebSocket behind the adapter", async () => {
  const lines = Object.fromEntries(reader.sign("/socket"));
  const refused = await upgraded({});
  assert.equal(refused.status, 401, refused.text);
  const { status, echoed } = await upgraded(lines, "hello");
  assert.deepEqual([status, echoed], [101, "hello"]);
});

/** Asks for a WebSocket, and says one thing that comes back. */
async function upgraded(lines, said) {
  const headers = { ...lines, connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  const asked = http.request({ host: "127.0.0.1", port, path: "/socket", headers });
  asked.end();
  const answered = once(asked, "response").then(async ([response]) => {
    const pieces = [];
    for await (const piece of response) pieces.push(piece);
    return { status: response.statusCode, text: Buffer.concat(pieces).toString() };
  });
  const talked = once(asked, "upgrade").then(async ([response, socket]) => {
    // One masked frame of text (RFC 6455 §5.2), with a mask of zeros.
    const text = Buffer.from(said);
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
    const [frame] = await once(socket, "data");
    socket.destroy();
    return { status: response.statusCode, echoed: frame.subarray(2).toString() };
  });
  return Promise.race([answered, talked]);
}

test("feedback in raw JSON, with more than ASCII", async () => {
  const opinion = new imagxp.Feedback(`${ORIGIN}/é`, 1, "HIGH_QUALITY").sign(reader.identity);
  const answer = await exchange(port, "/", [...reader.sign("/"), ["x-imagxp-feedback", opinion]]);
  assert.deepEqual([answer.status, answer.header("x-imagxp-feedback-status")], [200, "accepted"]);
});

test("a browser's User-Agent is the bytes that came", async () => {
  const lines = [["accept-language", "en"], ["sec-fetch-mode", "navigate"]];
  for (const [bytes, status] of [["", 200], ["\xe9", 401], ["\xc3\xa9", 200]]) {
    const userAgent = `Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0${bytes}`;
    const answer = await exchange(port, "/", [["user-agent", userAgent], ...lines], { encoding: "latin1" });
    assert.equal(answer.status, status, bytes);
  }
});

test("two lines of one header, over a raw socket", async () => {
  const [userAgent, payload, signature, publicKey] = reader.sign("/");
  for (const twice of [payload, signature, publicKey]) {
    const answer = await exchange(port, "/", [userAgent, payload, signature, publicKey, twice]);
    assert.deepEqual([answer.status, answer.code()], [400, "header.duplicate"], twice[0]);
  }
  for (const [one, other] of OTHERS) {
    const answer = await exchange(port, "/", [userAgent, payload, signature, publicKey, one, other]);
    assert.deepEqual([answer.status, answer.code(), answer.header("x-imagxp-feedback-status")], [400, "header.duplicate", undefined], one[0]);
  }
  assert.equal((await exchange(port, "/", [userAgent, payload, signature, publicKey])).status, 200);
});
