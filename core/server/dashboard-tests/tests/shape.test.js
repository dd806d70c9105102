// What it looks like, for whom it can be used, and that strangers' text stays text.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { DESKTOP, NARROW, PHONE, enter, launch, open, overflow, picture } from "../support/browser.js";
import { HOSTILE, LONG_OWNER, signedVerify, town, unknownVerify, verify, visa } from "../support/seed.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = ["verdicts", "money", "accounts", "disputes", "log"];
const RULES = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };

let place, browser;
before(async () => {
  [place, browser] = await Promise.all([town(), launch()]);
  for (const until of ["issued", "redeemed", "released", "withheld", "disputed"]) await visa(place, "12.50", until);
  await visa(place, "0.25", "disputed", HOSTILE.script);
  await visa(place, "0.5", "disputed", HOSTILE.turned);
  await visa(place, "3", "disputed", HOSTILE.long);
  await place.deposit(LONG_OWNER, "5", "bank-<b>2</b>", HOSTILE.script);
  for (const path of ["/news", "/archive/2026/index.html", "/members/a", `/${HOSTILE.script}`, `/${HOSTILE.long}`]) await verify(place, path);
  for (const purpose of ["RAG_RETRIEVAL", "SUMMARY", "CRAWL_TRAINING"]) await signedVerify(place, "/article", purpose);
  await unknownVerify(place, "/unknown");
});
after(async () => {
  await browser?.close();
  await place?.close();
});

async function show(page, view) {
  await page.evaluate((view) => (location.hash = view), view);
  await page.waitForFunction((view) => document.activeElement.id === `h-${view}`, view);
  await page.waitForLoadState("networkidle", { timeout: 2000 }).catch(() => {});
  const ready = { verdicts: "#verdict-list tbody tr", money: "#escrow .plot rect", accounts: "#account-list tbody tr", disputes: "#dispute-list tbody tr", log: "#ledger-events tbody tr" };
  await page.locator(ready[view]).first().waitFor();
}

