//! The Rust half of the Swift package `Imagxp`: convert, call, convert.
//!
//! Nothing here decides anything: values of Swift become values of the crate [`imagxp`], one function of it is called, and the result
//! becomes values of Swift again. One file per noun, with the core's names. uniffi writes the C header and the Swift half of these
//! declarations (`generate`); what only Swift can say, `URLRequest` for example, is written by hand in `Sources/Imagxp`.

mod address;
mod agent;
mod agent_id;
mod assertion;
mod audit;
mod boundary;
mod claim;
mod code;
mod digest;
mod discovery;
mod error;
mod explain;
mod feedback;
mod headers;
mod identity;
mod json;
mod jwks;
mod key;
mod key_file;
mod limits;
mod manifest;
mod offer;
mod policy;
mod provenance;
mod publisher;
mod purpose;
mod replay;
mod request;
mod sign;
mod signer;
mod time;
mod token;
mod verdict;
mod verification;
mod visa;
mod wallet;

uniffi::setup_scaffolding!("imagxp");
