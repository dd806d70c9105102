//! The WebAssembly module of `@imagxp/edge`: convert, call, convert.
//!
//! Nothing here decides anything: values of JavaScript become values of the crate [`imagxp`], one function of it is called, and the
//! result becomes values of JavaScript again. One file per noun, with the core's names. What waits (fetches, stores, WebCrypto) is in
//! `ts/`, which drives this.
//!
//! A panic here is a trap: it ends the instance, and `ts/instance.ts` makes a new one. Nothing that a stranger sends may cause one.

#![allow(unsafe_code, reason = "what the macros of wasm-bindgen write; nothing here says `unsafe`")]
#![allow(unreachable_pub, reason = "wasm-bindgen exports what is `pub`; nobody links to this crate")]

mod address;
mod agent_id;
mod assertion;
mod audit;
mod boundary;
mod cache_control;
mod callback;
mod claim;
mod code;
mod digest;
mod discovery;
mod errors;
mod explain;
mod feedback;
mod headers;
mod identity;
mod json;
mod jwks;
mod key;
mod manifest;
mod offer;
mod options;
mod policy;
mod prepared;
mod provenance;
mod publisher;
mod purpose;
mod redemption;
mod replay;
mod request;
mod sign;
mod time;
mod token;
mod types;
mod verdict;
mod verification;
mod visa;

use wasm_bindgen::prelude::*;

/// The version of this library, the same in every language.
#[wasm_bindgen]
pub fn version() -> String {
    imagxp::VERSION.to_owned()
}
