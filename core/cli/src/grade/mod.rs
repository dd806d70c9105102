//! The conformance grader: cases against somebody's implementation over HTTP, and a report with reasons (docs/grader.md).
//!
//! `wire` is HTTP without a library's opinion, because half of the cases are what no client library would send; `verifier` plays the
//! agents and a broker, `signer` plays a site.

pub(crate) mod report;
pub(crate) mod signer;
pub(crate) mod verifier;
mod wire;

pub(crate) use wire::{Roots, Site};
