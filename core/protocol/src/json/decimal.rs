//! The double nearest to a decimal of many digits, in time that hostile digits cannot stretch.

use core::cmp::Ordering;

/// So many digits fit into 64 bits, which the standard library reads without detours.
const WORD_DIGITS: u32 = 19;
/// So many fit into 128 bits. Our limits admit 32 bytes; longer numbers come from documents of one's own.
const MOST_DIGITS: u32 = 38;
/// The greatest power of five below 2^64.
const FIVES: u32 = 27;

/// The double nearest to a number that follows the grammar of RFC 8259 §6, ties to even; infinite beyond all doubles.
///
/// The first digits give the double itself or the one below; integers decide which.
pub(super) fn long_decimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = integer.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0');
    let (mut number, mut length) = (0_u128, 0_u32);
    for digit in digits {
        number = number.wrapping_mul(10).wrapping_add(u128::from(digit & 15));
        length += 1;
    }
    if length <= WORD_DIGITS || length > MOST_DIGITS {
        return text.parse().ok();
    }
    // An exponent that is no i32 leads beyond all doubles, or to zero, as this one does.
    let far = if exponent.starts_with('-') { i32::MIN / 2 } else { i32::MAX / 2 };
    let exponent = exponent.parse().unwrap_or(far).clamp(i32::MIN / 2, i32::MAX / 2)
        - i32::try_from(fraction.len()).ok()?;
    let cut = length - WORD_DIGITS;
    let first = number / 10_u128.pow(cut);
    let below: f64 = format!("{first}e{}", exponent + i32::try_from(cut).ok()?).parse().ok()?;
    let bits = below.to_bits();
    let order = if below.is_finite() && is_near(exponent) {
        beside_middle(number, exponent, bits)
    } else {
        Ordering::Less
    };
    let nearest = f64::from_bits(match order {
        Ordering::Less => bits,
        Ordering::Equal => bits + (bits & 1),
        Ordering::Greater => bits + 1,
    });
    Some(if negative { -nearest } else { nearest })
}

/// Whether a number of [`MOST_DIGITS`] digits with this exponent can be anything but zero or infinite.
const fn is_near(exponent: i32) -> bool {
    -400 < exponent && exponent < 400
}

/// Compares `number` · 10^`exponent` with the middle between a double and the one above.
fn beside_middle(number: u128, exponent: i32, bits: u64) -> Ordering {
    let fraction = bits & ((1 << 52) - 1);
    let (significand, power) = match (bits >> 52) as i32 {
        0 => (fraction, -1074),
        biased => (fraction | 1 << 52, biased - 1075),
    };
    let mut decimal = vec![number as u64, (number >> 64) as u64];
    let mut middle = vec![2 * significand + 1];
    multiply_by_fives(if exponent < 0 { &mut middle } else { &mut decimal }, exponent.unsigned_abs());
    let twos = exponent - (power - 1);
    shift(if twos < 0 { &mut middle } else { &mut decimal }, twos.unsigned_abs());
    compare(&decimal, &middle)
}

/// Multiplies by 5 so many times; words with the least first.
fn multiply_by_fives(words: &mut Vec<u64>, mut times: u32) {
    while times > 0 {
        let now = times.min(FIVES);
        let factor = u128::from(5_u64.pow(now));
        let mut carry = 0;
        for word in words.iter_mut() {
            let product = u128::from(*word) * factor + carry;
            *word = product as u64;
            carry = product >> 64;
        }
        words.push(carry as u64);
        times -= now;
    }
}

/// Multiplies by 2 so many times.
fn shift(words: &mut Vec<u64>, times: u32) {
    let mut carry = 0;
    for word in words.iter_mut() {
        let shifted = u128::from(*word) << (times % 64) | carry;
        *word = shifted as u64;
        carry = shifted >> 64;
    }
    words.push(carry as u64);
    words.splice(..0, core::iter::repeat_n(0, (times / 64) as usize));
}

fn compare(left: &[u64], right: &[u64]) -> Ordering {
    let (left, right) = (without_leading_zeros(left), without_leading_zeros(right));
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn without_leading_zeros(mut words: &[u64]) -> &[u64] {
    while let [rest @ .., 0] = words {
        words = rest;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every power of two from the least double to the greatest, its neighbours and the middles between them, cut to 36 digits.
    #[test]
    fn like_the_standard_library() {
        for exponent in -1074..1024 {
            let power = if exponent < -1022 {
                f64::from_bits(1 << (exponent + 1074))
            } else {
                f64::from_bits(u64::from((exponent + 1023) as u32) << 52)
            };
            for value in [power, power.next_up(), power.next_down()] {
                for digits in [20, 25, 30, 35] {
                    let text = format!("{value:.digits$e}");
                    assert_eq!(long_decimal(&text), text.parse().ok(), "{text}");
                    let (mantissa, rest) = text.split_once('e').unwrap();
                    for last in ["1", "5", "9"] {
                        let text = format!("{mantissa}{last}e{rest}");
                        assert_eq!(long_decimal(&text), text.parse().ok(), "{text}");
                    }
                }
            }
        }
    }
}
