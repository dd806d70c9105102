// Where the money is: visas by state, balances by kind of account, and that they come to nothing.

import { bdi, byId, el, empty } from "./element.js";
import { decimal, shown, sum, units } from "./amount.js";
import { escrow } from "./escrow.js";
import { get } from "./api.js";
import { refusal, writable } from "./notice.js";
import { share } from "./chart.js";
import { table } from "./table.js";

const STATES = {
  ISSUED: "reserved, not yet presented",
  REDEEMED: "presented, waiting for feedback",
  WITHHELD: "bad feedback, may be contested",
  DISPUTED: "contested, to be decided",
  RELEASED: "paid to publishers",
  SPLIT: "divided",
  REFUNDED: "back with agents",
  EXPIRED: "never presented, back with agents",
};
const KINDS = {
  AVAILABLE: "agents and publishers",
  LOCKED: "bonds and stakes",
  TREASURY: "the broker's fees",
  REWARDS: "to be given away",
  OUTSIDE: "banks, as they see it",
};
const PENDING = ["ISSUED", "REDEEMED", "WITHHELD", "DISPUTED"];

let chosen = "";

export function money() {
  return load;
}

/** Asks where the money is, and with it whether writes are accepted. */
export async function overview() {
  const answer = await get("/v1/money");
  writable(answer.writable);
  return answer;
}

async function load() {
  const place = byId("money");
  try {
    const answer = await overview();
    const asset = answer.assets.find((one) => one.asset === chosen) ?? answer.assets[0];
    if (!asset) return place.replaceChildren(empty("No asset is configured."));
    const focused = document.activeElement?.id === "asset";
    place.replaceChildren(...[choice(answer.assets, asset), tiles(asset, answer), states(asset), kinds(asset)].filter(Boolean));
    if (focused) byId("asset")?.focus();
    await escrow(asset.asset, asset.scale);
  } catch (error) {
    place.replaceChildren(refusal(error, load));
  }
}

function choice(assets, asset) {
  if (assets.length < 2) return null;
  const select = el(
    "select",
    { id: "asset", on: { change: () => { chosen = select.value; load(); } } },
    assets.map((one) => el("option", { value: one.asset, selected: one === asset }, one.asset)),
  );
  return el("form", { class: "filter" }, el("div", null, el("label", { for: "asset" }, "Asset"), select));
}

function tiles(asset, { log_size: size }) {
  const pending = sum(PENDING.map((state) => asset.states[state]?.amount ?? "0"));
  const waiting = asset.states.DISPUTED?.count ?? 0;
  const tile = (name, value, unit) => el("div", { class: "tile" }, el("dt", null, name), el("dd", null, value, unit ? el("span", { class: "dim" }, ` ${unit}`) : null));
  return el(
    "dl",
    { class: "tiles" },
    tile("Held for agents and publishers", shown(asset.accounts.AVAILABLE ?? "0"), asset.asset),
    tile("In escrow", shown(decimal(pending)), asset.asset),
    tile("Fees earned", shown(asset.accounts.TREASURY ?? "0"), asset.asset),
    tile("Disputes", String(waiting)),
    tile("Log entries", shown(String(size))),
  );
}

function states(asset) {
  const whole = sum(Object.values(asset.states).map((state) => state.amount));
  const list = table(
    `Visas by state, ${asset.asset}`,
    [
      { title: "State", head: true, cell: ([name]) => [bdi(name, { class: `pill state-${name.toLowerCase()}` }), " ", el("span", { class: "dim about" }, STATES[name] ?? "")] },
      { title: "Visas", class: "number", cell: ([, state]) => shown(String(state.count)) },
      { title: "Amount", class: "number", cell: ([, state]) => shown(state.amount) },
      { title: "Share of all", class: "share-cell", cell: ([name, state]) => share(units(state.amount) ?? 0n, whole, `fill-${name.toLowerCase()}`) },
    ],
    "No visas.",
    { compact: true },
  );
  const names = [...Object.keys(STATES).filter((name) => name in asset.states), ...Object.keys(asset.states).filter((name) => !(name in STATES))];
  list.set(names.map((name) => [name, asset.states[name]]));
  return list.element;
}

function kinds(asset) {
  const list = table(
    `Balances by kind of account, ${asset.asset}`,
    [
      { title: "Kind", head: true, cell: ([name]) => [bdi(name, { class: "token" }), " ", el("span", { class: "dim about" }, KINDS[name] ?? "")] },
      { title: "Balance", class: "number", cell: ([, balance]) => shown(balance) },
    ],
    "No accounts.",
    { compact: true },
  );
  const names = [...Object.keys(KINDS).filter((name) => name in asset.accounts), ...Object.keys(asset.accounts).filter((name) => !(name in KINDS))];
  list.set(names.map((name) => [name, asset.accounts[name]]));
  const all = sum(Object.values(asset.accounts));
  const says = all === 0n
    ? el("p", { class: "check good", id: "sum" }, "✓ All balances together come to 0, as they must.")
    : el("p", { class: "check bad", id: "sum" }, `✗ All balances together come to ${shown(decimal(all))}, and must come to 0.`);
  return el("div", null, list.element, says);
}
