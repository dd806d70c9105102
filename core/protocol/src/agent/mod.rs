//! What a crawler does: hold an identity, sign its requests, pay for what it reads and change its keys (PROTOCOL §§1–4, 8).

mod identity;
pub mod offer;
pub mod rotation;
mod sign;
pub mod spend;
pub mod visit;

pub use identity::Identity;
pub use sign::{SignRequest, SignedHeaders};
