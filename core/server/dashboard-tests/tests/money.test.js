import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enter, launch, open, picture } from "../support/browser.js";
import { town, visa } from "../support/seed.js";

let place, browser, page;
before(async () => {
  [place, browser] = await Promise.all([town(), launch()]);
  page = await open(browser, place.server, { path: "#money" });
  await enter(page, place.server.token);
});
after(async () => {
  await browser?.close();
  await place?.close();
});

const plain = (text) => text.replaceAll("\u202f", "").replaceAll("\u2212", "-");
const state = async (name) => {
  const row = page.locator("#money table").first().locator("tr", { hasText: name });
  return [await row.locator('[data-label="Visas"]').innerText(), plain(await row.locator('[data-label="Amount"]').innerText())];
};

test("money by state, and that it comes to nothing", async () => {
  await page.getByText("All balances together come to 0").waitFor();
  await page.getByText("Nothing was in escrow in this period.").waitFor();
  for (const until of ["issued", "redeemed", "released", "withheld", "disputed"]) await visa(place, "0.1", until);
  await visa(place, "0.2", "issued");
  // The ledger's events bring the page up to date by themselves.
  await page.waitForFunction(() => [...document.querySelectorAll("#money tr")].some((row) => /ISSUED/.test(row.textContent) && /0\.3/.test(row.textContent)));
  assert.deepEqual(await state("ISSUED"), ["2", "0.3"]);
  for (const name of ["REDEEMED", "WITHHELD", "DISPUTED", "RELEASED"]) assert.deepEqual(await state(name), ["1", "0.1"], name);
  const balances = page.locator("#money table").nth(1);
  assert.match(plain(await balances.innerText()), /OUTSIDE[\s\S]*-1234567\.891/);
  assert.match(plain(await balances.innerText()), /TREASURY[\s\S]*0\.002/);
  await page.getByText("✓ All balances together come to 0").waitFor();
});

test("what is in escrow is drawn", async () => {
  const plot = page.locator("#escrow .plot");
  for (const name of ["issued", "redeemed", "withheld"]) assert.ok((await plot.locator(`rect.fill-${name}`).count()) >= 1, name);
  await page.locator("#escrow summary").click();
  assert.match(await page.locator("#escrow details table").innerText(), /0\.3\s+0\.1\s+0\.2/);
  for (const range of ["3", "168"]) {
    await page.locator("#escrow select").selectOption(range);
    assert.ok((await plot.locator("rect.fill-issued").count()) >= 1, range);
  }
});

test("agents and publishers with balances, found by name", async () => {
  await page.keyboard.press("3");
  const agent = page.locator("#account-list tr", { hasText: place.agent.id });
  await agent.waitFor();
  assert.match(plain(await agent.innerText()), /agent\s+AVAILABLE\s+1234567\.791 USD\s+1234567\.191\s+0\.6\s+0/);
  const publisher = page.locator("#account-list tr", { hasText: place.publisher.id });
  assert.match(plain(await publisher.innerText()), /publisher\s+AVAILABLE\s+0\.098 USD\s+0\.098\s+0\s+0\.6/);
  await page.getByLabel("Owner").fill("nobody.example");
  await page.keyboard.press("Enter");
  await page.getByText("This owner has no account.").waitFor();
  await page.getByLabel("Owner").fill(place.publisher.id);
  await page.keyboard.press("Enter");
  await page.locator("#account-list tbody tr").waitFor();
  assert.equal(await page.locator("#account-list tbody tr").count(), 1);
});

test("an owner's transfers", async () => {
  await page.getByRole("button", { name: /^Transfers of/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("tbody tr").first().waitFor();
  assert.match(plain(await dialog.innerText()), /VISA post[\s\S]*\+0\.1 USD/);
  assert.match(plain(await dialog.innerText()), /FEE[\s\S]*-0\.002 USD/);
  await picture(page, "desktop-transfers", { fullPage: false });
  await page.getByRole("button", { name: "Close" }).click();
  assert.match(await page.evaluate(() => document.activeElement.id), /^moves-/);
});

test("more accounts than a page has are read on, and stay", async () => {
  for (let at = 0; at < 60; at += 1) await place.deposit(`agent-${at}.example`, "1", `many-${at}`);
  await page.getByRole("button", { name: "Clear" }).last().click();
  await page.getByRole("button", { name: "More accounts" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#account-list tbody tr").length === 64);
  assert.equal(await page.getByRole("button", { name: "More accounts" }).count(), 0);
  await place.deposit("agent-0.example", "1", "once-more");
  await page.getByRole("heading", { level: 1, name: "Accounts" }).focus();
  await page.keyboard.press("r");
  await page.waitForFunction(() => [...document.querySelectorAll("#account-list tr")].some((row) => /agent-0\.example/.test(row.textContent) && /2 USD/.test(row.textContent)));
  assert.equal(await page.locator("#account-list tbody tr").count(), 64);
  page.clean();
});
