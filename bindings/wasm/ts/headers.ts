import { ImagxpError } from "./errors.js";
import type { HeaderLines } from "../generated/imagxp.js";

/** Every line as `name LF value LF`, the form in which headers cross into the module. */
export function joined(headers: HeaderLines): string {
  let text = "";
  for (const [name, value] of lines(headers)) {
    if (typeof name !== "string" || typeof value !== "string") throw notHeaders();
    if (name.includes("\n") || value.includes("\n")) throw new ImagxpError("usage.argument", "a header has a line break in it");
    text += `${name}\n${value}\n`;
  }
  return text;
}

function* lines(headers: HeaderLines): Generator<readonly [string, string]> {
  if (typeof headers !== "object" || headers === null) throw notHeaders();
  if (Symbol.iterator in headers) {
    const isJoined = Object.prototype.toString.call(headers) === "[object Headers]";
    for (const pair of headers as Iterable<readonly [string, string]>) {
      if (!Array.isArray(pair) || pair.length !== 2) throw notHeaders();
      yield* isJoined ? apart(pair as unknown as readonly [string, string]) : [pair as unknown as readonly [string, string]];
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
 * A `Headers` has joined the lines of one name with comma and space. No header of ours has a comma in it, but for feedback in JSON, where a
 * second line is not JSON any more: the others are taken apart again, so that a second line is refused and not overlooked.
 */
function* apart([name, value]: readonly [string, string]): Generator<readonly [string, string]> {
  const lower = name.toLowerCase();
  if (!lower.startsWith("x-imagxp-") || lower === "x-imagxp-feedback") yield [name, value];
  else for (const line of value.split(/,[ \t]*/)) yield [name, line];
}

function notHeaders(): ImagxpError {
  return new ImagxpError("usage.argument", "headers are pairs of name and value, a Headers, or an object");
}
