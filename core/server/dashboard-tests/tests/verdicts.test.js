import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enter, launch, open } from "../support/browser.js";
import { signedVerify, town, unknownVerify, verify } from "../support/seed.js";

let place, browser, page;
const rows = () => page.locator("#verdict-list tbody tr");
const cells = (label) => page.locator(`#verdict-list [data-label="${label}"]`).allInnerTexts();
const settled = (count) => page.waitForFunction((count) => document.querySelectorAll("#verdict-list tbody tr").length === count, count);

before(async () => {
  [place, browser] = await Promise.all([town(), launch()]);
  page = await open(browser, place.server);
  await enter(page, place.server.token);
});
after(async () => {
  await browser?.close();
  await place?.close();
});

test("without verdicts the list says so", async () => {
  await page.getByText("No verdicts yet.").waitFor();
  assert.equal(await rows().count(), 0);
});

test("a verdict appears by itself, and in the chart", async () => {
  // The list is read once more when the stream is open; after that, never.
  await page.waitForTimeout(1000);
  let loads = 0;
  page.on("request", (request) => (loads += request.url().includes("/v1/verdicts") ? 1 : 0));
  assert.equal(await signedVerify(place, "/first", "RAG_RETRIEVAL"), "ok");
  await page.getByText("/first").waitFor();
  assert.equal(loads, 0, "it was read, not told");
  assert.match(await rows().first().innerText(), new RegExp(`allow[\\s\\S]*ok[\\s\\S]*${place.agent.id}[\\s\\S]*RAG_RETRIEVAL`));
  assert.equal(await page.locator("#verdict-chart .plot rect.fill-allow").count(), 1);
  assert.match(await page.locator("#verdict-chart .plot svg").getAttribute("aria-label"), /highest 1/);
  assert.match(await page.locator("#verdict-list caption").innerText(), /latest verdicts/);
});

test("filters by outcome, code, purpose and agent hold for what is there and for what comes", async () => {
  assert.equal(await verify(place, "/members/a"), "auth.required");
  assert.equal(await signedVerify(place, "/train", "CRAWL_TRAINING"), "policy.purpose_denied");
  assert.equal(await unknownVerify(place, "/who"), "identity.fetch_failed");
  assert.equal(await verify(place, "/open"), "ok");
  await settled(5);
  const clear = async () => {
    await page.getByRole("button", { name: "Clear" }).first().click();
    await settled(5);
  };
  for (const [label, value, expected, how] of [
    ["Outcome", "deny", ["/train", "/members/a"], "select"],
    ["Outcome", "undecided", ["/who"], "select"],
    ["Purpose", "CRAWL_TRAINING", ["/train"], "select"],
    ["Code", "auth.required", ["/members/a"], "fill"],
    ["Agent", place.agent.id, ["/train", "/first"], "fill"],
    ["Agent", "nobody.example", [], "fill"],
  ]) {
    const field = page.locator("#verdict-filter").getByLabel(label);
    if (how === "select") await field.selectOption(value);
    else {
      await field.fill(value);
      await page.keyboard.press("Enter");
    }
    await settled(expected.length);
    assert.deepEqual((await cells("Request")).map((text) => text.replace(/^GET /, "")), expected, `${label} ${value}`);
    await clear();
  }
  await page.locator("#verdict-filter").getByLabel("Outcome").selectOption("deny");
  await settled(2);
  assert.match(await page.locator("#verdict-list caption").innerText(), /outcome deny/);
  await verify(place, "/open-too");
  await verify(place, "/members/b");
  await settled(3);
  assert.equal(await page.getByText("/open-too").count(), 0);
  await page.getByRole("button", { name: "Clear" }).first().click();
  await settled(7);
  assert.deepEqual(await page.locator("#known-agents option").evaluateAll((all) => all.map((one) => one.value)), [place.agent.id]);
});

test("the list can be paused, by key too, and misses nothing", async () => {
  await page.getByRole("heading", { level: 1, name: "Verdicts" }).focus();
  await page.keyboard.press("p");
  const button = page.locator("#pause");
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  await verify(place, "/while-paused");
  await page.getByRole("button", { name: "Resume (1 new)" }).waitFor();
  assert.equal(await page.getByText("/while-paused").count(), 0);
  await button.click();
  await page.getByText("/while-paused").waitFor();
  assert.equal(await button.getAttribute("aria-pressed"), "false");
});

test("screen readers are told how many came, not each", async () => {
  await verify(place, "/one");
  await verify(place, "/members/two");
  await page.waitForFunction(() => /allow/.test(document.getElementById("verdict-said").textContent), null, { timeout: 8000 });
  assert.equal(await page.locator("#verdict-said").getAttribute("role"), "status");
  assert.equal(await page.locator("#verdict-list [aria-live], #verdict-list [role=log]").count(), 0);
});

test("the chart's numbers are there as a table", async () => {
  await page.getByText("The same as a table").first().click();
  const table = page.locator("#verdict-chart details table");
  await table.waitFor();
  const { minutes } = await place.server.ask("GET", "/v1/verdicts");
  const counted = minutes.reduce((all, one) => all + one.allow + one.deny + one.undecided, 0);
  // The last of them may be on their way still.
  const shown = async () => (await table.locator("td").allInnerTexts()).map(Number).reduce((all, one) => all + one, 0);
  for (let patience = 80; patience > 0 && (await shown()) !== counted; patience -= 1) await page.waitForTimeout(100);
  assert.equal(await shown(), counted);
  for (const range of ["360", "1440"]) {
    await page.locator("#verdict-chart select").selectOption(range);
    assert.ok((await page.locator("#verdict-chart .plot rect.fill-deny").count()) >= 1);
  }
});

test("a server that goes and comes back is followed again", async () => {
  page.clean();
  page.allowed.push(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 401/);
  await place.server.stop();
  await page.getByText("reconnecting").waitFor();
  await place.server.start();
  await page.locator("#link[data-state=on]").waitFor({ timeout: 40_000 });
  await verify(place, "/after-restart");
  await page.getByText("/after-restart").waitFor();
  // The old process's verdicts went with it: the list is this process's.
  await settled(1);
  page.clean();
});
