//! Requests that are refused before the signature check; each as costly as it can be made in 16 KiB, or as ordinary as such a request is.

use crate::worker::{Rows, timed};
use crate::world::{self, Signed, URL, now};
use imagxp::Publisher;
use imagxp::crypto::Signature;
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::publisher::Outcome;
use std::hint::black_box;

/// The most that is measured; what is longer is refused by its length.
const WHOLE: usize = 8192;
/// Sizes of claims for the plot, in bytes.
pub(crate) const SIZES: [usize; 5] = [512, 1024, 2048, 4096, WHOLE];
/// What claims are filled with, in the plot.
pub(crate) const KINDS: [&str; 5] = ["string", "escapes", "numbers", "objects", "space"];

/// Adds the rows of this file: `refuse/worst/…`, `refuse/typical/…` and `refuse/size/KIND/BYTES`.
pub(crate) fn add(rows: &mut Rows) {
    for (name, _) in worst() {
        add_one(rows, format!("refuse/worst/{name}"), move || pick(worst(), name));
    }
    for (name, _) in typical() {
        add_one(rows, format!("refuse/typical/{name}"), move || pick(typical(), name));
    }
    for kind in KINDS {
        for bytes in SIZES {
            add_one(rows, format!("refuse/size/{kind}/{bytes}"), move || to_signature(filled(kind, bytes)));
        }
    }
}

