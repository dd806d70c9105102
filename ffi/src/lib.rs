//! The C ABI of IMAGXP (DESIGN §4): "convert, call, convert", nothing else. The documentation for users is `include/imagxp.h`,
//! which `tests/header.rs` generates from the comments in these files.
//!
//! How C pointers are held, so that almost nothing here is `unsafe`:
//!
//! - `Option<&T>` is a handle that is read, `Option<&mut T>` one that is changed, `Option<Box<T>>` one that is freed: NULL is `None`.
//! - `Option<&mut MaybeUninit<T>>` is an output; it is written on success only (`handle::give`).
//! - `imagxp_slice<'_>` is borrowed memory; its lifetime is the call's, and safe Rust cannot make one that dangles.
//! - What C must promise for all of them is written at the top of the header.

#![expect(
    unsafe_code,
    reason = "this crate is where C's promises become Rust's types; each block says which promise"
)]
#![expect(non_camel_case_types, reason = "the names are C's")]

pub mod address;
pub mod agent_id;
pub mod audit;
#[cfg(feature = "full")]
pub mod batch;
mod boundary;
pub mod bytes;
pub mod content_origin;
pub mod digest;
#[cfg(feature = "full")]
pub mod discovery;
pub mod error;
#[cfg(feature = "full")]
pub mod evidence;
#[cfg(feature = "full")]
pub mod explain;
#[cfg(feature = "full")]
pub mod feedback;
mod handle;
pub mod headers;
#[cfg(feature = "full")]
pub mod identity;
#[cfg(feature = "full")]
pub mod json;
#[cfg(feature = "full")]
pub mod key;
pub mod manifest;
pub mod need;
pub mod options;
pub mod policy;
#[cfg(feature = "full")]
pub mod policy_text;
#[cfg(feature = "full")]
pub mod provenance;
pub mod public_key;
pub mod publisher;
pub mod purpose;
mod random;
pub mod rate;
#[cfg(feature = "full")]
pub mod redemption;
pub mod replay;
pub mod request;
#[cfg(feature = "full")]
pub mod sign;
pub mod status;
pub mod token;
pub mod verdict;
pub mod version;
#[cfg(feature = "full")]
pub mod visa;