async function accessible(page, name) {
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, rules), RULES);
  const told = violations.map((one) => `${name}: ${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, []);
}

for (const [name, viewport, colorScheme] of [
  ["desktop", DESKTOP, "light"],
  ["desktop-dark", DESKTOP, "dark"],
  ["phone", PHONE, "light"],
  ["phone-dark", PHONE, "dark"],
  ["narrow", NARROW, "light"],
]) {
  test(`${name}: nothing sticks out, and axe finds nothing`, async () => {
    const page = await open(browser, place.server, { viewport, colorScheme, reducedMotion: "reduce", scripts: [AXE] });
    await accessible(page, `${name} login`);
    assert.deepEqual(await overflow(page), { scrolls: false, out: [] });
    if (name === "phone") await picture(page, "phone-login");
    await enter(page, place.server.token);
    for (const view of VIEWS) {
      await show(page, view);
      if (view === "log") {
        await page.getByRole("button", { name: "Verify the log" }).click();
        await page.locator("#verify-result .notice").waitFor();
      }
      assert.deepEqual(await overflow(page), { scrolls: false, out: [] }, `${name} ${view}`);
      await accessible(page, `${name} ${view}`);
      await picture(page, `${name}-${view}`);
    }
    await show(page, "disputes");
    await page.getByRole("button", { name: /^Split/ }).first().click();
    await accessible(page, `${name} dialog`);
    assert.deepEqual(await overflow(page), { scrolls: false, out: [] }, `${name} dialog`);
    if (name.startsWith("phone")) await picture(page, `${name}-split`, { fullPage: false });
    await page.keyboard.press("Escape");
    await show(page, "accounts");
    await page.getByRole("button", { name: /^Transfers of aaa/ }).click();
    await page.getByRole("dialog").locator("tbody tr").waitFor();
    await accessible(page, `${name} transfers`);
    assert.deepEqual(await overflow(page), { scrolls: false, out: [] }, `${name} transfers`);
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await accessible(page, `${name} help`);
    page.clean();
    await page.context().close();
  });
}

test("strangers' text stays text", async () => {
  const page = await open(browser, place.server);
  await enter(page, place.server.token);
  for (const view of VIEWS) {
    await show(page, view);
    const found = await page.evaluate(() => ({
      owned: globalThis.owned,
      scripts: document.querySelectorAll("body script").length,
      images: [...document.images].filter((image) => !image.src.endsWith("/icon.svg")).length,
      bold: document.querySelectorAll("body b").length,
      inline: document.querySelectorAll("[style], [onerror], [onclick]").length,
    }));
    assert.deepEqual(found, { owned: undefined, scripts: 0, images: 0, bold: 0, inline: 0 }, view);
  }
  await show(page, "verdicts");
  await page.getByText(`/${HOSTILE.script}`).waitFor();
  await show(page, "disputes");
  const disputes = page.locator("#dispute-list");
  await disputes.getByText(HOSTILE.script).waitFor();
  await disputes.getByText(HOSTILE.long).waitFor();
  // What would turn the line around is written out, and letters that run the other way stay among themselves.
  const turned = page.locator("#dispute-list bdi", { hasText: "pay" });
  assert.equal(await turned.textContent(), "pay \\u{202e}ylno em\\u{202c} \\u{200b}now \u05d0\u05d1\u05d2");
  await show(page, "accounts");
  await page.getByRole("button", { name: /^Transfers of aaa/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("bank-<b>2</b>").waitFor();
  await dialog.getByText(HOSTILE.script).waitFor();
  page.clean();
  await page.context().close();
});

test("the policy refuses what the page would never do", async () => {
  const page = await open(browser, place.server);
  const refused = await page.evaluate(() => {
    const results = [];
    try {
      document.createElement("div").innerHTML = "<b>x</b>";
      results.push("markup");
    } catch {
      results.push("no markup");
    }
    const script = document.createElement("script");
    script.append("globalThis.inline = 1");
    document.body.append(script);
    results.push(globalThis.inline === 1 ? "inline" : "no inline");
    return results;
  }).catch((error) => [String(error)]);
  assert.equal(refused[0], "no markup");
  assert.notEqual(refused[1], "inline");
  await page.context().close();
});

test("keyboard: skip link, order, shortcuts that can be switched off", async () => {
  const page = await open(browser, place.server);
  await enter(page, place.server.token);
  await page.reload();
  await page.locator("#link[data-state=on]").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  assert.equal(await page.locator(".skip").evaluate((one) => one.getBoundingClientRect().top >= 0), true);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  const order = [];
  await page.reload();
  await page.locator("#link[data-state=on]").waitFor();
  for (let at = 0; at < 12; at += 1) {
    await page.keyboard.press("Tab");
    order.push(await page.evaluate(() => (document.activeElement.textContent || document.activeElement.id).trim().split(/\s/)[0]));
  }
  assert.deepEqual(order.slice(0, 6), ["Skip", "Verdicts", "Money", "Accounts", "Disputes", "Log"]);
  await page.evaluate(() => document.activeElement.blur());
  for (const [key, view] of [["2", "money"], ["3", "accounts"], ["4", "disputes"], ["5", "log"], ["1", "verdicts"]]) {
    await page.keyboard.press(key);
    await page.waitForFunction((view) => document.activeElement.id === `h-${view}`, view);
    assert.equal(await page.locator("nav a[aria-current]").getAttribute("href"), `#${view}`);
  }
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "f-agent");
  // In a field, keys are letters.
  await page.keyboard.type("2");
  assert.equal(await page.locator("#f-agent").inputValue(), "2");
  await page.locator("#f-agent").fill("");
  await page.getByRole("heading", { level: 1, name: "Verdicts" }).focus();
  await page.keyboard.press("?");
  const help = page.getByRole("dialog");
  await help.getByText("pause the verdicts").waitFor();
  await help.getByLabel("Single-key shortcuts are on").uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  assert.equal(await page.locator("#view-verdicts").isVisible(), true);
  await page.goBack();
  await page.locator("#view-log").waitFor();
  page.clean();
  await page.context().close();
});

test("colours can be chosen and are kept, and motion is left out for who wants none", async () => {
  const page = await open(browser, place.server, { colorScheme: "light", reducedMotion: "reduce" });
  await enter(page, place.server.token);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByLabel("Colours").selectOption("dark");
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  await page.locator("#link[data-state=on]").waitFor();
  assert.equal(await ground(), dark);
  await verify(place, "/moving");
  const row = page.locator("tr.new", { hasText: "/moving" });
  await row.waitFor();
  assert.equal(await row.evaluate((one) => getComputedStyle(one).animationName), "none");
  page.clean();
  await page.context().close();
});

test("tables are tables", async () => {
  for (const viewport of [DESKTOP, PHONE]) {
    const page = await open(browser, place.server, { viewport });
    await enter(page, place.server.token);
    await show(page, "disputes");
    const table = page.getByRole("table", { name: "Disputes that wait for a decision" });
    assert.equal(await table.getByRole("row").count(), 5);
    assert.ok((await table.getByRole("rowheader").count()) === 4);
    assert.ok((await table.getByRole("columnheader").count()) >= 6);
    await page.context().close();
  }
});
