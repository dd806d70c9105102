// Charts: inline SVG, drawn for the width that is there, with the same numbers as a table below. Values are BigInt.

import { el, svg } from "./element.js";
import { ratio } from "./amount.js";
import { tick } from "./time.js";

const HEIGHT = 200;
const MARGIN = { top: 8, right: 4, bottom: 22, left: 52 };
const GAP_PX = 1;
const LABEL_PX = 86;
const ROWS = 12;

/** 1, 2 or 5 times a power of ten, so that at most four steps reach `most`. Whole numbers, and never 0. */
export function step(most) {
  for (let power = 1n; ; power *= 10n) for (const digit of [1n, 2n, 5n]) if (digit * power * 4n >= most) return digit * power;
}

/**
 * A figure of stacked bars over time. `series` are `{name, class}`; `draw({from, span, buckets, note})` takes buckets
 * `{time, values}` with one value for each series, and `from` and `span` in milliseconds.
 */
export function stacked({ title, series, format, ranges, range, onRange, unit }) {
  const place = el("div", { class: "plot" });
  const note = el("p", { class: "dim" });
  const details = el("details", null, el("summary", null, "The same as a table"));
  const select = el(
    "select",
    { "aria-label": `${title}: period`, on: { change: () => onRange(select.value) } },
    ranges.map(({ value, name }) => el("option", { value, selected: value === range }, name)),
  );
  const legend = el("ul", { class: "legend", "aria-label": "Legend" }, series.map((one) => el("li", null, swatch(one.class), one.name)));
  const element = el(
    "figure",
    { class: "chart" },
    el("figcaption", null, el("span", { class: "title" }, title), legend, select),
    place,
    note,
    details,
  );
  let last = null;
  const paint = () => last && place.clientWidth > 0 && place.replaceChildren(plot(last, place.clientWidth, { title, series, format }));
  new ResizeObserver(paint).observe(place);
  details.addEventListener("toggle", () => last && details.open && retable());
  const retable = () => {
    details.querySelector("table")?.remove();
    details.append(numbers(last, { title, series, format, unit }));
  };
  return {
    element,
    draw(data) {
      last = data;
      note.textContent = data.note ?? "";
      paint();
      if (details.open) retable();
    },
  };
}

const swatch = (kind) =>
  svg("svg", { class: "swatch", width: 12, height: 12, "aria-hidden": "true" }, svg("rect", { class: kind, width: 12, height: 12 }));

const total = (bucket) => bucket.values.reduce((all, value) => all + value, 0n);

function plot({ from, span, buckets, width: bucketMs }, width, { title, series, format }) {
  const most = buckets.reduce((top, bucket) => (total(bucket) > top ? total(bucket) : top), 0n);
  const by = step(most > 0n ? most : 1n);
  const ceiling = by * ((most > 0n ? most : 1n) / by + (most % by > 0n || most === 0n ? 1n : 0n));
  const [innerWidth, innerHeight] = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
  const y = (value) => MARGIN.top + innerHeight * (1 - ratio(value, ceiling));
  const x = (ms) => MARGIN.left + (innerWidth * (ms - from)) / span;
  const said = `${title}: ${buckets.length ? `highest ${format(most)}` : "nothing in this period"}.`;
  const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": said });
  for (let value = 0n; value <= ceiling; value += by) {
    picture.append(
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { class: "axis", x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    );
  }
  const ticks = Math.max(1, Math.min(6, Math.floor(innerWidth / LABEL_PX)));
  for (let at = 0; at <= ticks; at += 1) {
    const ms = from + (span * at) / ticks;
    const anchor = at === 0 ? "start" : at === ticks ? "end" : "middle";
    picture.append(svg("text", { class: "axis", x: x(ms), y: HEIGHT - 6, "text-anchor": anchor }, tick(ms, span)));
  }
  const barWidth = Math.max(1.5, (innerWidth * bucketMs) / span - GAP_PX);
  for (const bucket of buckets) {
    const bar = svg("g", null, svg("title", null, `${tick(bucket.time, span)}: ${series.map((one, at) => `${one.name} ${format(bucket.values[at])}`).join(", ")}`));
    let below = 0n;
    bucket.values.forEach((value, at) => {
      if (value > 0n) {
        const [bottom, top] = [y(below), y(below + value)];
        bar.append(svg("rect", { class: series[at].class, x: x(bucket.time), y: top, width: barWidth, height: Math.max(0.75, bottom - top) }));
      }
      below += value;
    });
    picture.append(bar);
  }
  return picture;
}

// The last buckets that have something; a screen reader does not want a day of zeroes.
function numbers({ buckets, span }, { title, series, format, unit }) {
  const rows = buckets.filter((bucket) => total(bucket) > 0n).slice(-ROWS).reverse();
  const head = ["From", ...series.map((one) => one.name)].map((name) => el("th", { scope: "col" }, name));
  const lines = rows.map((bucket) =>
    el("tr", null, el("th", { scope: "row" }, tick(bucket.time, span)), bucket.values.map((value) => el("td", { class: "number" }, format(value)))),
  );
  const caption = rows.length ? `${title}, newest first${unit ? `, ${unit}` : ""}` : `${title}: nothing in this period`;
  return el("table", { class: "small" }, el("caption", null, caption), el("thead", null, el("tr", null, head)), el("tbody", null, lines));
}

/** A bar for a share of a whole, beside a number that says the same. */
export function share(part, whole, kind) {
  return svg(
    "svg",
    { class: "share", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "rest", width: 100, height: 8 }),
    svg("rect", { class: kind, width: Math.max(part > 0n ? 1 : 0, ratio(part, whole) * 100), height: 8 }),
  );
}
