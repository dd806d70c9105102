// The dialog in which a dispute is decided: what will happen, a confirmation, and a key by which asking twice does it once.

import { bdi, byId, el } from "./element.js";
import { decimal, shown, units } from "./amount.js";
import { idempotencyKey, post } from "./api.js";

const WAYS = {
  release: { title: "Release the money to the publisher?", go: "Release" },
  refund: { title: "Refund the money to the agent?", go: "Refund" },
  split: { title: "Split the money?", go: "Split" },
};

let visa = null;
let way = "";
let key = "";
let decided = () => {};
let busy = false;

/** Opens the dialog for one visa. `then(visa)` is called when it is decided. */
export function decide(aVisa, aWay, then) {
  [visa, way, decided] = [aVisa, aWay, then];
  // One key for this dialog: a second click, or a try after a lost answer, is the same decision.
  key = idempotencyKey();
  byId("decide-title").textContent = WAYS[way].title;
  byId("decide-go").textContent = WAYS[way].go;
  byId("decide-amount").hidden = way !== "split";
  byId("decide-value").value = "";
  byId("decide-memo").value = "";
  byId("decide-facts").replaceChildren(facts());
  fault("");
  rest();
  byId("decide").showModal();
  byId(way === "split" ? "decide-value" : "decide-go").focus();
}

export function decision() {
  const dialog = byId("decide");
  byId("decide-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("decide-value").addEventListener("input", rest);
  byId("decide-cancel").addEventListener("click", () => dialog.close());
  // While an answer is awaited the dialog stays: closing it would hide what became of the money.
  dialog.addEventListener("cancel", (event) => busy && event.preventDefault());
}

function facts() {
  const line = (name, ...value) => [el("dt", null, name), el("dd", null, ...value)];
  const given = visa.feedback;
  return el(
    "dl",
    { class: "facts" },
    line("Amount", el("strong", null, shown(visa.amount)), " ", bdi(visa.asset)),
    line("Agent", bdi(visa.agent)),
    line("Publisher", bdi(visa.publisher)),
    given ? line("Feedback", bdi(given.score), " ", bdi(given.reason, { class: "token" })) : null,
    visa.contest ? line("Publisher says", bdi(visa.contest)) : null,
  );
}

function rest() {
  const [whole, part] = [units(visa?.amount ?? ""), units(byId("decide-value").value.trim())];
  const fits = whole !== null && part !== null && part > 0n && part < whole;
  byId("decide-rest").textContent = fits ? `The agent gets ${decimal(whole - part)} ${visa.asset} back.` : `More than 0 and less than ${visa?.amount}, for example 0.25.`;
  return fits;
}

async function send() {
  if (busy) return;
  if (way === "split" && !rest()) {
    fault("The publisher's part is a decimal number, more than 0 and less than the amount.");
    byId("decide-value").setAttribute("aria-invalid", "true");
    byId("decide-value").focus();
    return;
  }
  wait(true);
  fault("");
  const body = { decision: way };
  if (way === "split") body.amount = byId("decide-value").value.trim();
  const memo = byId("decide-memo").value.trim();
  if (memo) body.memo = memo;
  try {
    const settled = await post(`/v1/visas/${encodeURIComponent(visa.jti)}/decide`, body, key);
    wait(false);
    byId("decide").close();
    decided(settled);
  } catch (error) {
    wait(false);
    fault(`${error.message} (${error.code})`);
    // A refusal is an answer: what is sent next is another request. Without an answer it must be the same one.
    if (error.status !== 0 && error.status < 500) key = idempotencyKey();
  }
}

function wait(on) {
  busy = on;
  for (const id of ["decide-go", "decide-cancel"]) byId(id).disabled = on;
}

function fault(text) {
  byId("decide-error").textContent = text;
  if (!text) byId("decide-value").removeAttribute("aria-invalid");
}
