//! What a publisher must stand for long: wrong clocks, floods of nonces, inputs that grow, and memory that runs out.
//!
//! The long forms are `make soak`'s: `IMAGXP_CLOCK_DAYS`, `IMAGXP_FLOOD`, `IMAGXP_SPREADS`, `IMAGXP_EXHAUSTION` (scripts/soak.sh).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[path = "../common/allocator.rs"]
mod allocator;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod doubling;
mod exhaustion;
mod floods;
mod parsers;
mod report;
