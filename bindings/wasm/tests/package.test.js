// What is exported, and how: the surface, the types, the conditions, the files of the package.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
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
  assert.deepEqual(files.map(({ path }) => path).filter((path) => /^(ts|src|tests|node_modules)\//.test(path)), []);
});
