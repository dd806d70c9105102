import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enter, launch, open, picture } from "../support/browser.js";
import { town, visa } from "../support/seed.js";

let place, browser, page;
const focused = () => page.evaluate(() => document.activeElement.id);
const read = (jti) => place.server.ask("GET", `/v1/visas/${jti}`);
const tabTo = async (id) => {
  for (let presses = 0; presses < 40; presses += 1) {
    if ((await focused()) === id) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${id} is not reached by Tab`);
};

before(async () => {
  [place, browser] = await Promise.all([town(), launch()]);
});
after(async () => {
  await browser?.close();
  await place?.close();
});

test("without disputes the list says so", async () => {
  page = await open(browser, place.server, { path: "#disputes" });
  await enter(page, place.server.token);
  await page.getByText("No dispute waits for a decision.").waitFor();
  await page.getByLabel("Show").selectOption("feedback");
  await page.getByText("No agent has given feedback yet.").waitFor();
  await page.getByLabel("Show").selectOption("DISPUTED");
});

test("a dispute appears by itself and is decided by keyboard alone", async () => {
  const jti = await visa(place, "12.50", "disputed", "the page is what was asked for");
  await page.getByText("the page is what was asked for").waitFor();
  assert.match(await page.locator("#dispute-count").innerText(), /^1/);
  await page.context().close();

  // From the login on, no mouse.
  page = await open(browser, place.server);
  await page.keyboard.type(place.server.token);
  await page.keyboard.press("Enter");
  await page.locator("#link[data-state=on]").waitFor();
  await page.waitForFunction(() => document.activeElement.id === "h-verdicts");
  await page.keyboard.press("4");
  await page.waitForFunction(() => document.activeElement.id === "h-disputes");
  assert.match(await page.title(), /disputes/);
  await page.getByText("the page is what was asked for").waitFor();
  await tabTo(`release-${jti}`);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await picture(page, "desktop-decide", { fullPage: false });
  assert.equal(await focused(), "decide-go");
  // Away without deciding: the focus is back where it was.
  await page.keyboard.press("Escape");
  assert.equal(await focused(), `release-${jti}`);
  assert.equal((await read(jti)).state, "DISPUTED");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await page.getByText("Decided:").waitFor();
  const decided = await read(jti);
  assert.equal(decided.state, "RELEASED");
  assert.equal(decided.released, "12.5");
  assert.equal(decided.fee, "0.25");
  await page.getByText("No dispute waits for a decision.").waitFor();
  assert.equal(await focused(), "h-disputes");
  assert.equal(await page.locator("#dispute-count").isVisible(), false);
});

test("a split gives each its part, and no nonsense is sent", async () => {
  const jti = await visa(place, "3", "disputed");
  await page.locator(`#split-${jti}`).click();
  assert.equal(await focused(), "decide-value");
  const asked = [];
  const listen = (request) => request.url().endsWith("/decide") && asked.push(request);
  page.on("request", listen);
  for (const bad of ["", "0", "3", "3.5", "-1", "1e0", "one"]) {
    await page.locator("#decide-value").fill(bad);
    await page.keyboard.press("Enter");
    await page.getByText("more than 0 and less than the amount.").waitFor();
  }
  assert.equal(asked.length, 0);
  // What only the server knows: how many digits an asset has.
  page.allowed.push(/status of 400 .*\/decide$/);
  await page.locator("#decide-value").fill("1.1234567");
  await page.keyboard.press("Enter");
  await page.getByText(/\(amount\.[a-z]+\)/).waitFor();
  await page.locator("#decide-value").fill("1.25");
  await page.getByText("The agent gets 1.75 USD back.").waitFor();
  await page.locator("#decide-memo").fill("half of it was an advertisement");
  await page.keyboard.press("Enter");
  await page.locator("#notices .notice", { hasText: "SPLIT" }).waitFor();
  page.off("request", listen);
  assert.equal(new Set(asked.map((request) => request.headers()["idempotency-key"])).size, asked.length, "a refused request and the next one are two");
  const decided = await read(jti);
  assert.deepEqual([decided.state, decided.released, decided.fee], ["SPLIT", "1.25", "0.025"]);
});

test("a lost answer is no second decision", async () => {
  const jti = await visa(place, "2", "disputed");
  const keys = [];
  let lost = true;
  await page.route("**/decide", async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (!lost) return route.continue();
    lost = false;
    // It reaches the server, and the answer does not come back.
    await route.fetch();
    await route.abort("connectionreset");
  });
  page.allowed.push(/ERR_CONNECTION_RESET .*\/decide$/);
  await page.locator(`#refund-${jti}`).click();
  await page.locator("#decide-go").click();
  await page.getByText("(network.failed)").waitFor();
  assert.equal((await read(jti)).state, "REFUNDED");
  await page.locator("#decide-go").click();
  await page.getByText("No dispute waits for a decision.").waitFor();
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
  const { transfers } = await place.server.ask("GET", `/v1/transfers?owner=${place.agent.id}&limit=500`);
  assert.equal(transfers.filter((one) => one.phase === "void").length, 1);
  await page.unroute("**/decide");
});

test("withheld payments and everything with feedback have lists of their own", async () => {
  const withheld = await visa(place, "4", "withheld");
  const good = await visa(place, "5", "released");
  await page.getByLabel("Show").selectOption("WITHHELD");
  await page.locator(`[data-key="${withheld}"]`).waitFor();
  assert.match(await page.locator(`[data-key="${withheld}"]`).innerText(), /in 3 days|in 72 h/);
  await page.getByLabel("Show").selectOption("feedback");
  await page.locator(`[data-key="${good}"]`).waitFor();
  assert.match(await page.locator(`[data-key="${good}"]`).innerText(), /RELEASED[\s\S]*0\.9[\s\S]*HIGH_QUALITY/);
  assert.equal(await page.locator(`[data-key="${withheld}"] button`).count(), 0);
  page.clean();
  await page.context().close();
});

test("who may not decide has no buttons, and is told so", async () => {
  const jti = await visa(place, "1", "disputed");
  const token = await place.server.operator("looker", "viewer");
  page = await open(browser, place.server, { path: "#disputes" });
  await enter(page, token);
  await page.locator(`[data-key="${jti}"]`).waitFor();
  assert.equal(await page.locator("#dispute-list button").count(), 0);
  await page.getByText("decided by operators of the role admin").waitFor();
  // Not only the page: the server refuses, with a code.
  const status = await page.evaluate(async (jti) => (await fetch(`/v1/visas/${jti}/decide`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"decision":"release"}' })).status, jti);
  assert.equal(status, 403);
  page.allowed.push(/status of 403 .*\/decide$/);
  page.clean();
});
