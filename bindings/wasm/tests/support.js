// What the tests share: agents, their manifests on loopback servers, requests over raw sockets, and workerd.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import * as imagxp from "../dist/index.js";

export const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
export const ORIGIN = "https://pub.example";
export const SECRET = "00112233445566778899aabbccddeeff";
/** Two lines of each header that a good request need not have, base64 and JSON. */
export const OTHERS = [
  ...["payment", "credential", "proof", "feedback", "agent-id", "alg", "something"].map((end) => [[`x-imagxp-${end}`, "eyJhIjoxfQ"], [`X-Imagxp-${end}`, "other"]]),
  [["x-imagxp-feedback", '{"a":{},"b":1}'], ["x-imagxp-feedback", '{"a":1,"b":2}']],
];
const LOOPBACK = { allowLoopback: true };

/** A server on a free loopback port; `close` ends it and its connections. */
export async function serve(handler) {
  const server = http.createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { port, host: `127.0.0.1:${port}`, close };
}

/** An agent whose manifest a loopback server serves, and how often it was asked. `answer` replaces what it answers. */
export async function agent(answer) {
  const state = { fetches: 0, answer };
  const server = await serve((request, response) => {
    state.fetches += 1;
    if (state.answer !== undefined) return state.answer(request, response, state);
    response.setHeader("content-type", "application/json");
    response.end(state.manifest);
  });
  const key = imagxp.PrivateKey.generate();
  const identity = new imagxp.Identity(server.host, key, LOOPBACK);
  state.manifest = identity.manifest().toJson();
  return {
    identity,
    state,
    close: server.close,
    /** The header lines of one signed request. */
    sign: (target, options = {}) => {
      const { method = "GET", purpose = "SUMMARY", ...rest } = options;
      return [["user-agent", "Test IMAGXP/1.0"], ...identity.sign(method, ORIGIN + target, purpose, rest)];
    },
  };
}

