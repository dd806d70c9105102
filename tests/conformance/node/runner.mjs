// The Node conformance runner (DESIGN §6): one JSON line in, one JSON line out, through the package's public API.

import { createInterface } from "node:readline";
import { ImagxpError } from "../../../bindings/node/index.mjs";
import * as agent from "./agent.mjs";
import { audit } from "./audit.mjs";
import * as crypto from "./crypto.mjs";
import * as discovery from "./discovery.mjs";
import * as evidence from "./evidence.mjs";
import * as identity from "./identity.mjs";
import * as verification from "./verify.mjs";

const OPERATIONS = new Map(
  Object.entries({
    ...agent,
    audit,
    ...crypto,
    ...discovery,
    ...evidence,
    ...identity,
    ...verification,
  }),
);

/** Answers one line; whatever happens, with one line that carries the case's id. */
async function answerLine(line) {
  let id = null;
  try {
    const given = JSON.parse(line);
    id = given.id ?? null;
    const operation = OPERATIONS.get(given.op);
    return {
      id,
      ...(operation === undefined
        ? { unsupported: true }
        : await operation(given)),
    };
  } catch (error) {
    if (error instanceof ImagxpError) return { id, error_code: error.code };
    return { id, error: `${error.name}: ${error.message}` };
  }
}

for await (const line of createInterface({
  input: process.stdin,
  crlfDelay: Infinity,
})) {
  if (line.trim() !== "")
    process.stdout.write(`${JSON.stringify(await answerLine(line))}\n`);
}
