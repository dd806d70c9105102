// The command line, as an operator or an agent would use it.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

export const binary = process.env.IMAGXP_BINARY ?? "";
if (!existsSync(binary)) throw new Error("IMAGXP_BINARY names no program: run scripts/dashboard.sh test");

/** Runs it and returns what it printed. */
export const run = (args, input) => execFileSync(binary, args, { input, encoding: "utf8" });

/** The same with --json, parsed. */
export const json = (args, input) => JSON.parse(run(["--json", ...args], input));
