// Server-sent events. The browser reconnects by itself and names the last event it saw; what it gives up on is begun again here.

import { byId } from "./element.js";
import { get } from "./api.js";

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;
const KINDS = ["verdict", "ledger", "status"];

/** Tells `verdict`, `ledger` and `status` with what came as `detail`, and `missed` when lists must be read anew. */
export const live = new EventTarget();

let source = null;
let timer = 0;
let wait = FIRST_MS;
let broken = false;

export function connect() {
  disconnect();
  say("wait", "connecting");
  source = new EventSource("/v1/events");
  source.addEventListener("open", () => {
    say("on", "live");
    wait = FIRST_MS;
    // What happened in between may be more than the server has kept.
    if (broken) tell("missed");
    broken = false;
  });
  source.addEventListener("error", () => {
    broken = true;
    say("wait", "reconnecting");
    if (source?.readyState === EventSource.CLOSED) again();
  });
  for (const kind of KINDS) source.addEventListener(kind, (event) => tell(kind, parse(event.data)));
  source.addEventListener("lagged", () => tell("missed"));
}

export function disconnect() {
  clearTimeout(timer);
  source?.close();
  source = null;
  say("off", "not connected");
}

// The server refused: perhaps the session has ended, which the page learns by asking.
function again() {
  source = null;
  timer = setTimeout(async () => {
    try {
      await get("/v1/session");
    } catch (error) {
      if (error.loggedOut) return;
    }
    connect();
  }, wait);
  wait = Math.min(wait * 2, LONGEST_MS);
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

function tell(kind, detail) {
  if (detail !== null) live.dispatchEvent(new CustomEvent(kind, { detail }));
}

function say(state, text) {
  byId("link").dataset.state = state;
  if (byId("link-text").textContent !== text) byId("link-text").textContent = text;
}

// A page that is left gives its stream back; one that comes back from the browser's cache takes it again.
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && source && connect());
