//! Money on the wire: decimal strings, held as integers (PROTOCOL §8; BROKER §1). No floats anywhere.

use core::fmt;

/// The digits after the decimal point that an [`Amount`] keeps.
const SCALE: usize = 18;

/// The scale as a factor.
const UNIT: u128 = 1_000_000_000_000_000_000;

/// A non-negative decimal amount, exact to 18 digits after the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The greatest amount.
    pub(crate) const MAX: Self = Self(u128::MAX);

    /// Reads `^(0|[1-9][0-9]{0,20})(\.[0-9]{1,18})?$`; `None` for anything else and for what does not fit.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty()
            || whole.len() > 21
            || leading_zero
            || fraction.len() > SCALE
            || !digits(whole)
            || !digits(fraction)
        {
            return None;
        }
        let fraction: u128 = format!("{fraction:0<SCALE$}").parse().ok()?;
        whole.parse::<u128>().ok()?.checked_mul(UNIT)?.checked_add(fraction).map(Self)
    }

    /// Reads the text of a JSON number exactly, also with an exponent, as other brokers' serialisers write small amounts (`1e-05`).
    pub(crate) fn from_json_number(text: &str) -> Option<Self> {
        let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Self::parse(text) };
        let exponent: i32 = exponent.parse().ok().filter(|exponent| (-40..=40).contains(exponent))?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let point = i32::try_from(whole.len()).ok()? + exponent;
        let (whole, fraction) = match usize::try_from(point) {
            Ok(point) if point <= digits.len() => digits.split_at_checked(point)?,
            Ok(point) => return Self::parse(format!("{digits:0<point$}").trim_start_matches('0')),
            Err(_) => {
                let zeros = usize::try_from(-point).ok()?;
                return Self::parse(format!("0.{}{digits}", "0".repeat(zeros)).trim_end_matches('0'));
            }
        };
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        match fraction.trim_end_matches('0') {
            "" => Self::parse(whole),
            fraction => Self::parse(&format!("{whole}.{fraction}")),
        }
    }

    /// The sum, unless it does not fit.
    pub(crate) const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// What is left, nothing at least.
    pub(crate) const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Amount {
    /// Writes the shortest decimal string, for example `0.001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / UNIT, self.0 % UNIT);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:0>SCALE$}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Whether this names a currency or asset: 2 to 12 characters of `A-Z 0-9`.
pub(crate) fn is_currency(text: &str) -> bool {
    (2..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_exactly() {
        for (text, shown) in [
            ("0", "0"),
            ("0.001", "0.001"),
            ("1.10", "1.1"),
            ("340282366920938463463", "340282366920938463463"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("7.000", "7"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), shown);
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "01",
            "-1",
            "+1",
            "1e3",
            "1,0",
            " 1",
            "0.0000000000000000001",
            "999999999999999999999",
            "0x1",
            "١",
        ] {
            assert_eq!(Amount::parse(bad), None, "{bad}");
        }
        for (text, shown) in [
            ("1e-05", "0.00001"),
            ("1e-2", "0.01"),
            ("1.5e-3", "0.0015"),
            ("12.5E1", "125"),
            ("1e3", "1000"),
            ("0.01", "0.01"),
            ("25e-1", "2.5"),
            ("0e0", "0"),
        ] {
            assert_eq!(Amount::from_json_number(text).unwrap().to_string(), shown, "{text}");
        }
        for bad in ["-1e-2", "1e-19", "1e30", "1e999999999999"] {
            assert_eq!(Amount::from_json_number(bad), None, "{bad}");
        }
        assert!(Amount::parse("0.0011").unwrap() > Amount::parse("0.001").unwrap());
    }
}
