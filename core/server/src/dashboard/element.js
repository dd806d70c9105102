// Elements without markup: what comes from the network becomes text and nothing else.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Attributes that are null or false are left out; children are nodes or texts. */
export const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

/** The same for SVG. */
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [kind, listener] of Object.entries(value)) element.addEventListener(kind, listener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

// Controls, and marks that turn the direction of what stands around them or have no width. Joiners stay: scripts need them.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/** Text of strangers, isolated from the direction of what stands beside it; what cannot be seen is written out. */
export function bdi(value, attributes) {
  const text = String(value).replace(UNSEEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  return el("bdi", attributes, text);
}

/** What is shown where there is nothing. */
export const none = () => el("span", { class: "dim none" }, el("span", { "aria-hidden": "true" }, "–"), el("span", { class: "visually-hidden" }, "none"));

/** A list or a table that has nothing to show says so. */
export const empty = (...text) => el("p", { class: "empty" }, ...text);
