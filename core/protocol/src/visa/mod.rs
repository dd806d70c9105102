//! Visas and ad proofs: a third party's word, as a compact JWS, that a request is paid for (PROTOCOL §8).

mod claims;
mod issue;
mod presented;
mod redeemed;
mod seen;
mod verify;

pub(crate) use claims::TokenClaims;
pub use issue::{NewVisa, issue};
pub use presented::{MAX_PRESENTED, Presented, redeem_body};
pub use redeemed::{Redeemed, read_redeemed};
pub(crate) use seen::{Opened, SeenTokens};
pub(crate) use verify::{Checked, Expectation, Refused, TokenKind, accept, open, read_issuer};

/// The `typ` of a visa; plain `JWT` is accepted too.
pub const VISA_TYP: &str = "imagxp-visa+jwt";
/// The `typ` of an ad proof.
pub const AD_PROOF_TYP: &str = "imagxp-adproof+jwt";
/// The longest life of a token, in seconds.
pub const MAX_LIFETIME_S: i64 = 3600;
/// How far the issuer's clock may be off, in seconds.
pub const LEEWAY_S: i64 = 5;
/// The most uses that a token may grant.
pub const MAX_USES: u32 = 1_000_000;
