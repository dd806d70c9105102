// `@imagxp/edge`: everything of the core, and the verifier for Web `Request`s.

export * from "./core.js";
export { ImagxpError } from "./errors.js";
export type { DocumentStore } from "./documents.js";
export type { ReplayStore } from "./replay.js";
export { verdictOf, Verifier, WELL_KNOWN_PATH } from "./verifier.js";
export type { Context, Next, OnFeedback, OnReceipt, OnVisa, Redeem, SiteIdentity, VerifierOptions } from "./verifier.js";
