//! What verification costs. `make bench` runs these rows by turns with their peers (`run.py`); `benches/rows.rs` runs each alone;
//! `scripts/instructions.py` counts their instructions.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a benchmark may panic"
)]

mod refuse;
mod replay;
mod sign;
mod simulate;
mod verify;
pub mod worker;
pub mod world;

pub use simulate::{REPORTS, report};
pub use verify::Site;
use worker::Rows;

/// Every row.
pub fn rows() -> Rows {
    let mut rows = Rows::default();
    verify::add(&mut rows);
    refuse::add(&mut rows);
    sign::add(&mut rows);
    rows
}
