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
    for (const pair of headers as Iterable<readonly [string, string]>) {
      if (!Array.isArray(pair) || pair.length !== 2) throw notHeaders();
      yield pair as unknown as readonly [string, string];
    }
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    // Node keeps several lines of one name as a list.
    if (Array.isArray(value)) for (const one of value) yield [name, one as string];
    else if (value !== undefined) yield [name, value as string];
  }
}

function notHeaders(): ImagxpError {
  return new ImagxpError("usage.argument", "headers are pairs of name and value, a Headers, or an object");
}
