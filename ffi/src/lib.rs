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
pub mod audit;
mod boundary;
pub mod bytes;
pub mod digest;
pub mod discovery;
pub mod error;
pub mod feedback;
mod handle;
pub mod headers;
pub mod identity;
pub mod json;
pub mod key;
pub mod manifest;
pub mod need;
pub mod options;
pub mod policy;
pub mod provenance;
pub mod public_key;
pub mod publisher;
pub mod purpose;
pub mod rate;
pub mod replay;
pub mod request;
pub mod sign;
pub mod status;
pub mod token;
pub mod verdict;
pub mod version;
pub mod visa;
