import { ImagxpError } from "./errors.js";
import type { HeaderLines } from "../generated/imagxp.js";

/** Every line as `name LF value LF`, the form in which headers cross into the module: one character for each byte that came. */
export function joined(headers: HeaderLines): string {
  let text = "";
  for (const [name, value] of lines(headers)) {
    if (typeof name !== "string" || typeof value !== "string") throw notHeaders();
    if (name.includes("\n") || value.includes("\n")) throw new ImagxpError("usage.argument", "a header has a line break in it");
    text += `${name}\n${value}\n`;
  }
  return /^[\0-\x7f]*$/.test(text) || !readsUtf8() ? text : utf8(text);
}

/** Whether the platform reads headers as UTF-8 (workerd), where the standard has Latin-1: it then takes what Latin-1 cannot say. */
function readsUtf8(): boolean {
  try {
    return new Headers([["x", "\u0100"]]).has("x");
  } catch {
    return false;
  }
}

/** The bytes of a text that was UTF-8. What was none came as replacement characters, and becomes what is none again. */
function utf8(text: string): string {
  const bytes = (character: string): string => String.fromCharCode(...new TextEncoder().encode(character));
  return text.replace(/[^\0-\x7f]/gu, (character) => character === "\ufffd" ? "\xff" : bytes(character));
}

function* lines(headers: HeaderLines): Generator<readonly [string, string]> {
  if (typeof headers !== "object" || headers === null) throw notHeaders();
  if (Symbol.iterator in headers) {
    const isJoined = Object.prototype.toString.call(headers) === "[object Headers]";
    for (const pair of headers as Iterable<readonly [string, string]>) {
      if (!Array.isArray(pair) || pair.length !== 2) throw notHeaders();
      const [name, value] = pair as unknown as readonly [string, string];
      if (isJoined) for (const line of apart(name, value)) yield [name, line];
      else yield [name, value];
    }
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    // Node keeps several lines of one name as a list.
    if (Array.isArray(value)) for (const one of value) yield [name, one as string];
    else if (value !== undefined) yield [name, value as string];
  }
}

/**
 * A `Headers` has joined the lines of one name with comma and space. Ours never contain a comma, except feedback that is raw JSON, so the
 * lines are taken apart again, and the core refuses duplicates as it does everywhere.
 */
export function apart(name: string, value: string): string[] {
  if (!value.includes(",") || !name.toLowerCase().startsWith("x-imagxp-")) return [value];
  // Behind a JSON object; within one that is feedback a brace and a comma are followed by a name.
  return value.split(value.startsWith("{") ? /(?<=\})[ \t]*,(?![ \t]*")/ : ",");
}

/** A value as it came over the wire: its text is Latin-1, one character per byte; or UTF-8, where a platform has read it as that. */
export function bytes(value: string): Uint8Array {
  const latin = Uint8Array.from(value, (character) => character.charCodeAt(0));
  return /^[\0-\xff]*$/.test(value) && isUtf8(latin) ? latin : new TextEncoder().encode(value);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function notHeaders(): ImagxpError {
  return new ImagxpError("usage.argument", "headers are pairs of name and value, a Headers, or an object");
}
