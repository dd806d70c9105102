// The page: who is logged in, which view is shown, and when it is read anew.

import { accounts } from "./accounts.js";
import { byId } from "./element.js";
import { checkpoint } from "./checkpoint.js";
import { connect, disconnect, live } from "./live.js";
import { count, disputes } from "./disputes.js";
import { decision } from "./decision.js";
import { failed, refusal, writable } from "./notice.js";
import { keys } from "./keys.js";
import { login, logout, operator, showLogin, who } from "./login.js";
import { money, overview } from "./money.js";
import { pause, verdicts } from "./verdicts.js";
import { stale } from "./visas.js";
import { statement } from "./statement.js";
import { theme } from "./theme.js";
import { views } from "./views.js";

const EVERY_MS = 30_000;
const SETTLE_MS = 1000;

theme();
decision();
statement();
const pages = views({ verdicts: verdicts(), money: money(), accounts: accounts(), disputes: disputes(), log: checkpoint() });
keys([
  { key: "1", name: "verdicts", run: () => pages.go("verdicts") },
  { key: "2", name: "money", run: () => pages.go("money") },
  { key: "3", name: "accounts", run: () => pages.go("accounts") },
  { key: "4", name: "disputes", run: () => pages.go("disputes") },
  { key: "5", name: "audit log", run: () => pages.go("log") },
  { key: "p", name: "pause the verdicts, or go on", run: pause },
  { key: "r", name: "read the view anew", run: refresh },
  { key: "/", name: "filter", run: () => document.querySelector(".view:not([hidden]) .filter :is(input, select)")?.focus() },
]);

let inside = false;
let timer = 0;
let soon = 0;

login(() => enter(true));
document.querySelector(".skip").addEventListener("click", (event) => {
  // The fragment belongs to the views.
  event.preventDefault();
  byId("content").focus();
});
byId("logout").addEventListener("click", async () => {
  try {
    await logout();
    leave();
  } catch (error) {
    failed(error);
  }
});
addEventListener("logged-out", ({ detail }) => inside && leave(`${detail.message} (${detail.code})`));
live.addEventListener("ledger", later);
live.addEventListener("missed", refresh);
live.addEventListener("status", ({ detail }) => writable(detail.writable));
document.addEventListener("visibilitychange", () => !document.hidden && inside && look());
begin();

async function begin() {
  try {
    if (await who()) enter(false);
    else showLogin(true);
  } catch (error) {
    // Neither in nor out: the server does not say.
    byId("login").hidden = false;
    byId("login-form").hidden = true;
    const problem = refusal(error, () => {
      problem.remove();
      byId("login-form").hidden = false;
      begin();
    });
    byId("login").append(problem);
  }
}

// Who has just sent the form is led to the content; who opens the page begins at its top.
function enter(focus) {
  inside = true;
  byId("who").textContent = `${operator.name}, ${operator.role}`;
  showLogin(false);
  byId("notices").replaceChildren();
  pages.show(focus);
  connect();
  look();
  timer = setInterval(() => !document.hidden && look(), EVERY_MS);
}

function leave(why) {
  inside = false;
  clearInterval(timer);
  disconnect();
  stale();
  writable(null);
  showLogin(true, why);
}

// What no event tells: deposits, other processes, and whether writes are accepted.
async function look() {
  await Promise.allSettled([pages.current() === "money" ? null : overview(), count(), pages.current() === "verdicts" ? null : pages.reload()]);
}

function refresh() {
  stale();
  pages.reload();
  if (inside) look();
}

// Many events come together; the lists are read once.
function later() {
  clearTimeout(soon);
  soon = setTimeout(() => {
    stale();
    if (pages.current() !== "verdicts") pages.reload();
    count().catch(() => {});
  }, SETTLE_MS);
}
