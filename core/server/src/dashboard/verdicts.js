// Verdicts as they are given, with filters, and how many by the minute.

import { bdi, byId, el, none } from "./element.js";
import { get } from "./api.js";
import { live } from "./live.js";
import { refusal } from "./notice.js";
import { stacked } from "./chart.js";
import { table } from "./table.js";
import { ofDay } from "./time.js";

// A row is a card on a phone, and a list of many is none that is read there.
const MOST = matchMedia("(max-width: 760px)").matches ? 50 : 200;
const OUTCOMES = ["allow", "deny", "undecided"];
const PAINT_MS = 250;
const SAY_MS = 5000;
const MINUTE = 60;
// The period in minutes, and how many of them share a bar.
const RANGES = { 60: 1, 360: 5, 1440: 15 };

const filter = { agent: "", code: "", purpose: "", outcome: "" };
const minutes = new Map();
const waiting = [];
let range = "60";
let paused = false;
let painting = 0;
let unsaid = { allow: 0, deny: 0, undecided: 0 };

const list = table(
  "The latest verdicts, newest first",
  [
    { title: "Time", head: true, cell: (v) => ofDay(v.time) },
    { title: "Outcome", cell: (v) => [el("span", { class: `pill ${OUTCOMES.includes(v.outcome) ? v.outcome : ""}` }, bdi(v.outcome)), v.would_deny && v.outcome === "allow" ? el("span", { class: "dim" }, " observed") : ""] },
    { title: "Code", cell: (v) => [bdi(v.code, { class: "code" }), el("span", { class: "dim" }, ` ${Number(v.http)}`)] },
    { title: "Agent", class: "name", cell: (v) => (v.agent_id ? bdi(v.agent_id) : el("span", { class: "dim token" }, bdi(v.visitor))) },
    { title: "Purpose", cell: (v) => (v.purpose ? bdi(v.purpose, { class: "token" }) : none()) },
    { title: "Payment", cell: (v) => (v.payment === "not_required" ? none() : bdi(v.payment, { class: "token" })) },
    { title: "Request", class: "grow", cell: (v) => [bdi(v.method, { class: "token" }), " ", bdi(v.path)] },
  ],
  "No verdicts yet. They appear here as soon as a proxy asks /v1/verify.",
  { key: (v) => v.trace_id },
);

const chart = stacked({
  title: "Verdicts over time",
  series: OUTCOMES.map((name) => ({ name, class: `fill-${name}` })),
  format: String,
  ranges: [
    { value: "60", name: "last hour, by the minute" },
    { value: "360", name: "last 6 hours, by 5 minutes" },
    { value: "1440", name: "last day, by 15 minutes" },
  ],
  range,
  onRange(value) {
    range = value;
    draw();
  },
});

const fits = (verdict) =>
  (!filter.agent || verdict.agent_id === filter.agent) &&
  (!filter.code || verdict.code === filter.code) &&
  (!filter.purpose || verdict.purpose === filter.purpose) &&
  (!filter.outcome || verdict.outcome === filter.outcome);

export function verdicts() {
  byId("verdict-chart").append(chart.element);
  byId("verdict-list").append(list.element);
  const form = byId("verdict-filter");
  const apply = () => {
    const data = new FormData(form);
    for (const name of Object.keys(filter)) filter[name] = String(data.get(name) ?? "").trim();
    return load();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("change", apply);
  // After the form has been emptied, which is after this event.
  form.addEventListener("reset", () => setTimeout(apply));
  byId("pause").addEventListener("click", pause);
  live.addEventListener("verdict", ({ detail }) => take(detail));
  live.addEventListener("missed", load);
  setInterval(say, SAY_MS);
  setInterval(draw, MINUTE * 1000);
  return load;
}

/** Stops new rows, or lets those that have come in the meantime in. */
export function pause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  unsaid = { allow: 0, deny: 0, undecided: 0 };
  paint();
}

