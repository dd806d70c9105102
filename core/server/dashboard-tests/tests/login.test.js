import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enter, launch, open, picture } from "../support/browser.js";
import { run } from "../support/program.js";
import { town } from "../support/seed.js";

let place, browser;
before(async () => {
  [place, browser] = await Promise.all([town(), launch()]);
});
after(async () => {
  await browser?.close();
  await place?.close();
});

test("the page and its files are served with their rules", async () => {
  const { server } = place;
  const page = await fetch(server.dashboard);
  assert.equal(page.status, 200);
  assert.match(page.headers.get("content-security-policy"), /script-src 'self'/);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  const text = await page.text();
  const again = await fetch(server.dashboard, { headers: { "if-none-match": page.headers.get("etag") }, cache: "no-store" });
  assert.equal(again.status, 304);
  assert.equal(await (await fetch(`${server.dashboard}/`)).text(), text);
  const script = new URL(/src="([^"]+main\.js)"/.exec(text)[1], server.origin);
  const file = await fetch(script);
  assert.equal(file.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assert.equal((await fetch(new URL("nothing.js", script))).status, 404);
  assert.equal((await fetch(String(script).replace(/assets\/[0-9a-f]+/, "assets/0000000000000000"))).status, 404);
  assert.equal((await fetch(server.dashboard, { method: "POST" })).status, 405);
});

test("a wrong token is refused with its code", async () => {
  const page = await open(browser, place.server);
  await picture(page, "desktop-login");
  assert.equal(await page.evaluate(() => document.activeElement.id), "token");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("Please enter a token.").waitFor();
  for (const wrong of ["imagxp_op_nobody", "<b>x</b>"]) {
    await page.getByLabel("Operator token").fill(wrong);
    await page.keyboard.press("Enter");
    await page.getByText("auth.token_invalid").waitFor();
  }
  assert.equal(await page.locator("#app").isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), "token");
  assert.deepEqual(await page.context().cookies(), []);
  page.clean();
  await page.context().close();
});

test("a right one is exchanged for a cookie that the page cannot read", async () => {
  const page = await open(browser, place.server);
  await enter(page, place.server.token);
  await page.getByRole("heading", { name: "Verdicts", level: 1 }).waitFor();
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual(others, []);
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  const readable = await page.evaluate(() => [document.cookie, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.documentElement.outerHTML, document.getElementById("token").value].join(" "));
  assert.equal(readable.includes(place.server.token), false);
  assert.equal(readable.includes(cookie.value), false);
  await page.reload();
  await page.locator("#link[data-state=on]").waitFor();
  await page.getByText("dev, admin").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Operator token").waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  assert.equal(await page.locator("#link").getAttribute("data-state"), "off");
  page.clean();
  await page.context().close();
});

test("an operator who is removed is out, and the page says why", async () => {
  const { server } = place;
  const token = await server.operator("leaver", "viewer");
  const page = await open(browser, server);
  page.allowed.push(/status of 401/);
  await enter(page, token);
  await page.getByText("leaver, viewer").waitFor();
  run(["operator", "remove", "leaver", "--data", server.data]);
  await server.until("the end of an operator", async () => (await server.status(token)) === 401);
  // The page asks now and then by itself: on a slow machine it may have been told already.
  const out = page.locator("#login-error", { hasText: "auth.session_expired" });
  const money = page.getByRole("link", { name: "Money" });
  await out.or(money).first().waitFor();
  if (!(await out.isVisible())) await money.click({ timeout: 5000 }).catch(async () => assert.ok(await out.isVisible()));
  await out.waitFor();
  assert.equal(await page.locator("#app").isVisible(), false);
  page.clean();
  await page.context().close();
});
