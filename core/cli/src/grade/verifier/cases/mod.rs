//! The cases, by topic and in the order of PROTOCOL §5.

mod binding;
mod claim;
mod good;
mod header;
mod identity;
mod json;
mod payment;
mod policy;
mod replay;
mod signature;
mod time;
mod token;

use super::Case;

/// Every case. Later ones may rely on what earlier ones have made the site learn, never the other way round.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    [
        good::CASES,
        header::CASES,
        json::CASES,
        claim::CASES,
        time::CASES,
        replay::CASES,
        binding::CASES,
        identity::CASES,
        signature::CASES,
        policy::CASES,
        payment::CASES,
        token::CASES,
    ]
    .into_iter()
    .flatten()
}
