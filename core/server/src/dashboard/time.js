// Times: the operator's own clock and zone, with the exact one at hand.

import { el, none } from "./element.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
// The one form that nobody reads as another day.
const dayAndClock = new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const shortDay = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });


function element(text, format) {
  const date = new Date(text ?? NaN);
  if (Number.isNaN(date.getTime())) return none();
  return el("time", { datetime: date.toISOString(), title: date.toISOString() }, format.format(date));
}

/** 14:03:59 */
export const ofDay = (text) => element(text, clock);

/** With the day. */
export const exact = (text) => element(text, dayAndClock);

/** For an axis: the hour, with the day where the span is longer than one. */
export const tick = (ms, spanMs) => (spanMs > 86_400_000 ? shortDay : short).format(new Date(ms));

/** How far away: "in 3 h", "2 min ago". */
export function away(text, nowMs = Date.now()) {
  const distance = new Date(text).getTime() - nowMs;
  const minutes = Math.round(Math.abs(distance) / 60_000);
  const span = minutes < 90 ? `${minutes} min` : minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
  return distance < 0 ? `${span} ago` : `in ${span}`;
}
