// Money in the page: integers only.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decimal, ratio, shown, sum, units } from "../../src/dashboard/amount.js";
import { step } from "../../src/dashboard/chart.js";

test("amounts keep every digit", () => {
  assert.equal(decimal(sum(["0.1", "0.2"])), "0.3");
  assert.equal(decimal(sum(["340282366920938463463.374607431768211455", "0.000000000000000001"])), "340282366920938463463.374607431768211456");
  assert.equal(decimal(sum(["10", "-10"])), "0");
  assert.equal(decimal(sum(["1", "-1.5"])), "-0.5");
  for (const text of ["0", "1", "-1", "0.25", "-1234567.891", "999999999999999999999"]) assert.equal(decimal(units(text)), text);
});

test("what is no amount is none", () => {
  for (const text of ["", "1e3", "01", ".5", "1.", "+1", "1,5", " 1", "NaN", "0x1", "1.0000000000000000001"]) assert.equal(units(text), null, text);
  assert.equal(shown("soon"), "soon");
});

test("thousands apart", () => {
  assert.equal(shown("1234567.891"), "1\u202f234\u202f567.891");
  assert.equal(shown("-1000"), "\u22121\u202f000");
  assert.equal(shown("999.12345"), "999.12345");
});

test("steps of an axis are round, and four of them suffice", () => {
  for (const [most, by] of [[0n, 1n], [1n, 1n], [4n, 1n], [5n, 2n], [17n, 5n], [72n, 20n], [81n, 50n], [53_250_000_000_000_000_000n, 20_000_000_000_000_000_000n]]) assert.equal(step(most), by, String(most));
  assert.equal(ratio(1n, 0n), 0);
  assert.equal(ratio(1n, 4n), 0.25);
});
