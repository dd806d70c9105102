//! Visas, from issue to settlement (BROKER §2).

pub(crate) mod dispute;
pub(crate) mod feedback;
pub(crate) mod issue;
pub(crate) mod purchase;
pub(crate) mod read;
pub(crate) mod redeem;
pub(crate) mod token;
