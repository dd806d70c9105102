//! Numbers: the text as written and the double it means.

use super::decimal::long_decimal;
use core::fmt;
use std::borrow::Cow;

/// The greatest integer that I-JSON admits: 2^53 − 1 (RFC 7493 §2.2). Beyond it doubles skip integers.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;
/// Digits of that: an integer without leading zeros that has more is out of range.
const SAFE_DIGITS: usize = 16;
/// A fraction or power of ten up to this length has at most 19 significant digits, which fit into 64 bits.
pub(super) const QUICK_DECIMAL: usize = 20;
const BEYOND: &str = "integer beyond 2^53 - 1";

/// A JSON number: its text as it was written, and its value as a double.
///
/// Two numbers are equal when their values are, however they are written: `1.0` equals `1`, `-0` equals `0`.
#[derive(Clone, Debug)]
pub struct Number<'a> {
    text: Cow<'a, str>,
    value: f64,
}

impl<'a> Number<'a> {
    /// For the parser: `text` follows the grammar of RFC 8259 §6 and `value` is finite and its meaning.
    #[inline]
    pub(super) const fn from_parts(text: &'a str, value: f64) -> Self {
        Self { text: Cow::Borrowed(text), value }
    }

    /// The text as written in the source, or the canonical text when it was made from a value.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value as a double; always finite.
    pub const fn as_f64(&self) -> f64 {
        self.value
    }

    /// The value when it is written as a plain integer within ±(2^53 − 1): no `.`, no exponent. `-0` gives 0.
    pub fn as_i64(&self) -> Option<i64> {
        let value = self.text.parse::<i64>().ok()?;
        is_safe(value).then_some(value)
    }

    /// An integer, when it is within ±(2^53 − 1).
    pub fn from_i64(value: i64) -> Option<Number<'static>> {
        // Within that range the conversion to a double is exact.
        is_safe(value).then(|| Number { text: Cow::Owned(value.to_string()), value: value as f64 })
    }

    /// A double, when it is finite. Its text is that of ECMAScript, as RFC 8785 §3.2.2.3 demands.
    ///
    /// Magnitudes from 2^53 up to 10^21 have the text of an integer that [`parse`](super::parse()) refuses.
    pub fn from_f64(value: f64) -> Option<Number<'static>> {
        value.is_finite().then(|| {
            let text = Cow::Owned(ryu_js::Buffer::new().format_finite(value).to_owned());
            Number { text, value }
        })
    }

    /// Makes the number independent of the source it was read from.
    pub fn into_owned(self) -> Number<'static> {
        Number { text: Cow::Owned(self.text.into_owned()), value: self.value }
    }

    /// Whether the text is already what RFC 8785 writes: true for every plain integer that the parser admits but `-0`.
    pub(super) fn is_canonical_integer(&self) -> bool {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        digits.bytes().all(|byte| byte.is_ascii_digit()) && &*self.text != "-0"
    }
}

/// The value of an integer without leading zeros, or why it is refused.
#[inline]
pub(super) fn integer_value(text: &str) -> Result<f64, &'static str> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.len() > SAFE_DIGITS {
        return Err(BEYOND);
    }
    let magnitude = digits.bytes().fold(0, |value, digit| value * 10 + i64::from(digit & 15));
    if magnitude > MAX_SAFE_INTEGER {
        return Err(BEYOND);
    }
    // Negating the double, not the integer, keeps the sign of `-0`.
    Ok(if negative { -(magnitude as f64) } else { magnitude as f64 })
}

/// The value of a number with a fraction or an exponent, or why it is refused.
///
/// Such a number is a double by its form, whatever its magnitude, and RFC 8785 writes those from 2^53 to 10^21 as integers: their
/// canonical text is one that [`parse`](super::parse()) refuses. Signing such a value therefore needs the non-canonical payload form.
pub(super) fn decimal_value(text: &str) -> Result<f64, &'static str> {
    nearest_double(text).filter(|value| value.is_finite()).ok_or("number too large")
}

/// The double nearest to a number that follows the grammar; `None` or infinite when it is beyond all doubles.
///
/// The standard library takes up to 15 µs over a number that lies beside the middle between two doubles and has more
/// digits than fit into a word; a claim full of those would cost milliseconds. [`long_decimal`] needs less than one.
fn nearest_double(text: &str) -> Option<f64> {
    if text.len() <= QUICK_DECIMAL { text.parse().ok() } else { long_decimal(text) }
}

const fn is_safe(value: i64) -> bool {
    -MAX_SAFE_INTEGER <= value && value <= MAX_SAFE_INTEGER
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Writes [`Number::text`].
impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<i32> for Number<'_> {
    fn from(value: i32) -> Self {
        Number { text: Cow::Owned(value.to_string()), value: f64::from(value) }
    }
}

