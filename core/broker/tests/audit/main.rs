//! The audit finds each kind of fault in the rows, and none where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod changed;
#[path = "../common/mod.rs"]
mod common;
mod operators;
#[path = "../rows/mod.rs"]
mod rows;
mod spoil;