fn pick(all: Vec<(&'static str, Signed)>, name: &str) -> Signed {
    all.into_iter().find(|(candidate, _)| *candidate == name).unwrap().1
}

fn add_one(rows: &mut Rows, name: String, make: impl Fn() -> Signed + 'static) {
    rows.add(name, move || {
        let signed = make();
        let publisher = site();
        Box::new(move |count| {
            let lines = signed.lines();
            let request = signed.request(&lines);
            timed(|| {
                for _ in 0..count {
                    let verdict = publisher.verify(black_box(&request), now()).verdict;
                    assert_ne!(verdict.outcome, Outcome::Allow, "{verdict:?}");
                }
            })
        })
    });
}

/// A site that knows agent 0, and has seen its nonce 2.
fn site() -> Publisher {
    let agent = world::agent(0);
    let publisher = world::site([&agent]);
    let seen = Signed::new(&agent, URL, 2, None);
    let verdict = publisher.verify(&seen.request(&seen.lines()), now()).verdict;
    assert_eq!(verdict.outcome, Outcome::Allow);
    publisher
}

fn good() -> Signed {
    Signed::new(&world::agent(0), URL, 1, None)
}

/// r = 0 is refused without arithmetic on the curve: this is the whole way to the signature.
fn to_signature(signed: Signed) -> Signed {
    signed.replaced("x-imagxp-signature", Signature::from_bytes([0; 64]).to_hex().into_bytes())
}

fn claim_of(mut signed: Signed) -> String {
    String::from_utf8(base64_decode(signed.header_mut("x-imagxp-payload")).unwrap()).unwrap()
}

fn with_claim(claim: &str) -> Signed {
    good().replaced("x-imagxp-payload", base64_encode(claim.as_bytes()).into_bytes())
}

/// A good claim with one member more, which is filled with items up to a size.
fn claim_filled(size: usize, open: &str, item: &str, close: &str, most: usize) -> Signed {
    let claim = claim_of(good());
    let mut filled = open.to_owned();
    let mut count = 0;
    while claim.len() + filled.len() + item.len() + close.len() + 8 < size && count < most {
        if count > 0 {
            filled.push(',');
        }
        filled.push_str(&item.replace('#', &count.to_string()));
        count += 1;
    }
    with_claim(&claim.replacen('{', &format!("{{\"a\":{filled}{close},"), 1))
}

fn filled(kind: &str, size: usize) -> Signed {
    let space = size.saturating_sub(330).max(1);
    match kind {
        "string" => claim_filled(size, "[", &format!("\"{}\"", "x".repeat(space.min(4000) / 2)), "]", 3),
        "escapes" => claim_filled(size, "[", "\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\"", "]", 200),
        "numbers" => claim_filled(size, "[", "9007199254740993.000000000000001", "]", 200),
        "objects" => claim_filled(size, "{", "\"name#\":{\"b\":0,\"a\":1}", "}", 60),
        _ => claim_filled(size, "[", &" ".repeat(space - 20), "]", 1),
    }
}

fn worst() -> Vec<(&'static str, Signed)> {
    // Sixteen unknown headers of ours are compared with each other; the last one is a duplicate.
    let mut many = good();
    let mut lines: Vec<(String, Vec<u8>)> =
        (0..16).map(|number| (format!("x-imagxp-{number:0>1800}"), b"y".to_vec())).collect();
    lines.push((format!("X-Imagxp-{:0>1800}", 14), b"y".to_vec()));
    many.headers = lines;
    let mut ordinary = good();
    ordinary.headers = (0..100).map(|number| (format!("x-other-{number:0>250}"), b"y".to_vec())).collect();
    // The same resource as was signed, but it takes all that normalisation does to see that.
    let root = Signed::new(&world::agent(0), "https://pub.example/", 1, None);
    let dots = root.asking(format!("/{}", "a/../".repeat(WHOLE / 5)));
    let payload = |value: Vec<u8>| good().replaced("x-imagxp-payload", value);
    vec![
        ("unknown-headers-of-ours", many),
        ("100-long-lines", ordinary),
        ("12-KiB-of-bad-base64", payload([vec![b'A'; 12287], vec![b'!']].concat())),
        ("8-KiB-of-one-string", to_signature(claim_filled(WHOLE, "\"", &"x".repeat(4000), "\"", 1))),
        ("8-KiB-of-escapes", to_signature(filled("escapes", WHOLE))),
        ("short-strings", to_signature(claim_filled(WHOLE, "[", "\"\\n\"", "]", 200))),
        ("200-half-way-numbers", to_signature(filled("numbers", WHOLE))),
        ("110-objects", to_signature(claim_filled(WHOLE, "[", "{\"\":0}", "]", 110))),
        ("members-in-every-object", to_signature(filled("objects", WHOLE))),
        ("8-KiB-of-digits", to_signature(claim_filled(WHOLE, "[", "123456789012345", "]", 200))),
        ("8-KiB-of-space", to_signature(claim_filled(WHOLE, "[", &" ".repeat(3000), "1]", 2))),
        ("8-KiB-of-brackets", payload(base64_encode(&[b'['; WHOLE]).into_bytes())),
        ("8-KiB-of-dot-segments", to_signature(dots)),
    ]
}

/// What tells a browser.
const LOOKS: [(&str, &str); 5] = [
    (
        "User-Agent",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("Accept-Language", "en-GB,en;q=0.9"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Dest", "document"),
];

/// One for each step that can refuse, in their order, with an ordinary claim.
fn typical() -> Vec<(&'static str, Signed)> {
    let mut missing = good();
    missing.headers.retain(|(name, _)| name != "x-imagxp-signature");
    let mut twice = good();
    let again = twice.headers.iter().find(|(name, _)| name == "x-imagxp-payload").unwrap().clone();
    twice.headers.push(again);
    let mut browser = good();
    browser.headers.retain(|(name, _)| !name.starts_with("x-imagxp"));
    // The site asks browsers to sign, too; that this is one has to be found out all the same.
    let mut looks = good();
    looks.headers.retain(|(name, _)| !name.starts_with("x-imagxp") && name != "user-agent");
    looks.headers.extend(LOOKS.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    let claim = claim_of(good());
    let changed = |from: &str, to: &str| {
        assert!(claim.contains(from), "{claim}");
        with_claim(&claim.replace(from, to))
    };
    vec![
        ("unsigned", browser),
        ("browser", looks),
        ("header-missing", missing),
        ("header-twice", twice),
        ("payload-not-base64", good().replaced("x-imagxp-payload", b"!".repeat(400))),
        ("claim-not-json", with_claim(&claim[..claim.len() - 1])),
        ("signature-malformed", good().replaced("x-imagxp-signature", b"00".to_vec())),
        ("version-unsupported", changed("\"v\":\"1.1\"", "\"v\":\"9.9\"")),
        ("time-expired", changed("2026-03-01T12:00", "2026-03-01T10:00")),
        ("nonce-seen", Signed::new(&world::agent(0), URL, 2, None)),
        ("agent-unknown", to_signature(Signed::new(&world::agent(1), URL, 1, None))),
        ("to-the-signature", to_signature(good())),
    ]
}
