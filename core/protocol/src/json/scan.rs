//! Finding the end of plain string text quickly; shared by the parser and the canonical writer.

const WORD: usize = size_of::<u64>();
const ONES: u64 = u64::from_ne_bytes([0x01; WORD]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; WORD]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; WORD]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; WORD]);
const SPACES: u64 = u64::from_ne_bytes([b' '; WORD]);

/// How many bytes at the beginning are neither `"` nor `\` nor a control character below U+0020.
///
/// The same bytes end a run when reading (RFC 8259 §7) and when writing canonically (RFC 8785 §3.2.2.2).
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    let mut words = bytes.chunks_exact(WORD);
    for word in &mut words {
        let Ok(word) = word.try_into().map(u64::from_le_bytes) else { break };
        let ends = below(word ^ QUOTES, ONES) | below(word ^ BACKSLASHES, ONES) | below(word, SPACES);
        if ends != 0 {
            return run + (ends.trailing_zeros() / u8::BITS) as usize;
        }
        run += WORD;
    }
    run + words.remainder().iter().take_while(|&&byte| is_plain(byte)).count()
}

/// Whether a byte stands for itself in a string.
pub(super) const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// Sets the high bit of each byte that is below the same byte of `bound` (at most 0x80 each).
///
/// A borrow can mark bytes above a marked one wrongly; the lowest mark is always right, and only that one is used
/// ("Bit Twiddling Hacks", `hasless`).
const fn below(word: u64, bound: u64) -> u64 {
    word.wrapping_sub(bound) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255_u8 {
            for before in 0..20 {
                for after in 0..20 {
                    let mut bytes = vec![b'x'; before];
                    bytes.push(byte);
                    bytes.resize(before + 1 + after, b'y');
                    let expected = if is_plain(byte) { bytes.len() } else { before };
                    assert_eq!(plain_run(&bytes), expected, "{byte:#x} after {before}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn like_the_definition(bytes: Vec<u8>) {
            let expected = bytes.iter().take_while(|&&byte| is_plain(byte)).count();
            prop_assert_eq!(plain_run(&bytes), expected);
        }
    }
}
