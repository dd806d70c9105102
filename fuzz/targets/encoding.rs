//! Base64 and hex: one decoding for each text, and writing it again gives the same bytes.
#![no_main]

use imagxp::digest::{content_digest, digests_agree};
use imagxp::encoding::{
    base64_decode, base64_encode, base64url_decode, base64url_encode, hex_decode, hex_encode,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let standard = base64_encode(data);
    let url = base64url_encode(data);
    assert_eq!(base64_decode(standard.as_bytes()).as_deref(), Some(data));
    assert_eq!(base64_decode(url.as_bytes()).as_deref(), Some(data));
    assert_eq!(base64url_decode(url.as_bytes()).as_deref(), Some(data));

    if let Some(bytes) = base64_decode(data) {
        let bare = |text: &str| text.trim_end_matches('=').replace('+', "-").replace('/', "_");
        let text = core::str::from_utf8(data).expect("base64 is ASCII");
        assert_eq!(bare(text), base64url_encode(&bytes), "two texts for the same bytes");
    }
    if let Some(bytes) = base64url_decode(data) {
        assert_eq!(base64url_encode(&bytes).as_bytes(), data, "two texts for the same bytes");
    }
    if let Some(bytes) = hex_decode::<64>(data) {
        assert_eq!(hex_encode(&bytes).as_bytes(), data.to_ascii_lowercase());
    }
    let digest = content_digest(data);
    assert!(digests_agree(&digest, &digest));
    let _ = digests_agree(&String::from_utf8_lossy(data), &digest);
});
