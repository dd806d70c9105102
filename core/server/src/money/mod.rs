//! Money in, money out, and where it is (BROKER §1).

pub(crate) mod account;
pub(crate) mod bond;
mod booking;
pub(crate) mod correction;
pub(crate) mod deposit;
pub(crate) mod overview;
pub(crate) mod payment;
pub(crate) mod statement;
pub(crate) mod transfers;
pub(crate) mod withdrawal;
