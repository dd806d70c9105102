//! What an operator can set, and the times that are fixed (BROKER §2).

use crate::asset::Assets;
use crate::refusal::{Refusal, RefusalCode};

/// How long after `exp` a visa may still be redeemed, in milliseconds.
pub const EXPIRY_GRACE_MS: i64 = 60_000;
/// How long feedback is waited for, in milliseconds after the redemption.
pub const FEEDBACK_WINDOW_MS: i64 = 24 * 3_600_000;
/// How long a publisher may contest, in milliseconds after the money was withheld.
pub const CONTEST_WINDOW_MS: i64 = 72 * 3_600_000;
/// The longest life of a visa, in seconds.
pub const MAX_LIFETIME_S: u32 = 3600;
/// How far apart the clocks of two servers may be, in milliseconds, without a name counting twice.
pub const CLOCK_SKEW_MS: i64 = 48 * 3_600_000;

/// How far a clock may be ahead of the log's last entry, in milliseconds, before an operator has to say that it is right.
pub const CLOCK_AHEAD_MS: i64 = 7 * 24 * 3_600_000;
/// How long the log may be without an entry before the time is noted, in milliseconds.
pub const NOTE_EVERY_MS: i64 = 24 * 3_600_000;
/// How long a dispute of the log's time waits for the second operator, in milliseconds.
pub const DISPUTE_MS: i64 = 24 * 3_600_000;

/// What an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The assets.
    pub assets: Assets,
    /// The fee on what a publisher earns, in ten-thousandths, 10 000 at most; a visa keeps the fee of its issue.
    pub fee_bps: u16,
}

impl Default for Rules {
    /// `USD` with six digits, 2 %.
    fn default() -> Self {
        Self { assets: Assets::default(), fee_bps: 200 }
    }
}

impl Rules {
    /// Refuses what nobody can mean: a fee of more than everything. Refusal: `amount.range`.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.fee_bps > 10_000 {
            return Err(Refusal::new(RefusalCode::AmountRange, "a fee is at most 10000 ten-thousandths"));
        }
        Ok(())
    }
}
