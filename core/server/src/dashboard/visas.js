// The newest visas, read once for everybody who wants them.

import { get } from "./api.js";

const PAGE = 500;
const PAGES = 4;
const FRESH_MS = 5000;

let reading = null;
let readAt = 0;

/** `{visas, whole}`: the newest ones, newest first; `whole` when there are no more. */
export function newest() {
  if (!reading || Date.now() - readAt > FRESH_MS) {
    readAt = Date.now();
    reading = read();
    reading.catch(() => (reading = null));
  }
  return reading;
}

/** What was read counts no longer. */
export const stale = () => (reading = null);

async function read() {
  const visas = [];
  let cursor = "";
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await get("/v1/visas", { limit: PAGE, cursor });
    visas.push(...answer.visas);
    if (!answer.next_cursor) return { visas, whole: true };
    cursor = answer.next_cursor;
  }
  return { visas, whole: false };
}
