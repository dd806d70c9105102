//! A seeded, deterministic world: one broker, three publishers and five agents on a bad network, among thieves.
//!
//! The broker is `imagxp-broker` on its store in memory, publishers and agents are the core. Messages are lost, late and doubled, nodes are
//! cut off, restarted and given wrong clocks, and a thief hears everything: it replays requests, shows others' visas, presents what was
//! presented, forges names and judgements. After each step the invariants of nonces and money are checked by a witness that knows
//! what really happened. A seed gives the same world, byte for byte.

#![forbid(unsafe_code)]

mod agent;
mod broker;
mod fault;
mod manner;
mod message;
mod network;
mod payment;
mod people;
mod presentation;
mod publisher;
mod random;
mod thief;
mod witness;
mod world;

pub use fault::Fault;
pub use world::{Story, live};
