//! A broker's client (BROKER §§2–3): an agent buys visas and says what they were worth, a publisher redeems them, both read their
//! accounts, operators book deposits.
//!
//! Requests go through the guarded [`crate::Fetcher`], signed by the caller's own identity. Whatever changes something carries an
//! `Idempotency-Key` that stays the same over retries: an answer that was lost is asked for again, and nothing is paid twice.

mod bond;
mod client;
mod confirm;
mod error;
mod log;
mod money;
mod redeemer;
mod retry;
mod send;
mod visa;

pub use bond::Bond;
pub use client::{BrokerClient, Endpoints, read_issuer};
pub use error::BrokerError;
pub use imagxp::visa::{Presented, Redeemed};
pub use money::Period;
pub use redeemer::{Outcome, Redeemer, RedeemerOptions, Tally};
pub use visa::Want;
