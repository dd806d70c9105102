// The dialog with one owner's latest transfers.

import { bdi, byId, el, none } from "./element.js";
import { get } from "./api.js";
import { refusal } from "./notice.js";
import { shown } from "./amount.js";
import { table } from "./table.js";
import { exact } from "./time.js";

const PAGE = 50;

/** Opens the dialog. */
export async function show(owner) {
  byId("statement-title").replaceChildren("Transfers of ", bdi(owner));
  byId("statement-list").replaceChildren(el("p", { class: "dim", role: "status" }, "Reading…"));
  if (!byId("statement").open) byId("statement").showModal();
  try {
    const [{ transfers, next_cursor: more }, { accounts }] = await Promise.all([get("/v1/transfers", { owner, limit: PAGE }), get("/v1/accounts", { owner, limit: PAGE })]);
    const own = new Set(accounts.map((account) => account.id));
    const list = table(more ? `The latest ${transfers.length} transfers, newest first` : "All transfers, newest first", columns(own), "Nothing has moved yet.", { key: (t) => t.id });
    list.set(transfers);
    byId("statement-list").replaceChildren(list.element);
  } catch (error) {
    byId("statement-list").replaceChildren(refusal(error, () => show(owner)));
  }
}

export function statement() {
  byId("statement-close").addEventListener("click", () => byId("statement").close());
}

const columns = (own) => [
  { title: "Time", head: true, cell: (t) => exact(t.created_at) },
  { title: "What", cell: (t) => [bdi(t.code, { class: "token" }), " ", el("span", { class: "dim token" }, bdi(t.phase))] },
  { title: "Amount", class: "number", cell: (t) => [direction(t, own), shown(t.amount), " ", bdi(t.asset)] },
  { title: "Reference", cell: (t) => (t.reference ? bdi(t.reference) : none()) },
  { title: "Note", class: "grow", cell: (t) => (t.memo ? bdi(t.memo) : none()) },
  { title: "By", class: "name", cell: (t) => bdi(t.actor) },
];

// Money that only waits, or has come back, is neither in nor out.
function direction(transfer, own) {
  if (transfer.phase === "pending" || transfer.phase === "void") return el("span", { class: "dim" }, "(", transfer.phase === "pending" ? "reserved" : "back", ") ");
  const [out, into] = [own.has(transfer.debit), own.has(transfer.credit)];
  return out === into ? "" : out ? "\u2212" : "+";
}