async function load() {
  const place = byId("verdict-list");
  try {
    const answer = await get("/v1/verdicts", { ...filter, limit: MOST });
    waiting.length = 0;
    minutes.clear();
    for (const minute of answer.minutes) minutes.set(minute.time, minute);
    list.set(answer.verdicts);
    place.replaceChildren(list.element);
    suggest("known-agents", answer.verdicts.map((verdict) => verdict.agent_id));
    suggest("known-codes", [...answer.verdicts.map((verdict) => verdict.code), ...answer.minutes.flatMap((minute) => Object.keys(minute.codes))]);
    caption();
    draw();
  } catch (error) {
    place.replaceChildren(refusal(error, load));
  }
}

function take(verdict) {
  const time = Math.floor(new Date(verdict.time).getTime() / 1000 / MINUTE) * MINUTE;
  const minute = minutes.get(time) ?? { time, allow: 0, deny: 0, undecided: 0 };
  minutes.set(time, minute);
  const outcome = OUTCOMES.includes(verdict.outcome) ? verdict.outcome : "undecided";
  minute[outcome] += 1;
  if (fits(verdict)) {
    waiting.push(verdict);
    // What would fall off the end of the list at once needs no keeping.
    if (waiting.length > MOST) waiting.shift();
    unsaid[outcome] += 1;
  }
  painting ||= setTimeout(paint, PAINT_MS);
}

function paint() {
  clearTimeout(painting);
  painting = 0;
  if (!paused && waiting.length) {
    const known = new Set(Array.from(list.rows, (row) => row.dataset.key));
    const fresh = waiting.splice(0).reverse().filter((verdict) => !known.has(verdict.trace_id));
    list.add(fresh, MOST);
    suggest("known-agents", fresh.map((verdict) => verdict.agent_id));
    suggest("known-codes", fresh.map((verdict) => verdict.code));
  }
  byId("pause").textContent = !paused ? "Pause" : waiting.length ? `Resume (${waiting.length} new)` : "Resume";
  caption();
  draw();
}

function caption() {
  const active = Object.entries(filter).filter(([, value]) => value);
  const how = active.map(([name, value]) => `${name} ${value}`).join(", ");
  list.caption(`The latest verdicts, newest first${how ? `: ${how}` : ""}${paused ? " (paused)" : ""}`);
}

// A screen reader is told what came, not each row: there may be thousands.
function say() {
  const parts = OUTCOMES.filter((name) => unsaid[name]).map((name) => `${unsaid[name]} ${name}`);
  if (!parts.length || paused || byId("view-verdicts").hidden) return;
  byId("verdict-said").textContent = `New verdicts: ${parts.join(", ")}`;
  unsaid = { allow: 0, deny: 0, undecided: 0 };
}

function suggest(id, names) {
  const options = byId(id);
  const known = new Set(Array.from(options.children, (option) => option.value));
  for (const name of new Set(names)) if (name && !known.has(name) && options.children.length < MOST) options.append(el("option", { value: name }));
}

function draw() {
  if (byId("view-verdicts").hidden) return;
  const together = RANGES[range] * MINUTE;
  const end = (Math.floor(Date.now() / 1000 / together) + 1) * together;
  const begin = end - Number(range) * MINUTE;
  const buckets = new Map();
  for (const minute of minutes.values()) {
    if (minute.time < begin || minute.time >= end) continue;
    const time = Math.floor(minute.time / together) * together;
    const bucket = buckets.get(time) ?? { time: time * 1000, values: [0n, 0n, 0n] };
    OUTCOMES.forEach((name, at) => (bucket.values[at] += BigInt(minute[name])));
    buckets.set(time, bucket);
  }
  const sorted = [...buckets.values()].sort((one, other) => one.time - other.time);
  chart.draw({ from: begin * 1000, span: Number(range) * MINUTE * 1000, width: together * 1000, buckets: sorted, note: sorted.length ? "All verdicts of this process, whatever the filter says." : "No verdicts in this period." });
}
