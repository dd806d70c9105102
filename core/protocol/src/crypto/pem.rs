//! PEM text (RFC 7468) around DER.

use super::key::malformed;
use crate::error::Result;
use ::p256::pkcs8::der::pem::{self, LineEnding};
use zeroize::Zeroizing;

/// Longest text that is looked at: a key with a chain of certificates around it.
const MAX_TEXT: usize = 64 * 1024;
const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Finds the one block with a label of `labels` and decodes it.
///
/// Other blocks are passed over: OpenSSL writes `EC PARAMETERS` before `EC PRIVATE KEY`, people keep certificates
/// beside keys. Two fitting blocks, an encrypted key or none are refused.
pub(super) fn decode(text: &str, labels: &[&'static str]) -> Result<(&'static str, Zeroizing<Vec<u8>>)> {
    if text.len() > MAX_TEXT {
        return Err(malformed("the PEM text is longer than 64 KiB"));
    }
    let mut found = None;
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let broken = || malformed("the PEM text has a block without an end");
        let (label, after) = after.split_once(DASHES).ok_or_else(broken)?;
        let end = ["-----END ", label, DASHES].concat();
        let (body, after) = after.split_once(end.as_str()).ok_or_else(broken)?;
        rest = after;
        // Of the header `Proc-Type: 4,ENCRYPTED` (RFC 1421): base64 has the word too, and no comma.
        if label == "ENCRYPTED PRIVATE KEY" || body.contains(",ENCRYPTED") {
            return Err(malformed("the PEM key is encrypted; decrypt it first"));
        }
        if let Some(known) = labels.iter().find(|known| **known == label) {
            if found.is_some() {
                return Err(malformed("the PEM text holds more than one key"));
            }
            found = Some((*known, decode_block(label, body, &end)?));
        }
    }
    found.ok_or_else(|| malformed("the PEM text holds no key of the expected kind"))
}

/// Writes one block, 64 characters a line, with a line feed at the end.
pub(super) fn encode(label: &'static str, der: &[u8]) -> Zeroizing<String> {
    // The only errors are of lengths near the address space; a key has ≤ 138 bytes.
    Zeroizing::new(pem::encode_string(label, LineEnding::LF, der).unwrap_or_default())
}

fn decode_block(label: &str, body: &str, end: &str) -> Result<Zeroizing<Vec<u8>>> {
    let parts = [BEGIN, label, DASHES, body, end, "\n"];
    // Sized once, so that no copy of a secret is left behind by growing.
    let mut block = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| block.push_str(part));
    let malformed = || malformed("the PEM block is not base64 in lines of equal length");
    let mut decoder = pem::Decoder::new_detect_wrap(block.as_bytes()).map_err(|_| malformed())?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(|_| malformed())?;
    if !decoder.is_finished() {
        return Err(malformed());
    }
    Ok(der)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests {
    use super::*;
    use crate::crypto::fixtures::*;
    use proptest::prelude::*;

    const LABELS: [&str; 2] = ["PRIVATE KEY", "EC PRIVATE KEY"];

    fn message(text: &str) -> String {
        decode(text, &LABELS).unwrap_err().message().to_owned()
    }

    #[test]
    fn one_block_is_found_among_others() {
        let (label, der) = decode(P256_SEC1, &LABELS).unwrap();
        assert_eq!((label, der.len()), ("EC PRIVATE KEY", 121));
        let text = format!("Subject: me\n{P256_PUBLIC}\n{P256_PKCS8}\nbye");
        let (label, der) = decode(&text, &LABELS).unwrap();
        assert_eq!((label, der.len()), ("PRIVATE KEY", 138));
    }

    #[test]
    fn line_endings_do_not_matter() {
        let expected = decode(P256_PKCS8, &LABELS).unwrap().1;
        for ending in ["\r\n", "\r"] {
            assert_eq!(decode(&P256_PKCS8.replace('\n', ending), &LABELS).unwrap().1, expected);
        }
        assert_eq!(decode(P256_PKCS8.trim_end(), &LABELS).unwrap().1, expected);
    }

    #[test]
    fn any_equal_line_length_will_do() {
        let (_, expected) = decode(P256_PKCS8, &LABELS).unwrap();
        let body: String = P256_PKCS8.lines().filter(|line| !line.starts_with('-')).collect();
        for width in [32, 64, 76, body.len()] {
            let lines: Vec<&str> =
                body.as_bytes().chunks(width).map(|line| core::str::from_utf8(line).unwrap()).collect();
            let text =
                format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", lines.join("\n"));
            assert_eq!(decode(&text, &LABELS).unwrap().1, expected, "{width}");
            if lines.len() > 2 {
                assert!(decode(&text.replacen(lines[1], &lines[1][1..], 1), &LABELS).is_err());
            }
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let encrypted = "the PEM key is encrypted; decrypt it first";
        assert_eq!(message(P256_PKCS8_ENCRYPTED), encrypted);
        assert_eq!(message(P256_SEC1_ENCRYPTED), encrypted);
        assert_eq!(message(&format!("{P256_PKCS8}{P256_SEC1}")), "the PEM text holds more than one key");
        for text in ["", "MIGHAgEA", P256_PUBLIC, P256_SEC1.split_inclusive("METERS-----\n").next().unwrap()]
        {
            assert!(decode(text, &LABELS).is_err(), "{text}");
        }
        assert_eq!(message(P256_PUBLIC), "the PEM text holds no key of the expected kind");
        assert_eq!(message("-----BEGIN PRIVATE KEY"), "the PEM text has a block without an end");
        assert_eq!(message(&P256_PKCS8.replace("END", "KEY")), "the PEM text has a block without an end");
        assert_eq!(
            message(&P256_PKCS8.replace('\n', "\n ")),
            "the PEM block is not base64 in lines of equal length"
        );
        assert_eq!(
            message(&P256_PKCS8.replace("MIGH", "MI*H")),
            "the PEM block is not base64 in lines of equal length"
        );
        assert_eq!(message(&"x".repeat(MAX_TEXT + 1)), "the PEM text is longer than 64 KiB");
    }

    #[test]
    fn openssl_reads_what_we_write() {
        for text in [P256_PKCS8, ED25519_PKCS8] {
            let (_, der) = decode(text, &LABELS).unwrap();
            assert_eq!(*encode("PRIVATE KEY", &der), text);
        }
    }

    /// Found by the fuzz target `key`.
    #[test]
    fn a_word_in_base64_is_no_encryption() {
        let text = "-----BEGIN PRIVATE KEY-----\nbno2SpwtENCRYPTED/9O8qlx\n-----END PRIVATE KEY-----\n";
        let (_, der) = decode(text, &LABELS).unwrap();
        assert_eq!(*encode("PRIVATE KEY", &der), text);
    }

    proptest! {
        #[test]
        fn decode_never_panics(text: String, inner in "[A-Za-z0-9+/=\n -]{0,200}") {
            let _ = decode(&text, &LABELS);
            let _ = decode(&format!("-----BEGIN PRIVATE KEY-----{inner}-----END PRIVATE KEY-----"), &LABELS);
            let _ = decode(&format!("-----BEGIN {inner}"), &LABELS);
        }

        #[test]
        fn round_trip(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let text = encode("PRIVATE KEY", &der);
            prop_assert_eq!(&*decode(&text, &LABELS).unwrap().1, &der);
        }
    }
}
