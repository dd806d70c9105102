//! Money as integers: base units of an asset (BROKER §1). No floats anywhere.

use crate::refusal::{Refusal, RefusalCode};
use core::fmt;

/// The most digits after the point that any asset has.
pub const MAX_SCALE: u8 = 18;

/// The most digits before the point that are read.
const MAX_WHOLE: usize = 21;

/// A number of base units. What a unit is worth is its asset's scale: at scale 6, one unit is 0.000001.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that can be said.
    pub const MAX: Self = Self(u128::MAX);

    /// So many base units.
    pub const fn from_units(units: u128) -> Self {
        Self(units)
    }

    /// The base units.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads the wire form `^(0|[1-9][0-9]{0,20})(\.[0-9]{1,18})?$` with at most `scale` digits after the point.
    ///
    /// Refusals: `amount.malformed`; `amount.range` when it does not fit 128 bits.
    pub fn from_decimal(text: &str, scale: u8) -> Result<Self, Refusal> {
        let malformed = || {
            Refusal::new(
                RefusalCode::AmountMalformed,
                format!("an amount is a decimal string with at most {scale} digits after the point"),
            )
        };
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(malformed()),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let scale = usize::from(scale.min(MAX_SCALE));
        if whole.is_empty()
            || whole.len() > MAX_WHOLE
            || (whole.len() > 1 && whole.starts_with('0'))
            || fraction.len() > scale
            || !digits(whole)
            || !digits(fraction)
        {
            return Err(malformed());
        }
        format!("{whole}{fraction:0<scale$}")
            .parse()
            .map(Self)
            .map_err(|_| Refusal::new(RefusalCode::AmountRange, "the amount is too large"))
    }

    /// Writes the shortest wire form at this scale, for example `0.001`.
    ///
    /// Sums of an asset of scale 0 can have more digits before the point than [`Amount::from_decimal`] reads.
    pub fn to_decimal(self, scale: u8) -> String {
        let scale = usize::from(scale.min(MAX_SCALE));
        let digits = format!("{:0>width$}", self.0, width = scale.saturating_add(1));
        let (whole, fraction) =
            digits.split_at_checked(digits.len().saturating_sub(scale)).unwrap_or_default();
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }

    /// The sum. Refusal: `amount.range`.
    pub fn checked_add(self, other: Self) -> Result<Self, Refusal> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or_else(|| Refusal::new(RefusalCode::AmountRange, "the account's total would be too large"))
    }

    /// The difference; `None` when it would be negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// So many ten-thousandths of it, rounded down; exact also where the product would not fit. More than all of it is all of it.
    pub fn basis_points(self, bps: u16) -> Self {
        const WHOLE: u128 = 10_000;
        let bps = u128::from(bps).min(WHOLE);
        let (quotient, rest) = (self.0 / WHOLE, self.0 % WHOLE);
        // q·b ≤ the amount, and r·b < 10^8.
        let whole = quotient.saturating_mul(bps);
        Self(whole.saturating_add(rest.saturating_mul(bps) / WHOLE))
    }

    /// The 16 bytes, most significant first: they sort as the numbers do.
    pub const fn to_be_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The amount of [`Amount::to_be_bytes`].
    pub const fn from_be_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let canonical = text == "0" || !text.starts_with(['0', '+']);
        text.parse().ok().filter(|_| canonical).map(Self).ok_or_else(|| RefusalCode::AmountMalformed.into())
    }
}

impl fmt::Display for Amount {
    /// Writes the base units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

crate::text::by_text!(Amount);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, scale, units, shown) in [
            ("0", 6, 0, "0"),
            ("0.001", 6, 1_000, "0.001"),
            ("1.10", 6, 1_100_000, "1.1"),
            ("7", 0, 7, "7"),
            (
                "340282366920938463463.374607431768211455",
                18,
                u128::MAX,
                "340282366920938463463.374607431768211455",
            ),
            ("999999999999999999999", 0, 999_999_999_999_999_999_999, "999999999999999999999"),
        ] {
            let amount = Amount::from_decimal(text, scale).unwrap();
            assert_eq!((amount.units(), amount.to_decimal(scale).as_str()), (units, shown));
            assert_eq!(Amount::from_be_bytes(amount.to_be_bytes()), amount);
            assert_eq!(
                serde_json::from_str::<Amount>(&serde_json::to_string(&amount).unwrap()).unwrap(),
                amount
            );
        }
        for (text, scale) in [
            ("", 6),
            (".", 6),
            ("1.", 6),
            (".5", 6),
            ("01", 6),
            ("-1", 6),
            ("+1", 6),
            ("1e3", 6),
            ("1.e3", 6),
            ("1.0x", 6),
            ("1,0", 6),
            (" 1", 6),
            ("0.0000001", 6),
            ("1.0", 0),
            ("1000000000000000000000", 0),
            ("0x1", 6),
            ("١", 6),
            ("00", 6),
            ("NaN", 6),
        ] {
            assert_eq!(
                Amount::from_decimal(text, scale).unwrap_err().code(),
                RefusalCode::AmountMalformed,
                "{text}"
            );
        }
        assert_eq!(
            Amount::from_decimal("340282366920938463463.374607431768211456", 18).unwrap_err().code(),
            RefusalCode::AmountRange
        );
        assert_eq!(Amount::MAX.checked_add(Amount(1)).unwrap_err().code(), RefusalCode::AmountRange);
        assert!(serde_json::from_str::<Amount>("5").is_err(), "JSON numbers are no amounts");
        assert!(serde_json::from_str::<Amount>("\"05\"").is_err());
    }

    #[test]
    fn fees_round_down_and_never_overflow() {
        for (units, bps, fee) in [
            (0, 200, 0),
            (49, 200, 0),
            (50, 200, 1),
            (99, 200, 1),
            (100, 200, 2),
            (10_000, 200, 200),
            (10_049, 200, 200),
            (1, 10_000, 1),
            (1, 65_535, 1),
            (u128::MAX, 10_000, u128::MAX),
            (u128::MAX, 0, 0),
            (u128::MAX, 200, u128::MAX / 50),
        ] {
            assert_eq!(Amount(units).basis_points(bps).units(), fee, "{units} {bps}");
        }
        for units in (0..100_000_u128).step_by(37) {
            for bps in [1, 199, 200, 3_333, 9_999] {
                assert_eq!(Amount(units).basis_points(bps).units(), units * u128::from(bps) / 10_000);
            }
        }
    }
}
