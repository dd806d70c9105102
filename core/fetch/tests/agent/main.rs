//! An agent reads from a real publisher and pays a real broker, all on loopback. Each test asserts exactly what was sent.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod pay;
mod receipts;
mod redirects;
mod sites;
mod town;
