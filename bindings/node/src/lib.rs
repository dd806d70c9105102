//! The addon of the npm package `imagxp`: convert, call, convert.
//!
//! Nothing here decides anything: values of JavaScript become values of the crate [`imagxp`], one function of it is called, and the
//! result becomes values of JavaScript again. One file per noun, with the core's names. `index.d.ts` is generated from this crate.

#![expect(
    unsafe_code,
    reason = "conversions between JavaScript's values and Rust's are `unsafe` traits of napi; each value is used on the thread it came from"
)]

pub mod address;
pub mod agent;
pub mod agent_id;
pub mod assertion;
pub mod audit;
#[cfg(feature = "bench")]
pub mod bench;
pub mod boundary;
pub mod broker;
pub mod claim;
pub mod code;
pub mod digest;
pub mod discovery;
mod dotenv;
mod errors;
pub mod explain;
pub mod feedback;
pub mod fetcher;
pub mod headers;
pub mod host;
pub mod identity;
pub mod js;
pub mod json;
pub mod jwks;
pub mod key;
pub mod key_file;
mod lane;
pub mod limits;
pub mod manifest;
pub mod offer;
pub mod options;
pub mod policy;
pub mod presented;
pub mod provenance;
pub mod publisher;
pub mod purpose;
pub mod redeemer;
mod redemption;
pub mod replay;
pub mod replay_stores;
mod request;
pub mod resolver;
pub mod rotation;
pub mod sign;
mod signer;
pub mod time;
pub mod token;
pub mod verdict;
pub mod verification;
pub mod visa;
pub mod visit;
pub mod wallet;
mod worker;
