//! `numeric` on the wire: digits of base 10 000 (PostgreSQL, `src/backend/utils/adt/numeric.c`, numeric_recv).

const BASE: u128 = 10_000;
const POSITIVE: u16 = 0;

/// A number without a fraction, as PostgreSQL reads it.
pub(super) fn write(number: u128, out: &mut Vec<u8>) {
    let mut digits = Vec::new();
    let mut rest = number;
    while rest > 0 {
        digits.push(u16::try_from(rest % BASE).unwrap_or_default());
        rest /= BASE;
    }
    let count = u16::try_from(digits.len()).unwrap_or_default();
    for word in [count, count.saturating_sub(1), POSITIVE, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// Reads a number that is not negative and has no fraction; `None` for any other.
pub(super) fn read(bytes: &[u8]) -> Option<u128> {
    let (words, []) = bytes.as_chunks::<2>() else { return None };
    let words: Vec<u16> = words.iter().map(|word| u16::from_be_bytes(*word)).collect();
    let [count, weight, sign, _scale, digits @ ..] = words.as_slice() else { return None };
    if *sign != POSITIVE || digits.len() != usize::from(*count) {
        return None;
    }
    if digits.is_empty() {
        return Some(0);
    }
    // Trailing zeros are not sent.
    let places = usize::from(*weight) + 1;
    if digits.len() > places || places > 10 {
        return None;
    }
    let mut number = 0_u128;
    for place in 0..places {
        let digit = digits.get(place).copied().unwrap_or(0);
        number = number.checked_mul(BASE)?.checked_add(digit.into())?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for number in [0, 1, 9_999, 10_000, 10_001, 50_000_000, 123_456_789_012_345, u128::MAX] {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            assert_eq!(read(&bytes), Some(number));
        }
        // As PostgreSQL sends 20 000: one digit of weight one.
        assert_eq!(read(&[0, 1, 0, 1, 0, 0, 0, 0, 0, 2]), Some(20_000));
        for bad in
            [&[0, 1, 0, 1, 0x40, 0, 0, 0, 0, 2][..], &[0, 2, 0, 0, 0, 0, 0, 4, 0, 2, 0, 1], &[0, 1], &[]]
        {
            assert_eq!(read(bad), None);
        }
    }
}
