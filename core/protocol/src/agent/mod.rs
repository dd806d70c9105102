//! What a crawler does: hold an identity and sign its requests (PROTOCOL §§1–3).

mod identity;
mod sign;

pub use identity::Identity;
pub use sign::{SignRequest, SignedHeaders};
