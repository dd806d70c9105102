// Money in escrow over time, from what the visas say of themselves: when they were issued, presented, complained of and settled.

import { byId } from "./element.js";
import { decimal, units } from "./amount.js";
import { newest } from "./visas.js";
import { refusal } from "./notice.js";
import { stacked } from "./chart.js";

const HOUR = 3_600_000;
const BUCKETS = 48;
const HALF = units("0.5");
const SERIES = [
  { name: "issued", class: "fill-issued" },
  { name: "redeemed", class: "fill-redeemed" },
  { name: "withheld or disputed", class: "fill-withheld" },
];

let range = "24";
let last = null;
let figure = null;

/** Draws the figure for one asset. */
export async function escrow(asset, scale) {
  const place = byId("escrow");
  try {
    last = { ...(await newest()), asset, scale };
    figure ??= make();
    place.replaceChildren(figure.element);
    draw();
  } catch (error) {
    place.replaceChildren(refusal(error, () => escrow(asset, scale)));
  }
}

function make() {
  return stacked({
    title: "Money in escrow over time",
    series: SERIES,
    format: decimal,
    ranges: [
      { value: "3", name: "last 3 hours" },
      { value: "24", name: "last day" },
      { value: "168", name: "last week" },
    ],
    range,
    onRange(value) {
      range = value;
      draw();
    },
  });
}

/** Since when a visa was in each of the three conditions, and until when: `[[from, until], …]` in milliseconds, null where it never was. */
export function spans(visa, now) {
  const at = (text) => (text ? new Date(text).getTime() : null);
  const [issued, redeemed, settled] = [at(visa.issued_at), at(visa.redeemed_at), at(visa.settled_at)];
  const pending = ["ISSUED", "REDEEMED", "WITHHELD", "DISPUTED"].includes(visa.state);
  const end = settled ?? (pending ? now : redeemed ?? at(visa.expires_at) ?? now);
  const bad = visa.feedback && (units(visa.feedback.score) ?? HALF) < HALF ? at(visa.feedback.given_at) : null;
  return [
    [issued, redeemed ?? end],
    redeemed === null ? null : [redeemed, bad ?? end],
    bad === null ? null : [bad, end],
  ];
}

function draw() {
  const now = Date.now();
  const span = Number(range) * HOUR;
  const each = span / BUCKETS;
  const from = now - span;
  const buckets = Array.from({ length: BUCKETS }, (_, at) => ({ time: from + at * each, values: [0n, 0n, 0n] }));
  for (const visa of last.visas) {
    if (visa.asset !== last.asset) continue;
    const amount = units(visa.amount) ?? 0n;
    spans(visa, now).forEach((one, which) => {
      if (!one) return;
      // What stood there at the end of each bar's time.
      const first = Math.max(0, Math.ceil((one[0] - from) / each - 1));
      const until = Math.min(BUCKETS, Math.ceil((one[1] - from) / each - 1) + (one[1] >= now ? 1 : 0));
      for (let bucket = first; bucket < until; bucket += 1) buckets[bucket].values[which] += amount;
    });
  }
  const any = buckets.some((bucket) => bucket.values.some((value) => value > 0n));
  const notes = [any ? `In ${last.asset}, at the end of each bar's time.` : "Nothing was in escrow in this period."];
  if (!last.whole) notes.push(`From the newest ${last.visas.length} visas; older ones are left out.`);
  figure.draw({ from, span, width: each, buckets: any ? buckets : [], note: notes.join(" ") });
}
