// What stands between JavaScript and the WebAssembly instance. A panic of the Rust code is a trap, after which the instance's memory is
// anyone's guess: the call that trapped throws, and the next one finds a new instance. Whatever lived in the old one is gone: its objects
// throw when they are used, and whoever keeps some compares `generation`.

import { ImagxpError } from "./errors.js";

let replace: (() => void) | undefined;
let broken = false;
let depth = 0;
let count = 0;

/** Which instance this is: it changes when a trap has ended one. */
export function generation(): number {
  return count;
}

/** Says how to make a new instance; done once, by the package's entry. */
export function replaceWith(make: () => void): void {
  replace = make;
}

/** The exports of an instance, each of whose functions makes an `ImagxpError` of a trap. */
export function guarded<Exports extends WebAssembly.Exports>(exports: Exports): Exports {
  const entries = Object.entries(exports).map(([name, value]) => [name, typeof value === "function" ? guard(value as Call) : value]);
  return Object.fromEntries(entries) as Exports;
}

type Call = (...values: unknown[]) => unknown;

function guard(call: Call): Call {
  return (...values) => {
    // Only a function that the instance itself has called gets here while it is broken.
    if (broken) throw panicked();
    depth += 1;
    try {
      return call(...values);
    } catch (error) {
      // A trap, or a stack that was too deep, inside or outside.
      if (!(error instanceof WebAssembly.RuntimeError || error instanceof RangeError)) throw error;
      broken = true;
      throw panicked(error);
    } finally {
      depth -= 1;
      if (broken && depth === 0) startAgain();
    }
  };
}

function startAgain(): void {
  broken = false;
  count += 1;
  replace?.();
}

function panicked(cause?: unknown): ImagxpError {
  return new ImagxpError("internal.panic", "a bug in imagxp ended its instance; a new one has taken its place", { cause });
}
