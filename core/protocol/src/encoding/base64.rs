//! Base64, in the forms of PROTOCOL §2 and of JOSE.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Marks in [`SEXTETS`] of the two characters that only one alphabet has; both marks together mean no alphabet at all.
///
/// They lie above the 24 bits of four characters.
const STANDARD_ONLY: u32 = 1 << 24;
const URL_SAFE_ONLY: u32 = 1 << 25;

/// The value of each base64 character where it stands among four, with its mark.
const SEXTETS: [[u32; 256]; 4] = [sextets(18), sextets(12), sextets(6), sextets(0)];

/// The marks of a whole text.
#[derive(Clone, Copy, Default)]
struct Marks(u32);

impl Marks {
    /// Whether any character has this mark.
    const fn any(self, mark: u32) -> bool {
        self.0 & mark != 0
    }
}

/// Decodes base64 as PROTOCOL §2 admits it: the standard or the URL-safe alphabet (RFC 4648 §4, §5), padded or not.
///
/// Refuses (`None`) a mix of the alphabets, partial or superfluous padding, white space and non-zero trailing bits.
pub fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    // A padded text whose length is a multiple of four has all the `=` that it needs.
    if text.last() == Some(&b'=') && !text.len().is_multiple_of(4) {
        return None;
    }
    let text = match text {
        [head @ .., b'=', b'='] | [head @ .., b'='] => head,
        _ => text,
    };
    let (bytes, marks) = decode(text)?;
    (!marks.any(STANDARD_ONLY) || !marks.any(URL_SAFE_ONLY)).then_some(bytes)
}

/// Encodes base64 as PROTOCOL §2 writes it: standard alphabet, padded (RFC 4648 §4).
pub fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Encodes base64url without padding, as JOSE does (RFC 7515 §2).
pub fn base64url_encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url as JOSE demands it (RFC 7515 §2): URL-safe alphabet, no padding, no non-zero trailing bits.
pub fn base64url_decode(text: &[u8]) -> Option<Vec<u8>> {
    let (bytes, marks) = decode(text)?;
    (!marks.any(STANDARD_ONLY)).then_some(bytes)
}

/// The bytes of unpadded base64 without regard to its alphabet, and the marks of all its characters together.
///
/// Not by the `base64` crate: it reads one alphabet at a time, so that finding out which would be a second pass, and the claim's is the
/// longest text of a request. `None` when the length is impossible or the unused bits are not zero.
fn decode(text: &[u8]) -> Option<(Vec<u8>, Marks)> {
    let (quads, tail) = text.as_chunks::<4>();
    // Not `vec![0; …]`: memory that comes cleared does not come from where the last request's went.
    let mut bytes = Vec::with_capacity(quads.len() * 3 + 2);
    bytes.resize(quads.len() * 3, 0);
    let mut marks = 0;
    let mut quad = |[a, b, c, d]: [u8; 4]| {
        let word = sextet::<0>(a) | sextet::<1>(b) | sextet::<2>(c) | sextet::<3>(d);
        marks |= word;
        word & 0xff_ffff
    };
    let (pairs, odd) = quads.as_chunks::<2>();
    let (sixes, last) = bytes.as_chunks_mut::<6>();
    for ([first, second], six) in pairs.iter().zip(sixes) {
        let [_, _, bytes @ ..] = (u64::from(quad(*first)) << 24 | u64::from(quad(*second))).to_be_bytes();
        *six = bytes;
    }
    if let ([odd], [a, b, c]) = (odd, last) {
        [_, *a, *b, *c] = quad(*odd).to_be_bytes();
    }
    let (value, unused) = match *tail {
        [] => return Some((bytes, Marks(marks))),
        [_] => return None,
        [a, b, ref c @ ..] => {
            let c = c.first().map(|c| sextet::<2>(*c));
            let value = sextet::<0>(a) | sextet::<1>(b) | c.unwrap_or_default();
            marks |= value;
            bytes.push((value >> 16) as u8);
            if c.is_some() {
                bytes.push((value >> 8) as u8);
            }
            (value, if c.is_some() { 0xff } else { 0xffff })
        }
    };
    (value & unused == 0).then_some((bytes, Marks(marks)))
}

/// The value of a character at this place among four.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there is an entry for each byte")]
const fn sextet<const PLACE: usize>(digit: u8) -> u32 {
    SEXTETS[PLACE][digit as usize]
}

