//! What an agent may spend, and what it has spent (PROTOCOL §8): caps in exact money, reservations, and an end for each of them.
//!
//! Money leaves in three steps. [`Spend::reserve`] holds the caps against the price and sets it aside, durably, *before* a broker is
//! asked. The broker is asked. [`Spend::settle`] says how it ended: spent, released (certainly not paid), or unknown. What is unknown
//! counts as spent, and it is never begun again: the next reservation at that broker for that publisher returns the *old* purchase, to be
//! asked about under its own `Idempotency-Key`.

mod caps;
mod ledger;
mod purchase;
mod state;
mod store;

pub use caps::Caps;
pub use ledger::Spend;
pub use purchase::{Open, Phase, Purchase, RECONCILE_S, Reserved, Settlement};
pub use store::{MemorySpend, SpendStore};