impl From<u32> for Number<'_> {
    fn from(value: u32) -> Self {
        Number { text: Cow::Owned(value.to_string()), value: f64::from(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        assert_eq!(MAX_SAFE_INTEGER, 9_007_199_254_740_991);
        assert_eq!(
            Number::from_i64(MAX_SAFE_INTEGER).and_then(|number| number.as_i64()),
            Some(MAX_SAFE_INTEGER)
        );
        assert_eq!(
            Number::from_i64(-MAX_SAFE_INTEGER).map(|number| number.as_f64()),
            Some(-9_007_199_254_740_991.0)
        );
        for beyond in [MAX_SAFE_INTEGER + 1, -MAX_SAFE_INTEGER - 1, i64::MAX, i64::MIN] {
            assert_eq!(Number::from_i64(beyond), None);
        }
        assert_eq!(Number::from_parts("-0", -0.0).as_i64(), Some(0));
        for (text, value) in [("1.0", 1.0), ("1e0", 1.0), ("-1E2", -100.0), ("0.5", 0.5)] {
            assert_eq!(Number::from_parts(text, value).as_i64(), None, "{text}");
        }
        assert_eq!(Number::from(-5_i32).as_i64(), Some(-5));
        assert_eq!(Number::from(u32::MAX).text(), "4294967295");
    }

    #[test]
    fn doubles() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Number::from_f64(value), None);
        }
        assert_eq!(Number::from_f64(-0.0).unwrap().to_string(), "0");
        assert_eq!(Number::from_f64(1e21).unwrap().text(), "1e+21");
        assert_eq!(Number::from_f64(1e20).unwrap().text(), "100000000000000000000");
        // Its text is no exact integer, so it must not be taken for one.
        assert_eq!(Number::from_f64(1e17).unwrap().as_i64(), None);
        assert_eq!(Number::from_f64(4.0).unwrap().as_i64(), Some(4));
    }

    #[test]
    fn equal_by_value() {
        assert_eq!(Number::from_parts("1.0", 1.0), Number::from(1));
        assert_eq!(Number::from_parts("-0", -0.0), Number::from(0));
        assert_ne!(Number::from(1), Number::from(2));
    }

    /// Both ways to read a number give the same, also where rounding is hardest.
    fn check_nearest(text: &str) -> Result<(), TestCaseError> {
        let expected = Some(text.parse::<f64>().unwrap()).filter(|value| value.is_finite());
        let long = serde_json::from_str::<f64>(text).ok();
        prop_assert_eq!(long.map(f64::to_bits), expected.map(f64::to_bits), "{}", text);
        prop_assert_eq!(nearest_double(text).filter(|value| value.is_finite()), expected, "{}", text);
        Ok(())
    }

    #[test]
    fn hard_numbers() {
        for text in [
            "1.234567890100000084438752e-290",
            "1.234567890100000114240381e290",
            "2.4703282292062327208828439643411e-324", // half of the least double, cut off
            "2.4703282292062327208828439643412e-324",
            "2.2250738585072011360574097967091e-308", // hung PHP and Java once
            "1.7976931348623157081452742373170e308",
            "1.7976931348623158079372897140530e308", // just below infinity
            "1.7976931348623158079372897140531e308",
            "9007199254740993.0000000000000000",
            "9007199254740993.0000000000000001",
            "0.000000000000000000000000000000e999999999999999999999",
            "-0.0000000000000000000000000000",
            "123456789012345678901234567890e-9999999999999999999999",
            "123456789012345678901234567890e9999999999999999999999",
        ] {
            check_nearest(text).unwrap();
        }
    }

    proptest! {
        #[test]
        fn nearest_of_anything(text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?") {
            check_nearest(&text)?;
        }

        /// The middle between two doubles exactly, and a last digit more or less.
        #[test]
        fn nearest_to_the_middle(bits in 1_u64 << 52..1 << 53, power in 0_u32..24, up: bool, off in -1_i128..=1) {
            let middle = i128::from(bits) * 2 + 1;
            let text = if up {
                format!("{}e0", (middle << power) + off)
            } else {
                format!("{}e-{power}", middle * 5_i128.pow(power) + off)
            };
            check_nearest(&text)?;
        }

        #[test]
        fn text_means_the_value(value in prop::num::f64::ANY) {
            if let Some(number) = Number::from_f64(value) {
                prop_assert_eq!(number.text().parse::<f64>().unwrap(), value);
                prop_assert_eq!(number.clone().into_owned(), number);
            }
        }
    }
}
