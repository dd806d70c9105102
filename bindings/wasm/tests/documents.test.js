// What is asked of the network for verdicts, and how often.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "../dist/budget.js";
import { Documents } from "../dist/documents.js";
import * as imagxp from "../dist/index.js";
import { ORIGIN, policy } from "./support.js";

/** A budget with a clock that stands until it is set. */
function stopped() {
  const clock = { now: 0 };
  return { clock, budget: new Budget(() => clock.now) };
}

/** Whether there is one more. */
function takes(budget, host, { most = 1000, ends = true } = {}) {
  try {
    const giveBack = budget.take(host, most);
    if (ends) giveBack();
    return true;
  } catch (error) {
    assert.equal(error.failure, "busy");
    return false;
  }
}

test("fifty fetches in a second, then one each 20 ms", () => {
  const { clock, budget } = stopped();
  let begun = 0;
  // Two seconds of someone who tries every millisecond.
  for (; clock.now < 2000; clock.now += 1) if (takes(budget, `${clock.now}.example`)) begun += 1;
  assert.equal(begun, 50 + 99);
});

test("two fetches in a minute from one host", () => {
  const { clock, budget } = stopped();
  const at = (seconds, host = "a.example") => ((clock.now = seconds * 1000), takes(budget, host));
  assert.deepEqual([0, 30, 31, 59].map((seconds) => at(seconds)), [true, true, false, false]);
  assert.equal(at(59, "b.example"), true);
  assert.deepEqual([60, 61, 90].map((seconds) => at(seconds)), [true, false, true]);
  // The clock steps back: nobody is locked out until it has caught up.
  assert.deepEqual([10, 10, 10].map((seconds) => at(seconds)), [true, true, false]);
});

test("thirty-two fetches at a time, and what never ends is not waited for", () => {
  const { clock, budget } = stopped();
  const open = { ends: false };
  for (let number = 0; number < 32; number += 1) assert.equal(takes(budget, `${number}.example`, open), true);
  assert.equal(takes(budget, "late.example"), false);
  clock.now = 1000;
  assert.equal(takes(budget, "late.example"), true);
});

test("hosts are forgotten", () => {
  const { clock, budget } = stopped();
  for (let number = 0; number < 10_000; number += 1) {
    assert.equal(takes(budget, `${number}.example`), true);
    clock.now += 20;
  }
  assert.ok(budget.hosts <= 3001, String(budget.hosts));
});

test("what is refused costs no fetch and is told as busy; a kept copy and a fetch under way cost none either", async () => {
  const { clock, budget } = stopped();
  const kept = new Map();
  const store = { get: async (key) => kept.get(key) ?? null, put: async (key, value) => kept.set(key, value) };
  let fetches = 0;
  const documents = new Documents(async () => ((fetches += 1), new Response("{}")), store, false, budget);
  const told = [];
  const publisher = { supply: () => told.push("supplied"), supplyFailure: (_, failure) => told.push(failure) };
  const need = (url, again = false) => documents.supply(publisher, { kind: "manifest", url }, again, () => undefined);
  const { warn } = console;
  console.warn = () => undefined;
  try {
    await Promise.all([need("https://a.example/1"), need("https://a.example/1")]);
    await need("https://a.example/1");
    assert.equal(fetches, 1);
    await need("https://a.example/2");
    assert.deepEqual([fetches, told.splice(0)], [2, Array(4).fill("supplied")]);
    await need("https://a.example/1", true);
    await need("https://a.example:8443/1");
    assert.deepEqual([fetches, told.splice(0)], [3, ["busy", "supplied"]]);
    clock.now = 60_000;
    await need("https://a.example/1", true);
    assert.deepEqual([fetches, told], [4, ["supplied"]]);
  } finally {
    console.warn = warn;
  }
});

test("what an answer says of its age is read as everywhere", async () => {
  for (const [line, age] of [["max-age=3600, max-age=60", 60], ['public, Max-Age="30"', 30], ["max-age=60, no-store", 0], ["max-age=1x", undefined], [undefined, undefined]]) {
    const headers = line === undefined ? {} : { "cache-control": line };
    const documents = new Documents(async () => new Response("{}", { headers }), undefined, false);
    const told = [];
    const publisher = { supply: (url, body, { maxAge }) => told.push(maxAge) };
    await documents.supply(publisher, { kind: "manifest", url: "https://a.example/" }, false, () => undefined);
    assert.deepEqual(told, [age], line);
  }
});

test("who comes when everything is busy may come again in a moment", async (t) => {
  t.mock.method(console, "warn", () => undefined);
  const agents = new Map(Array.from({ length: 33 }, (_, number) => {
    const host = `agent-${number}.example`;
    return [host, new imagxp.Identity(host, imagxp.PrivateKey.generate())];
  }));
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const answer = async (url) => (await released, new Response(agents.get(new URL(url).host).manifest().toJson()));
  const site = new imagxp.Verifier({ policy: policy({ allow_loopback: false }), fetch: answer });
  const ask = async (identity) => {
    const headers = [["user-agent", "Test IMAGXP/1.0"], ...identity.sign("GET", `${ORIGIN}/`, "SUMMARY")];
    return site.verifyRequest(new Request(`${ORIGIN}/`, { headers }));
  };
  const all = [...agents.values()];
  const asked = all.map(ask);
  const refused = await asked.at(-1);
  assert.deepEqual([refused.http, refused.code], [503, "identity.fetch_busy"]);
  release();
  assert.deepEqual(new Set((await Promise.all(asked.slice(0, -1))).map(({ outcome }) => outcome)), new Set(["allow"]));
  // Two seconds, as the answer says.
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + 2100);
  assert.equal((await ask(all.at(-1))).outcome, "allow");
});