#[expect(clippy::indexing_slicing, reason = "there is an entry for each byte")]
const fn sextets(shift: u32) -> [u32; 256] {
    let mut table = [STANDARD_ONLY | URL_SAFE_ONLY; 256];
    let mut value = 0;
    while value < 62 {
        let digit = match value {
            0..26 => b'A' + value,
            26..52 => b'a' + value - 26,
            _ => b'0' + value - 52,
        };
        table[digit as usize] = (value as u32) << shift;
        value += 1;
    }
    table[b'+' as usize] = 62 << shift | STANDARD_ONLY;
    table[b'/' as usize] = 63 << shift | STANDARD_ONLY;
    table[b'-' as usize] = 62 << shift | URL_SAFE_ONLY;
    table[b'_' as usize] = 63 << shift | URL_SAFE_ONLY;
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STANDARD_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// RFC 4648 §10.
    #[test]
    fn rfc4648_vectors() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64_encode(plain.as_bytes()), text);
            assert_eq!(base64_decode(text.as_bytes()).as_deref(), Some(plain.as_bytes()));
            let unpadded = text.trim_end_matches('=');
            assert_eq!(base64url_encode(plain.as_bytes()), unpadded);
            assert_eq!(base64_decode(unpadded.as_bytes()).as_deref(), Some(plain.as_bytes()));
            assert_eq!(base64url_decode(unpadded.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn base64_refusals() {
        for text in [
            "=",
            "==",
            "===",
            "====",
            "A",
            "A=",
            "A==",
            "A===",
            "AA=",
            "AA===",
            "AAA==",
            "AAAA=",
            "AAAA==",
            "AAAA====",
            "AA==AA==",
            "=AAA",
            "A=AA",
            "AB",
            "AB==",
            "AAB",
            "AAB=",
            "AAA A",
            " AAAA",
            "AAAA\n",
            "AA\r\nAA",
            "+AA-",
            "_AA/",
            "++__",
            "AA\0A",
            "AAA\u{e9}",
            "AAA.",
            "AAAAA",
            "AAAAAA=",
            "//8",
            "__8=x",
        ] {
            let refused = base64_decode(text.as_bytes()).is_none();
            assert_eq!(refused, text != "//8", "{text}");
        }
        for text in ["AA==", "AAA=", "+/+/", "AB", "A", "AA\n", "-_-=", "=", "AAAAA"] {
            assert_eq!(base64url_decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(base64_decode(b"-_-_"), base64_decode(b"+/+/"));
        assert_eq!(base64url_decode(b"-_-_"), base64_decode(b"+/+/"));
    }

    /// All texts of up to five bytes over an alphabet with one of each kind, against the definition spelled out.
    #[test]
    fn base64_exhaustive() {
        let kinds = *b"AQg+/-_=\n";
        for length in 0..=5_u32 {
            for mut index in 0..kinds.len().pow(length) {
                let mut text = Vec::new();
                for _ in 0..length {
                    text.push(kinds[index % kinds.len()]);
                    index /= kinds.len();
                }
                assert_eq!(base64_decode(&text), reference(&text), "{}", text.escape_ascii());
            }
        }
    }

    fn reference(text: &[u8]) -> Option<Vec<u8>> {
        let has = |set: &[u8]| text.iter().any(|byte| set.contains(byte));
        if has(b"+/") && has(b"-_") {
            return None;
        }
        let data: Vec<u8> = text.iter().copied().take_while(|&byte| byte != b'=').collect();
        let padding = &text[data.len()..];
        let full = (4 - data.len() % 4) % 4;
        if padding.iter().any(|&byte| byte != b'=')
            || !(padding.is_empty() || padding.len() == full)
            || full == 3
        {
            return None;
        }
        let mut bits = Vec::new();
        for byte in &data {
            let byte = match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            let value = STANDARD_ALPHABET.iter().position(|&digit| digit == byte)?;
            bits.extend((0..6).rev().map(|shift| value >> shift & 1));
        }
        let bytes = bits.len() / 8;
        if bits[bytes * 8..].contains(&1) {
            return None;
        }
        Some(
            bits[..bytes * 8]
                .chunks(8)
                .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8))
                .collect(),
        )
    }

    proptest! {
        #[test]
        fn base64_round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(base64_decode(base64_encode(&bytes).as_bytes()), Some(bytes.clone()));
            let url = base64url_encode(&bytes);
            prop_assert_eq!(base64_decode(url.as_bytes()), Some(bytes.clone()));
            prop_assert_eq!(base64url_decode(url.as_bytes()), Some(bytes.clone()));
            let padded_url = base64_encode(&bytes).replace('+', "-").replace('/', "_");
            prop_assert_eq!(base64_decode(padded_url.as_bytes()), Some(bytes));
        }

        #[test]
        fn base64_of_anything(text: Vec<u8>) {
            prop_assert_eq!(base64_decode(&text), reference(&text));
            let _ = base64url_decode(&text);
        }
    }

    // Each case is some thousand changes.
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Every change of one character gives another value or is refused, so no value has a second spelling.
        #[test]
        fn base64_mutations(bytes in prop::collection::vec(any::<u8>(), 1..24)) {
            for text in [base64_encode(&bytes), base64url_encode(&bytes)] {
                for at in 0..text.len() {
                    for byte in 0..=255 {
                        let mut mutant = text.clone().into_bytes();
                        let was = core::mem::replace(&mut mutant[at], byte);
                        let pair = (was.min(byte), was.max(byte));
                        if was != byte && pair != (b'+', b'-') && pair != (b'/', b'_') {
                            prop_assert!(base64_decode(&mutant).as_ref() != Some(&bytes));
                            prop_assert!(base64url_decode(&mutant).as_ref() != Some(&bytes));
                        }
                    }
                }
            }
        }
    }
}
