// The audit log: its signed checkpoint, a button that checks all of it, and its newest entries.

import { bdi, byId, el, none } from "./element.js";
import { get, text } from "./api.js";
import { refusal } from "./notice.js";
import { shown } from "./amount.js";
import { table } from "./table.js";
import { exact } from "./time.js";

const NEWEST = 50;

const note = el("pre", { class: "note", tabindex: "0", role: "region", "aria-label": "Signed checkpoint" });
const noteProblem = el("div");
const result = el("div", { id: "verify-result", "aria-live": "polite" });
const button = el("button", { type: "button", id: "verify", class: "primary", on: { click: verify } }, "Verify the log");

const entries = table(
  "The newest entries of the log",
  [
    { title: "Number", head: true, class: "number", cell: (e) => shown(String(e.seq)) },
    { title: "Time", cell: (e) => exact(content(e)?.created_at ?? content(e)?.time) },
    { title: "What", cell: (e) => [bdi(e.transfer?.code ?? e.event?.kind ?? "?", { class: "token" }), e.transfer ? el("span", { class: "dim" }, " ", bdi(e.transfer.phase)) : ""] },
    { title: "Amount", class: "number", cell: (e) => (e.transfer ? [shown(e.transfer.amount), " ", bdi(e.transfer.asset)] : none()) },
    { title: "By", cell: (e) => bdi(content(e)?.actor ?? "?") },
    { title: "Leaf", class: "grow", cell: (e) => bdi(e.leaf, { class: "hash" }) },
  ],
  "The log is empty.",
  { key: (e) => e.seq },
);

const content = (entry) => entry.transfer ?? entry.event;

export function checkpoint() {
  byId("checkpoint").append(
    el("h2", null, "Checkpoint"),
    el("p", { class: "dim" }, "What the log was, signed. Keep copies elsewhere: nobody can change what came before one without its root changing."),
    note,
    noteProblem,
    el("p", { class: "buttons" }, button, el("button", { type: "button", id: "copy", on: { click: copy } }, "Copy the checkpoint")),
    result,
  );
  byId("ledger-events").append(entries.element);
  return load;
}

async function load() {
  const place = byId("ledger-events");
  try {
    note.textContent = await text("/v1/log/checkpoint");
    noteProblem.replaceChildren();
  } catch (error) {
    noteProblem.replaceChildren(refusal(error, load));
  }
  try {
    const { size } = await get("/v1/log/entries", { limit: 1 });
    const answer = await get("/v1/log/entries", { from: Math.max(0, size - NEWEST), limit: NEWEST });
    entries.set(answer.entries.reverse());
    place.replaceChildren(entries.element);
  } catch (error) {
    place.replaceChildren(refusal(error, load));
  }
}

async function verify() {
  button.setAttribute("aria-disabled", "true");
  if (button.dataset.busy) return;
  button.dataset.busy = "yes";
  result.replaceChildren(el("p", { class: "dim" }, "Checking every entry…"));
  try {
    result.replaceChildren(says(await get("/v1/log/verify")));
  } catch (error) {
    result.replaceChildren(refusal(error, verify));
  } finally {
    delete button.dataset.busy;
    button.removeAttribute("aria-disabled");
  }
  load();
}

function says({ ok, size, root, problems, checked_at: at }) {
  const facts = el(
    "dl",
    { class: "facts" },
    el("dt", null, "Entries"), el("dd", null, shown(String(size))),
    el("dt", null, "Root"), el("dd", null, bdi(root, { class: "hash" })),
    el("dt", null, "Checked"), el("dd", null, exact(at)),
  );
  if (ok === true) return el("div", { class: "notice good" }, el("p", null, el("strong", null, "✓ The log is whole. "), "Every entry is what its leaf says, and every leaf is in the tree of the head."), facts);
  const listed = (problems ?? []).map((problem) => el("li", null, bdi(problem)));
  return el(
    "div",
    { class: "notice bad", role: "alert" },
    el("p", null, el("strong", null, "✗ The log is damaged. "), "Stop writes, keep the database as it is, and compare with the checkpoints that others hold."),
    el("ul", null, listed),
    facts,
  );
}

async function copy() {
  const say = byId("copy");
  try {
    await navigator.clipboard.writeText(note.textContent);
    say.textContent = "Copied";
  } catch {
    // Without a secure context there is no clipboard: the text is selected instead.
    getSelection().selectAllChildren(note);
    say.textContent = "Selected: copy it";
  }
  setTimeout(() => (say.textContent = "Copy the checkpoint"), 3000);
}
