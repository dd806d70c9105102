import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { enter, launch, open, picture } from "../support/browser.js";
import { town, visa } from "../support/seed.js";

let place, browser, page, jti;
before(async () => {
  [place, browser] = await Promise.all([town(), launch()]);
  jti = await visa(place, "1", "disputed");
  page = await open(browser, place.server, { path: "#log" });
  await enter(page, place.server.token);
});
after(async () => {
  await browser?.close();
  await place?.close();
});

const damage = (what) => {
  const file = readdirSync(place.server.data).find((name) => /\.(db|sqlite3?)$/.test(name));
  execFileSync("python3", [join(import.meta.dirname, "../support/damage.py"), join(place.server.data, file), what]);
};
const verify = async () => {
  await page.getByRole("button", { name: "Verify the log" }).click();
  await page.locator("#verify-result .notice").waitFor();
};

test("the checkpoint is the server's", async () => {
  const note = await page.locator("#checkpoint pre").innerText();
  const [origin, size, root] = (await place.server.ask("GET", "/v1/log/checkpoint")).split("\n");
  assert.deepEqual(note.split("\n").slice(0, 3), [origin, size, root]);
  assert.equal(await page.locator("#ledger-events tbody tr").count(), Number(size));
  assert.match(await page.locator("#ledger-events tbody tr").first().innerText(), /visa\.disputed/);
});

test("a whole log is verified", async () => {
  await verify();
  const { size, root } = await place.server.ask("GET", "/v1/log/verify");
  const says = await page.locator("#verify-result").innerText();
  assert.match(says, /✓ The log is whole/);
  assert.ok(says.includes(String(size)) && says.includes(root));
  assert.equal(await page.locator("#banner").isVisible(), false);
});

test("a damaged one is found out, and where", async () => {
  damage("memo");
  await page.getByRole("button", { name: "Verify the log" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("✗ The log is damaged.").waitFor();
  const { problems } = await place.server.ask("GET", "/v1/log/verify");
  assert.ok(problems.length >= 1);
  assert.deepEqual(await page.locator("#verify-result li").allInnerTexts(), problems);
  assert.match(problems[0], /entry 0/);
  await picture(page, "desktop-damaged");
  page.clean();
});

test("a ledger that does not add up refuses writes, and the page says so on every view", async () => {
  await page.context().close();
  await place.server.stop();
  damage("amount");
  await place.server.start();
  page = await open(browser, place.server, { path: "#disputes" });
  await enter(page, place.server.token);
  await page.getByText("The ledger refuses writes.").waitFor();
  await page.locator(`#release-${jti}`).click();
  await page.locator("#decide-go").click();
  await page.getByText("(ledger.broken)").waitFor();
  page.allowed.push(/status of 503 .*\/decide$/);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.keyboard.press("2");
  await page.getByRole("heading", { level: 1, name: "Money" }).waitFor();
  await page.locator("#money .tiles").waitFor();
  assert.equal(await page.locator("#banner").isVisible(), true);
  assert.equal(await page.locator("#banner").getAttribute("role"), "alert");
  await picture(page, "desktop-read-only");
  page.clean();
});
