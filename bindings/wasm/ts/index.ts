// `@imagxp/edge`: everything of the core, and the verifier for Web `Request`s.

import module from "#load";
import { __wbg_reset_state, initSync } from "../generated/imagxp.js";
import { replaceWith } from "./instance.js";

initSync({ module });
replaceWith(__wbg_reset_state);

export * from "./core.js";
export { ImagxpError } from "./errors.js";
export type { DocumentStore } from "./documents.js";
export type { ReplayStore } from "./replay.js";
export { verdictOf, Verifier, WELL_KNOWN_PATH } from "./verifier.js";
export type { Context, Next, OnFeedback, OnReceipt, Redeem, SiteIdentity, VerifierOptions } from "./verifier.js";
