// Feedback and disputes, and the buttons that decide them.

import { bdi, byId, el, none } from "./element.js";
import { decide } from "./decision.js";
import { done, refusal } from "./notice.js";
import { get } from "./api.js";
import { isAdmin } from "./login.js";
import { newest, stale } from "./visas.js";
import { shown } from "./amount.js";
import { table } from "./table.js";
import { away, exact } from "./time.js";

const PAGE = 100;
const NOTHING = {
  DISPUTED: "No dispute waits for a decision.",
  WITHHELD: "No payment is withheld.",
  feedback: "No agent has given feedback yet.",
};

const MINUTES_10 = 600_000;

let state = "DISPUTED";
let last = "";

// What every row of a list says alike is left out of it.
const columns = () => [
  { title: "Agent", head: true, class: "name", cell: (v) => bdi(v.agent) },
  { title: "Publisher", class: "name", cell: (v) => bdi(v.publisher) },
  { title: "Amount", class: "number", cell: (v) => [el("strong", null, shown(v.amount)), " ", bdi(v.asset)] },
  state === "feedback" && { title: "State", cell: (v) => bdi(v.state, { class: `pill state-${String(v.state).toLowerCase()}` }) },
  { title: "Feedback", cell: (v) => (v.feedback ? [el("strong", null, bdi(v.feedback.score)), " ", bdi(v.feedback.reason, { class: "token" }), el("br"), exact(v.feedback.given_at)] : none()) },
  { title: "Publisher says", class: "grow", cell: (v) => (v.contest ? bdi(v.contest) : none()) },
  state !== "DISPUTED" && { title: "Due", cell: (v) => (v.due_at ? [exact(v.due_at), el("br"), el("span", { class: "dim" }, away(v.due_at))] : none()) },
  state !== "WITHHELD" && { title: "Decide", class: "actions", cell: buttons },
].filter(Boolean);

export function disputes() {
  const select = byId("d-state");
  select.addEventListener("change", () => {
    state = select.value;
    load();
  });
  byId("dispute-filter").addEventListener("submit", (event) => event.preventDefault());
  return load;
}

/** How many disputes wait, beside the view's name. */
export async function count() {
  const { visas, next_cursor: more } = await get("/v1/visas", { state: "DISPUTED", limit: PAGE });
  const badge = byId("dispute-count");
  badge.hidden = visas.length === 0;
  badge.replaceChildren(`${visas.length}${more ? "+" : ""}`, el("span", { class: "visually-hidden" }, " waiting"));
}

async function load() {
  const place = byId("dispute-list");
  try {
    const { visas, more } = await read();
    // Who reads the list is not disturbed by the same list, except that times draw nearer.
    const now = JSON.stringify([state, visas, more, isAdmin(), Math.floor(Date.now() / MINUTES_10)]);
    if (now === last && place.querySelector("table")) return;
    last = now;
    const list = table(captions(), columns(), NOTHING[state], { key: (v) => v.jti });
    list.set(visas);
    const hint = state === "DISPUTED" && visas.length && !isAdmin() ? el("p", { class: "dim" }, "Disputes are decided by operators of the role admin.") : null;
    const rest = more ? el("p", { class: "dim" }, `More than ${visas.length}: the newest are shown.`) : null;
    // Whoever stands on a button is not thrown off by news from elsewhere.
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    place.replaceChildren(...[hint, list.element, rest].filter(Boolean));
    if (focused) (byId(focused) ?? byId("h-disputes")).focus();
  } catch (error) {
    place.replaceChildren(refusal(error, load));
  }
}

async function read() {
  if (state === "feedback") {
    const { visas, whole } = await newest();
    const given = visas.filter((visa) => visa.feedback);
    return { visas: given.slice(0, PAGE), more: !whole || given.length > PAGE };
  }
  const answer = await get("/v1/visas", { state, limit: PAGE });
  return { visas: answer.visas, more: answer.next_cursor !== null };
}

const captions = () =>
  ({ DISPUTED: "Disputes that wait for a decision", WITHHELD: "Payments that feedback has withheld", feedback: "Visas with feedback" })[state];

function buttons(visa) {
  if (visa.state !== "DISPUTED" || !isAdmin()) return none();
  const button = (way, name) =>
    el(
      "button",
      { type: "button", id: `${way}-${visa.jti}`, "aria-haspopup": "dialog", on: { click: () => decide(visa, way, settled) } },
      name,
      el("span", { class: "visually-hidden" }, ` the ${visa.amount} ${visa.asset} of `, bdi(visa.agent), " for ", bdi(visa.publisher)),
    );
  return el("div", { class: "buttons" }, button("release", "Release"), button("refund", "Refund"), button("split", "Split…"));
}

async function settled(visa) {
  stale();
  done("Decided: ", bdi(visa.state, { class: "token" }), `, ${shown(visa.released)} ${visa.asset} to `, bdi(visa.publisher), ".");
  await Promise.all([load(), count().catch(() => {})]);
  const next = byId("dispute-list").querySelector("button") ?? byId("h-disputes");
  next.focus();
}
