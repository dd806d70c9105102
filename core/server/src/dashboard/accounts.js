// Agents and publishers with their balances.

import { bdi, byId, el, none } from "./element.js";
import { get } from "./api.js";
import { newest } from "./visas.js";
import { refusal } from "./notice.js";
import { shown } from "./amount.js";
import { show as statement } from "./statement.js";
import { table } from "./table.js";

const PAGE = 50;
const MOST = 500;

let owner = "";
let shows = 0;
let last = "";
let roles = new Map();

const amount = (text) => (text === "0" ? el("span", { class: "dim" }, "0") : shown(text));

const columns = [
  { title: "Owner", head: true, class: "name", cell: (a) => (a.owner ? bdi(a.owner) : el("span", { class: "dim" }, "the broker")) },
  { title: "Seen as", cell: (a) => (roles.has(a.owner) ? el("span", { class: "token" }, roles.get(a.owner)) : none()) },
  { title: "Kind", cell: (a) => [bdi(a.kind, { class: "token" }), a.reference ? [" ", bdi(a.reference)] : null, standing(a)] },
  { title: "Balance", class: "number", cell: (a) => [el("strong", null, shown(a.balance)), " ", bdi(a.asset)] },
  { title: "Can be spent", class: "number", cell: (a) => (a.kind === "OUTSIDE" ? none() : amount(a.available)) },
  { title: "Reserved", class: "number", cell: (a) => amount(a.debits_pending) },
  { title: "Coming in", class: "number", cell: (a) => amount(a.credits_pending) },
  { title: "Moves", class: "actions", cell: moves },
];

export function accounts() {
  const form = byId("account-filter");
  const apply = () => {
    owner = byId("a-owner").value.trim();
    shows = 0;
    return load();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("reset", () => setTimeout(apply));
  return load;
}

async function load() {
  const place = byId("account-list");
  try {
    // As many as are shown: what was asked for with "more" stays.
    const limit = Math.min(MOST, Math.max(PAGE, shows));
    const [answer] = await Promise.all([get("/v1/accounts", { owner, limit }), learn()]);
    const now = JSON.stringify([owner, answer, [...roles]]);
    // Who reads the list is not disturbed by the same list.
    if (now === last && place.querySelector("table")) return;
    last = now;
    const list = table(owner ? `Accounts of ${owner}` : "Accounts of agents, publishers and the broker", columns, owner ? "This owner has no account." : "There are no accounts yet. The first deposit makes one.", { key: (a) => a.id });
    list.set(answer.accounts);
    shows = answer.accounts.length;
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    place.replaceChildren(list.element, more(list, answer.next_cursor));
    if (focused) (byId(focused) ?? byId("h-accounts")).focus();
  } catch (error) {
    place.replaceChildren(refusal(error, load));
  }
}

// An account does not say whose it is; what its owner has bought and sold does.
async function learn() {
  const { visas } = await newest().catch(() => ({ visas: [] }));
  const buyers = new Set(visas.map((visa) => visa.agent));
  const sellers = new Set(visas.map((visa) => visa.publisher));
  roles = new Map([...buyers, ...sellers].map((name) => [name, [buyers.has(name) && "agent", sellers.has(name) && "publisher"].filter(Boolean).join(", ")]));
}

function standing(account) {
  const says = (text) => [" ", el("span", { class: "pill deny" }, text)];
  return [account.frozen ? says("frozen") : [], account.closed ? says("closed") : []];
}

function moves(account) {
  if (!account.owner) return none();
  return el(
    "button",
    { type: "button", id: `moves-${account.id}`, "aria-haspopup": "dialog", on: { click: () => statement(account.owner) } },
    "Transfers",
    el("span", { class: "visually-hidden" }, " of ", bdi(account.owner)),
  );
}

function more(list, cursor) {
  const place = el("p", { class: "more" });
  const next = async (from) => {
    try {
      const answer = await get("/v1/accounts", { owner, limit: PAGE, cursor: from });
      const first = list.rows.length;
      list.append(answer.accounts);
      shows = list.rows.length;
      offer(answer.next_cursor);
      list.rows[first]?.querySelector("button")?.focus();
    } catch (error) {
      place.replaceChildren(refusal(error, () => next(from)));
    }
  };
  const offer = (from) => place.replaceChildren(...(from ? [el("button", { type: "button", id: "more-accounts", on: { click: () => next(from) } }, "More accounts")] : []));
  offer(cursor);
  return place;
}
