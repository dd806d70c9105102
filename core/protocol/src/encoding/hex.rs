//! Hex, two digits a byte (PROTOCOL §3).

/// Encodes lower-case hex, two digits per byte.
pub fn hex_encode(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 15].map(|value| hex_digit(value) as u8);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes exactly `2 * N` hex digits of either case (PROTOCOL §3); anything else is `None`.
pub fn hex_decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    let (eights, rest) = text.as_chunks::<8>();
    let (fours, last) = bytes.as_chunks_mut::<4>();
    let mut marks = 0;
    for (digits, four) in eights.iter().zip(fours) {
        let values = nibbles(*digits);
        marks |= values;
        // Two values to a byte, two bytes to two, and two of these to four.
        let values = (values >> 4 | values) & 0x00ff_00ff_00ff_00ff;
        let values = (values >> 8 | values) & 0x0000_ffff_0000_ffff;
        *four = ((values >> 16 | values) as u32).to_be_bytes();
    }
    let mut all = if marks & NO_NIBBLES == 0 { 0 } else { NO_NIBBLE };
    for (byte, [high, low]) in last.iter_mut().zip(rest.as_chunks::<2>().0) {
        let (high, low) = (nibble(*high), nibble(*low));
        all |= high | low;
        *byte = high << 4 | low & 15;
    }
    (all < NO_NIBBLE).then_some(bytes)
}

/// The value of one hex digit of either case.
pub(crate) const fn hex_value(digit: u8) -> Option<u8> {
    match nibble(digit) {
        NO_NIBBLE => None,
        value => Some(value),
    }
}

/// What [`nibble`] says of a byte that is no hex digit: a bit that no value has, so that several can be checked together.
pub(crate) const NO_NIBBLE: u8 = 0x10;

/// The value of one hex digit of either case, or [`NO_NIBBLE`].
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there is an entry for each byte")]
pub(crate) const fn nibble(digit: u8) -> u8 {
    const NIBBLES: [u8; 256] = {
        let mut table = [NO_NIBBLE; 256];
        let mut digit = 0;
        while digit < 128 {
            table[digit as usize] = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                b'A'..=b'F' => digit - b'A' + 10,
                _ => NO_NIBBLE,
            };
            digit += 1;
        }
        table
    };
    NIBBLES[digit as usize]
}

/// [`NO_NIBBLE`] in eight bytes, or in some of them.
const NO_NIBBLES: u64 = NO_NIBBLE as u64 * ONES;
const ONES: u64 = 0x0101_0101_0101_0101;

/// [`nibble`] of eight digits at once, the first one in the highest byte; `NO_NIBBLE` comes with any value.
#[inline(always)]
const fn nibbles(digits: [u8; 8]) -> u64 {
    let word = u64::from_be_bytes(digits);
    let low = word & (0x7f * ONES);
    // The high bit of each byte says whether it is at least `from` and below `to`; no sum reaches the next byte.
    const fn within(low: u64, from: u8, to: u8) -> u64 {
        (low + (0x80 - from as u64) * ONES) & !(low + (0x80 - to as u64) * ONES)
    }
    let number = within(low, b'0', b'9' + 1);
    let letter = within(low | (0x20 * ONES), b'a', b'f' + 1);
    let bad = !(number | letter) | word;
    // A letter's low bits are 9 less than its value.
    ((word & (0x0f * ONES)) + ((letter & (0x80 * ONES)) >> 7) * 9) | ((bad & (0x80 * ONES)) >> 3)
}

/// The lower-case digit of a value below 16.
pub(crate) const fn hex_digit(value: u8) -> char {
    (if value < 10 { b'0' + value } else { b'a' + value - 10 }) as char
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eight_nibbles_are_as_listed() {
        for digit in 0..=255_u8 {
            for place in 0..8 {
                let mut digits = *b"09afAF4c";
                digits[place] = digit;
                let values = nibbles(digits).to_be_bytes();
                for (value, digit) in values.iter().zip(digits) {
                    match nibble(digit) {
                        NO_NIBBLE => assert!(value & NO_NIBBLE != 0, "{digit}"),
                        expected => assert_eq!(*value, expected, "{digit}"),
                    }
                }
            }
        }
    }

    #[test]
    fn hex() {
        assert_eq!(hex_encode(&[]), "");
        assert_eq!(hex_encode(&[0x00, 0x09, 0xaf, 0xff]), "0009afff");
        assert_eq!(hex_decode(b"0009aFfF"), Some([0x00, 0x09, 0xaf, 0xff]));
        assert_eq!(hex_decode::<0>(b""), Some([]));
        for text in [
            "0", "000", "0g", "g0", "0x", " 0", "0 ", "+0", "-1", "00 ", "0\u{e9}", "", "0000", ":0", "@0",
            "`0", "/0",
        ] {
            assert_eq!(hex_decode::<1>(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn hex_round_trip(bytes: [u8; 64]) {
            let text = hex_encode(&bytes);
            prop_assert_eq!(hex_decode(text.as_bytes()), Some(bytes));
            prop_assert_eq!(hex_decode(text.to_uppercase().as_bytes()), Some(bytes));
            prop_assert_eq!(hex_decode::<63>(text.as_bytes()), None);
        }
    }
}
