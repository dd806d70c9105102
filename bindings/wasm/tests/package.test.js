// What is exported, and how: the surface, the types, the conditions, the files of the package.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import * as deno from "../dist/deno.js";
import * as imagxp from "../dist/index.js";
import * as next from "../dist/next.js";
import * as workers from "../dist/workers.js";
import { PACKAGE } from "./support.js";

const read = (file) => readFileSync(new URL(file, import.meta.url), "utf8");

/** Every exported name, with the members of each class: `Publisher`, `Publisher.verify`. */
function exported() {
  const names = [];
  for (const [name, value] of Object.entries(imagxp)) {
    if (name === "ImagxpError") continue;
    names.push(name);
    if (typeof value !== "function" || value.prototype === undefined || !/^class/.test(Function.prototype.toString.call(value))) continue;
    const members = [...Object.getOwnPropertyNames(value), ...Object.getOwnPropertyNames(value.prototype)];
    const hidden = ["length", "name", "prototype", "constructor", "free"];
    for (const member of new Set(members)) if (!hidden.includes(member) && !member.startsWith("__")) names.push(`${name}.${member}`);
  }
  return names.sort();
}

test("tests/surface.json says what is exported, both ways", () => {
  const { operations, gaps } = JSON.parse(read("../../../tests/surface.json"));
  const listed = new Set(operations.flatMap(({ wasm }) => wasm ?? []));
  for (const name of listed) assert.ok(exported().includes(name), `${name} is listed and not exported`);
  // A class whose members are listed needs no row of its own.
  const classes = new Set([...listed].map((name) => name.split(".")[0]));
  for (const name of exported()) if (!classes.has(name)) assert.ok(listed.has(name), `${name} is exported and not listed`);
  for (const { name, wasm } of operations) {
    assert.notEqual(wasm, undefined, `${name} has no column`);
    assert.equal(wasm === null, name in gaps.wasm, `${name}: a gap has a reason, and only a gap`);
  }
});

test("each adapter has everything, and its own", () => {
  for (const [adapter, own] of [[workers, ["ImagxpReplay", "durableObjectReplayStore", "withImagxp"]], [deno, ["withImagxp"]], [next, ["imagxpProxy"]]]) {
    const names = Object.keys(adapter).filter((name) => !(name in imagxp));
    assert.deepEqual(names.sort(), own);
    for (const name of Object.keys(imagxp)) assert.ok(name in adapter, name);
  }
});

test("Vercel's condition: the compiled module is what the platform hands over", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "imagxp-edge-light-"));
  try {
    // What Next's bundler does with `?module`.
    const compiled = {
      name: "compiled",
      setup(build) {
        build.onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: "compiled" }));
        build.onLoad({ filter: /.*/, namespace: "compiled" }, () => ({ contents: "export default globalThis.IMAGXP_COMPILED;" }));
      },
    };
    const outfile = path.join(folder, "proxy.mjs");
    const options = { bundle: true, format: "esm", conditions: ["edge-light", "worker", "browser"], logLevel: "error", plugins: [compiled] };
    await esbuild.build({ ...options, entryPoints: [path.join(PACKAGE, "dist", "next.js")], outfile });
    assert.doesNotMatch(await readFile(outfile, "utf8"), /WebAssembly\.(compile|instantiate)|new WebAssembly\.Module|node:fs/);
    globalThis.IMAGXP_COMPILED = await WebAssembly.compile(await readFile(path.join(PACKAGE, "generated", "imagxp.wasm")));
    const bundled = await import(pathToFileURL(outfile));
    assert.notEqual(bundled.canonicalize, imagxp.canonicalize);
    assert.equal(bundled.canonicalize('{"b":1,"a":2}'), '{"a":2,"b":1}');
  } finally {
    delete globalThis.IMAGXP_COMPILED;
    await rm(folder, { recursive: true });
  }
});

test("the version is the workspace's", () => {
  const { version } = JSON.parse(read("../package.json"));
  const [, workspace] = /\[workspace\.package\]\nversion = "([^"]+)"/.exec(read("../../../Cargo.toml"));
  assert.deepEqual([version, imagxp.version()], [workspace, workspace]);
});

test("the types are strict, and refuse what is wrong", () => {
  execFileSync("node_modules/.bin/tsc", ["--project", "tests/types"], { cwd: PACKAGE, stdio: "pipe" });
});

test("what is packed can be installed: every file that is named is there", () => {
  const listed = execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: PACKAGE, stdio: ["ignore", "pipe", "ignore"] });
  const [{ files }] = Object.values(JSON.parse(listed));
  const packed = new Set(files.map(({ path }) => `./${path}`));
  const { exports, imports } = JSON.parse(read("../package.json"));
  const named = [exports, imports].flatMap((tree) => Object.values(tree)).flatMap((entry) => (typeof entry === "string" ? [entry] : Object.values(entry)));
  for (const file of named) assert.ok(packed.has(file), file);
  for (const file of ["LICENSE", "NOTICE", "third-party.txt", "sbom.cdx.json"]) assert.ok(packed.has(`./${file}`), file);
  assert.match(read("../third-party.txt"), /^ {2}wasm-bindgen \d/m);
  const linked = JSON.parse(read("../sbom.cdx.json")).components.map(({ name }) => name);
  assert.ok(linked.includes("wasm-bindgen"));
  // Of the edge, not of the machine that packs it.
  assert.ok(!linked.includes("cpufeatures") && !/^ {2}cpufeatures \d/m.test(read("../third-party.txt")));
  assert.deepEqual(files.map(({ path }) => path).filter((path) => /^(ts|src|tests|node_modules)\//.test(path)), []);
});
