//! What a crawler does: hold an identity, sign its requests, pay for what it reads and change its keys (PROTOCOL §§1–4, 8).

pub mod assertion;
mod identity;
pub mod offer;
pub mod reader;
pub mod rotation;
mod sign;
mod site;
pub mod spend;
pub mod token_request;
pub mod visit;
pub mod wallet;

pub use identity::Identity;
pub use sign::{SignRequest, SignRequestOf, SignedHeaders};
