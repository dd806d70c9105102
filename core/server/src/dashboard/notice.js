// What the operator must know: refusals with their codes, what was done, and that the ledger refuses writes.

import { bdi, byId, el } from "./element.js";

const STAYS_MS = 12_000;
const MOST = 3;

/** A refusal as an element: its sentence, its code, and what the server's log calls it. */
export function refusal(error, retry) {
  return el(
    "div",
    { class: "notice bad", role: "alert" },
    el("p", null, bdi(error.message), " ", el("code", { class: "code" }, bdi(error.code ?? error.name ?? "error"))),
    error.requestId ? el("p", { class: "dim" }, "Request ", bdi(error.requestId), error.retryAfter ? `; try again in ${Number(error.retryAfter)} s` : null) : null,
    retry ? el("p", null, el("button", { type: "button", on: { click: retry } }, "Try again")) : null,
  );
}

/** Says what was done. */
export const done = (...text) => show(el("div", { class: "notice good" }, el("p", null, ...text)), STAYS_MS);

/** Says what went wrong, until it is closed. */
export const failed = (error) => {
  // Logged out is a state of the whole page, which says so itself.
  if (!error.loggedOut) show(refusal(error));
};

function show(notice, ms) {
  const places = byId("notices");
  const close = el("button", { type: "button", class: "close", "aria-label": "Close this message", on: { click: () => notice.remove() } }, "×");
  notice.append(close);
  places.append(notice);
  while (places.children.length > MOST) places.firstElementChild.remove();
  if (ms) setTimeout(() => notice.contains(document.activeElement) || notice.remove(), ms);
}

/** Whether the ledger accepts writes; null when nobody knows. */
export function writable(state) {
  const banner = byId("banner");
  banner.hidden = state !== false;
  document.documentElement.toggleAttribute("data-read-only", state === false);
  banner.replaceChildren(
    ...(state === false
      ? [el("strong", null, "The ledger refuses writes. "), "An invariant did not hold, so nothing is booked until an operator has looked; reading goes on. Verify it in the view of the log, then run ", el("code", null, "imagxp broker ledger audit"), "."]
      : []),
  );
}
