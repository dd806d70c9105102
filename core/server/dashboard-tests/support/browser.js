// Chromium, and pages that remember everything that should not have happened.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const PICTURES = process.env.IMAGXP_PICTURES ?? join(import.meta.dirname, "pictures");

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };
export const NARROW = { width: 360, height: 740 };

export const launch = () => chromium.launch({ executablePath: process.env.IMAGXP_CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS });

/** A page in a context of its own. `page.clean()` fails when something went wrong that nobody asked about. */
export async function open(browser, server, { viewport = DESKTOP, path = "", scripts = [], ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  const faults = [];
  page.allowed = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await context.route(/.*/, (route) => {
    const url = new URL(route.request().url());
    if (url.origin === server.origin) return route.continue();
    faults.push(`foreign request: ${url}`);
    return route.abort();
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  for (const content of scripts) await page.addInitScript({ content });
  page.clean = () => {
    const left = faults.filter((fault) => !page.allowed.some((pattern) => pattern.test(fault)));
    assert.deepEqual(left, []);
  };
  // Nobody is logged in at first, and the browser reports the answer that says so.
  page.allowed.push(/the server responded with a status of 401 .*\/v1\/session$/);
  await page.goto(server.dashboard + path);
  await page.locator("#login:visible, #app:visible").first().waitFor();
  return page;
}

/** Logs in by the form. */
export async function enter(page, token) {
  await page.getByLabel("Operator token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("#link[data-state=on]").waitFor();
}

/** A picture for people, under target/dashboard. */
export async function picture(page, name, options = {}) {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: !/verdicts/.test(name), animations: "disabled", ...options });
}

/** Whether the page can be scrolled sideways, and what sticks out. */
export const overflow = (page) =>
  page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const out = [...document.querySelectorAll("body *")].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width > 1 && box.height > 1 && box.right > width + 0.5 && getComputedStyle(one).position !== "absolute" && !one.closest("svg, .visually-hidden, .cards thead");
    });
    return { scrolls: document.documentElement.scrollWidth > width, out: out.slice(0, 5).map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`) };
  });