/** A broker's key set on a loopback server, and its visas. */
export async function broker() {
  const key = imagxp.PrivateKey.generate();
  const jwk = { ...key.publicKey.toJwk(), kid: key.publicKey.thumbprint };
  const server = await serve((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
  const issuer = `http://${server.host}`;
  let number = 0;
  return {
    issuer,
    close: server.close,
    entry: { issuer, jwks_uri: `${issuer}/jwks.json` },
    visa: (reader, options = {}) => imagxp.issueVisa(key, {
      issuer,
      audience: ORIGIN,
      agentId: reader.identity.agentId,
      jkt: reader.identity.keyId,
      jti: `visa-number-${(number += 1)}`,
      amount: "0.01",
      currency: "USD",
      ...LOOPBACK,
      ...options,
    }),
  };
}

/** A policy for development, with changes. */
export function policy(changes = {}) {
  return {
    version: 1,
    origins: [ORIGIN],
    allow_loopback: true,
    unsigned: "browsers",
    purposes: { SUMMARY: { allow: true }, QUOTATION: { allow: true }, CRAWL_TRAINING: { allow: false } },
    methods: ["GET", "HEAD", "POST"],
    provenance: { origin: "HUMAN" },
    ...changes,
  };
}

/** What a test expects to be logged is not shown. */
export async function quietly(act) {
  const { error, warn } = console;
  const said = [];
  console.error = console.warn = (...values) => said.push(values.join(" "));
  try {
    return await act(said);
  } finally {
    Object.assign(console, { error, warn });
  }
}

/** One HTTP/1.1 exchange over a socket of its own, every header line as it is given. */
export async function exchange(port, target, lines, { method = "GET", body = "", host = `127.0.0.1:${port}`, encoding = "utf8" } = {}) {
  const socket = net.connect(port, "127.0.0.1");
  const head = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...lines.map(([name, value]) => `${name}: ${value}`)];
  if (body !== "") head.push(`Content-Length: ${Buffer.byteLength(body)}`);
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`, encoding);
  const pieces = [];
  socket.on("data", (piece) => pieces.push(piece));
  await once(socket, "close");
  return parsed(Buffer.concat(pieces));
}

function parsed(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  const [first, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]);
  const header = (name) => headers.find(([other]) => other === name)?.[1];
  const raw = bytes.subarray(end + 4);
  const body = header("transfer-encoding") === "chunked" ? dechunked(raw) : raw;
  const answer = { status: Number(first.split(" ")[1]), headers, header, body, text: body.toString() };
  return { ...answer, json: () => JSON.parse(answer.text), code: () => JSON.parse(answer.text).error.code };
}

function dechunked(raw) {
  const pieces = [];
  for (let at = 0; ;) {
    const line = raw.indexOf("\r\n", at);
    const size = Number.parseInt(raw.subarray(at, line).toString(), 16);
    if (!(size > 0)) return Buffer.concat(pieces);
    pieces.push(raw.subarray(line + 2, line + 2 + size));
    at = line + 4 + size;
  }
}

const require = createRequire(import.meta.url);

/** Bundles a Worker as Cloudflare's tools do: the module stays an asset of its own, which the platform compiles. */
export async function bundle(entry, folder) {
  const asset = {
    name: "wasm",
    setup: (build) => build.onResolve({ filter: /\.wasm$/ }, () => ({ path: "./imagxp.wasm", external: true })),
  };
  const options = { bundle: true, format: "esm", target: "es2022", conditions: ["workerd", "worker", "browser"], logLevel: "error" };
  await esbuild.build({ ...options, entryPoints: [entry], outfile: path.join(folder, "worker.js"), plugins: [asset] });
  await copyFile(path.join(PACKAGE, "generated", "imagxp.wasm"), path.join(folder, "imagxp.wasm"));
}

/**
 * Starts workerd with one socket for each of `sites` (name → bindings, in workerd's own words), all running the Worker `entry`. Its Durable
 * Objects live in a service of their own.
 */
export async function workerd(entry, sites, { flags = [] } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), "imagxp-workerd-"));
  await bundle(entry, folder);
  await mkdir(path.join(folder, "objects"));
  await writeFile(path.join(folder, "config.capnp"), config(sites, flags));
  const child = spawn(binary(), ["serve", "config.capnp", "--control-fd=3"], { cwd: folder, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const log = [];
  child.stdout.on("data", (text) => log.push(text));
  child.stderr.on("data", (text) => log.push(text));
  const ended = once(child, "exit");
  const ports = await listening(child.stdio[3], Object.keys(sites), ended, log);
  return {
    ports,
    log: () => Buffer.concat(log).toString(),
    async close() {
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function listening(control, names, ended, log) {
  const ports = {};
  let text = "";
  return new Promise((resolve, reject) => {
    ended.then(() => reject(new Error(`workerd ended: ${Buffer.concat(log)}`)));
    control.on("data", (piece) => {
      text += piece;
      const lines = text.split("\n");
      text = lines.pop();
      for (const { event, socket, port } of lines.map((line) => JSON.parse(line))) if (event === "listen") ports[socket] = port;
      if (names.every((name) => name in ports)) resolve(ports);
    });
  });
}

function config(sites, flags) {
  const worker = (bindings, objects) => `(
    modules = [(name = "worker.js", esModule = embed "worker.js"), (name = "./imagxp.wasm", wasm = embed "imagxp.wasm")],
    compatibilityDate = "2026-01-01",
    compatibilityFlags = ${JSON.stringify(flags)},
    bindings = [${bindings}],
    ${objects}
  )`;
  const objects = `durableObjectNamespaces = [(className = "ImagxpReplay", uniqueKey = "imagxp-replay", enableSql = true)],
    durableObjectStorage = (localDisk = "objects"),`;
  const shared = '(name = "REPLAY", durableObjectNamespace = (className = "ImagxpReplay", serviceName = "replay"))';
  const services = Object.entries(sites).map(([name, bindings]) => {
    const all = Object.entries(bindings).map(([key, value]) => (value === REPLAY ? shared : binding(key, value)));
    return `(name = "${name}", worker = ${worker(all.join(", "), "")})`;
  });
  const sockets = Object.keys(sites).map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
    (name = "objects", disk = (path = "objects", writable = true)),
    (name = "replay", worker = ${worker("", objects)}),
    ${services.join(",\n    ")}
  ],
  sockets = [${sockets.join(", ")}]
);
`;
}

/** Stands for a binding to the shared Durable Objects. */
export const REPLAY = Symbol("replay");

function binding(name, value) {
  const kind = typeof value === "string" ? "text" : "json";
  return `(name = "${name}", ${kind} = ${JSON.stringify(kind === "text" ? value : JSON.stringify(value))})`;
}

/** The binary for this machine, which npm installs beside the package that names it. */
function binary() {
  return require("workerd").default;
}
