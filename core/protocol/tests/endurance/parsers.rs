//! Every parser of the core that a stranger's bytes reach, with the shapes of input that would be the dearest for a careless one.
//!
//! Two are other crates': the raw head of a request (core/cli/src/head.rs) and the key file (core/files/src/key_file.rs, 64 KiB at most). Both are
//! fuzzed (fuzz/targets).

use crate::common::world::*;
use imagxp::agent::offer::Offer;
use imagxp::agent::spend::Purchase;
use imagxp::agent::token_request::TokenAnswer;
use imagxp::audit::{Entry, Evidence, Frame, SignedCheckpoint};
use imagxp::claim::Claim;
use imagxp::crypto::{Algorithm, Jws, PrivateKey, PublicKey, Signature, Thumbprint};
use imagxp::digest::digests_agree;
use imagxp::discovery::{Preferences, PublicPolicy, Robots, Rsl, Sources, link};
use imagxp::encoding::{base64_decode, base64url_decode, hex_decode};
use imagxp::feedback::SignedFeedback;
use imagxp::json::{self, canonicalize};
use imagxp::jwks::JwkSet;
use imagxp::manifest::MAX_MANIFEST_BYTES;
use imagxp::policy::Money;
use imagxp::provenance::SignedReceipt;
use imagxp::resource::{Resource, path_readings};
use imagxp::{AgentId, Limits, Manifest, Policy, Publisher, Purpose, Request, Timestamp};
use std::hint::black_box;
use std::sync::LazyLock;

/// A name, and an input of about so many bytes.
pub(crate) type Shape = (&'static str, fn(usize) -> Vec<u8>);

/// A parser, and what it is given.
pub(crate) struct Parser {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&[u8]),
    pub(crate) shapes: &'static [Shape],
}

/// What is read as text is text: a lossy conversion would be measured as well.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// `head`, then `part` as often as it takes, then `tail`.
fn filled(head: &str, part: &str, tail: &str, size: usize) -> Vec<u8> {
    let times = size.saturating_sub(head.len() + tail.len()) / part.len();
    format!("{head}{}{tail}", part.repeat(times.max(1))).into_bytes()
}

/// As [`filled`], where each part is numbered.
fn numbered(head: &str, part: impl Fn(usize) -> String, tail: &str, size: usize) -> Vec<u8> {
    let mut made = head.to_owned();
    let mut number = 0;
    while made.len() + tail.len() < size {
        made += &part(number);
        number += 1;
    }
    (made.trim_end_matches(',').to_owned() + tail).into_bytes()
}

const CLAIM: &str = r#"{"agent_id":"agent.example","method":"GET","nonce":"nonce-0000000001","purpose":"RAG_RETRIEVAL","resource":"https://pub.example/"#;
const SINCE: &str = r#","ts":"2026-03-01T12:00:00.000Z","v":"1.1"}"#;
/// The values that a header list is filled with.
const JSON: [Shape; 9] = [
    ("numbers", |size| filled("[", "1.5e300,", "0]", size)),
    ("integers", |size| filled("[", "9007199254740991,", "0]", size)),
    ("long-number", |size| filled("[0.", "1", "]", size)),
    ("escapes", |size| filled("[\"", "\\ud83d\\ude00", "\"]", size)),
    ("letters", |size| filled("[\"", "\u{e9}\u{1f600}", "\"]", size)),
    ("names", |size| {
        numbered("{", |number| format!("\"k{:x}\":{number},", number * 7919 % 65_536), "}", size)
    }),
    ("deep", |size| [b"[".repeat(size / 2), b"]".repeat(size / 2)].concat()),
    ("broad", |size| filled("[", "[[[]]],", "[]]", size)),
    ("white", |size| filled("[", " \n\t\r", "]", size)),
];

static PUBLISHER: LazyLock<Publisher> = LazyLock::new(|| publisher(POLICY));
static AGENT_ID: LazyLock<AgentId> = LazyLock::new(|| AgentId::parse(AGENT, false).unwrap());

static THUMBPRINT: LazyLock<Thumbprint> =
    LazyLock::new(|| *key(1, Algorithm::Es256).public_key().thumbprint());
static PURCHASE: LazyLock<Purchase> = LazyLock::new(|| Purchase {
    id: "purchase-00000001".to_owned(),
    agent_id: AGENT_ID.clone(),
    issuer: "https://broker.example".to_owned(),
    audience: "https://pub.example".to_owned(),
    purpose: Purpose::RagRetrieval,
    price: Money { amount: imagxp::amount::Amount::parse("0.01").unwrap(), currency: "USD".into() },
});

/// What was read is not left out by the compiler.
fn taken<T>(value: T) {
    drop(black_box(value));
}

/// A broker's answer to somebody who pays: what it gives, and what it refuses.
fn token_answer(bytes: &[u8]) {
    for status in [200, 400] {
        taken(TokenAnswer::read(status, bytes, &PURCHASE, &THUMBPRINT, now()));
    }
}

/// Lines of a request's head, which a server has split already.
fn head(bytes: &[u8]) {
    let lines: Vec<(&[u8], &[u8])> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            line.iter().position(|byte| *byte == b':').map(|at| (&line[..at], &line[at + 1..]))
        })
        .collect();
    let request = Request { method: "GET", url: "/posts/1", headers: &lines, body_digest: None };
    black_box(PUBLISHER.verify(&request, now()).verdict);
}

#[rustfmt::skip] // a line for each parser
pub(crate) const PARSERS: [Parser; 30] = [
    Parser { name: "json", read: |bytes| taken(json::parse(bytes, &json::Limits::INTERCHANGE)), shapes: &JSON },
    Parser { name: "jcs", read: |bytes| taken(canonicalize(bytes, &json::Limits::INTERCHANGE)), shapes: &JSON },
    Parser { name: "claim", read: |bytes| taken(Claim::parse(bytes, &Limits::DEFAULT, false)), shapes: &[
        ("resource", |size| filled(CLAIM, "%41", &format!("\"{SINCE}"), size)),
        ("dots", |size| filled(CLAIM, "a/../", &format!("\"{SINCE}"), size)),
        ("context", |size| filled(&format!("{CLAIM}\",\"context\":{{\"x\":\""), "\\u0041", &format!("\"}}{SINCE}"), size)),
        ("members", |size| numbered(&format!("{CLAIM}\",\"context\":{{"), |number| format!("\"k{number}\":{number},"), &format!("}}{SINCE}"), size)),
    ] },
    Parser { name: "time", read: |bytes| taken(Timestamp::parse(text(bytes))), shapes: &[
        ("decimals", |size| filled("2026-03-01T12:00:00.", "9", "Z", size)),
        ("digits", |size| filled("", "2", "-03-01T12:00:00Z", size)),
    ] },
    Parser { name: "base64", read: |bytes| taken((base64_decode(bytes), base64url_decode(bytes))), shapes: &[
        ("letters", |size| filled("", "QUJD", "", size)), ("padding", |size| filled("QQ", "=", "", size)), ("mixed", |size| filled("", "-_+/", "", size)),
    ] },
    Parser { name: "hex", read: |bytes| taken(hex_decode::<64>(bytes)), shapes: &[("digits", |size| filled("", "0f", "", size))] },
    Parser { name: "spki", read: |bytes| taken((PublicKey::from_spki_der(bytes), PublicKey::from_spki_base64(bytes))), shapes: &[
        ("sequences", |size| filled("", "0\u{1}", "", size)), ("base64", |size| filled("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", "QUJD", "", size)),
    ] },
    Parser { name: "pem", read: |bytes| taken(PublicKey::from_pem(text(bytes))), shapes: &[
        ("lines", |size| filled("-----BEGIN PUBLIC KEY-----\n", "QUJD\n", "-----END PUBLIC KEY-----\n", size)), ("begins", |size| filled("", "-----BEGIN ", "", size)),
    ] },
    Parser { name: "private-key", read: |bytes| taken((PrivateKey::from_pkcs8_der(bytes).is_ok(), PrivateKey::from_pem(text(bytes)).is_ok())), shapes: &[
        ("sequences", |size| filled("", "0\u{1}", "", size)), ("octets", |size| filled("0\u{7f}\u{2}\u{1}\0", "\u{4}\u{1}\0", "", size)),
        ("lines", |size| filled("-----BEGIN PRIVATE KEY-----\n", "QUJD\n", "-----END PRIVATE KEY-----\n", size)),
        ("blocks", |size| filled("", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", "", size)),
    ] },
    Parser { name: "signature", read: |bytes| taken((Signature::from_hex(bytes), Signature::from_ecdsa_der(bytes))), shapes: &[
        ("hex", |size| filled("", "a", "", size)), ("der", |size| filled("0\u{2}", "\u{2}\u{1}", "", size)),
    ] },
    Parser { name: "jwk", read: |bytes| taken(json::parse_object(bytes, &json::Limits::JWKS).map(|jwk| PublicKey::from_jwk(&jwk))), shapes: &[
        ("coordinate", |size| filled(r#"{"kty":"EC","crv":"P-256","x":""#, "QUJD", r#"","y":""}"#, size)),
        ("members", |size| numbered("{\"kty\":\"EC\",", |number| format!("\"k{number}\":0,"), "}", size)),
    ] },
    Parser { name: "jws", read: |bytes| taken(Jws::parse(bytes, 16_384).map(|token| token.claims().is_ok())), shapes: &[
        ("payload", |size| filled("eyJhbGciOiJFUzI1NiJ9.", "QUJD", ".QUJD", size)), ("dots", |size| filled("", "QQ.", "", size)),
        ("header", |size| filled("", "eyJh", ".e30.QUJD", size)),
    ] },
    Parser { name: "jwks", read: |bytes| taken(JwkSet::parse(bytes)), shapes: &[
        ("keys", |size| numbered("{\"keys\":[", |number| format!(r#"{{"kty":"oct","kid":"{number}"}},"#), "]}", size)),
        ("kid", |size| filled("{\"keys\":[{\"kid\":\"", "k", "\"}]}", size)),
    ] },
    Parser { name: "manifest", read: |bytes| taken(Manifest::parse(bytes, &AGENT_ID, MAX_MANIFEST_BYTES)), shapes: &[
        ("keys", |size| numbered("{\"agent_id\":\"agent.example\",\"keys\":[", |number| format!(r#"{{"alg":"x","public_key":"{number}"}},"#), "]}", size)),
        ("contact", |size| filled("{\"agent_id\":\"agent.example\",\"contact\":\"", "x", "\"}", size)),
    ] },
    Parser { name: "policy", read: |bytes| taken(Policy::from_json(bytes)), shapes: &[
        ("paths", |size| numbered(r#"{"version":1,"origins":["https://pub.example"],"paths":["#, |number| format!(r#"{{"match":"/p{number}/*","unsigned":"deny"}},"#), "]}", size)),
        ("agents", |size| numbered(r#"{"version":1,"origins":["https://pub.example"],"agents":["#, |number| format!(r#"{{"match":"a{number}.example","allow":false}},"#), "]}", size)),
        ("stars", |size| filled(r#"{"version":1,"origins":["https://pub.example"],"paths":[{"match":"/"#, "*a", r#""}]}"#, size)),
    ] },
    Parser { name: "resource", read: |bytes| taken((Resource::parse(text(bytes)), path_readings(text(bytes)))), shapes: &[
        ("dots", |size| filled("https://pub.example/", "a/../", "", size)), ("escapes", |size| filled("/", "%2e%2E%2f", "", size)),
        ("slashes", |size| filled("/", "//", "x", size)), ("semicolons", |size| filled("/a", ";x=1/..", "", size)), ("host", |size| filled("https://", "a.", "example/", size)),
    ] },
    Parser { name: "agent-id", read: |bytes| taken(AgentId::parse(text(bytes), false)), shapes: &[
        ("labels", |size| filled("", "a.", "example", size)), ("unicode", |size| filled("", "\u{fc}\u{df}.", "example", size)), ("hyphens", |size| filled("xn--", "a", ".example", size)),
    ] },
    Parser { name: "robots", read: |bytes| taken(Robots::parse(bytes).allows("bot", "/a/b/c")), shapes: &[
        ("rules", |size| numbered("User-agent: *\n", |number| format!("Disallow: /p{number}*\n"), "", size)),
        ("stars", |size| filled("User-agent: *\nDisallow: /", "*a", "$\n", size)), ("agents", |size| numbered("", |number| format!("User-agent: a{number}\n"), "Disallow: /\n", size)),
        ("groups", |size| numbered("", |number| format!("User-agent: bot\nAllow: /{number}\n"), "", size)), ("empty", |size| filled("", "\r\n", "", size)),
    ] },
    Parser { name: "public-policy", read: |bytes| taken(PublicPolicy::parse(bytes)), shapes: &[("unknown", |size| numbered("{\"version\":1,", |number| format!("\"x{number}\":[],"), "}", size))] },
    Parser { name: "rsl", read: |bytes| taken(Rsl::parse(bytes)), shapes: &[
        ("contents", |size| filled("<rsl xmlns=\"https://rslstandard.org/rsl\">", "<content url=\"/a*\"><license><permits type=\"usage\">all</permits></license></content>", "</rsl>", size)),
        ("deep", |size| { let each = size / 7; [b"<a>".repeat(each), b"</a>".repeat(each)].concat() }),
        ("entities", |size| filled("<rsl>", "&lt;&#65;", "</rsl>", size)), ("attributes", |size| numbered("<rsl", |number| format!(" a{number}=''"), "/>", size)),
    ] },
    Parser { name: "aipref", read: |bytes| { let headers = [("content-usage", text(bytes)), ("content-signal", text(bytes))]; taken(Preferences::read(&Sources { headers: &headers, ..Sources::new("https://pub.example/", "bot") })); }, shapes: &[
        ("items", |size| filled("", "train-ai=n, ", "search=y", size)), ("parameters", |size| filled("train-ai=n", ";a=1", "", size)), ("strings", |size| filled("a=\"", "\\\\", "\"", size)), ("lists", |size| filled("a=(", "b ", ")", size)),
    ] },
    Parser { name: "link", read: |bytes| taken(link::parse(&[text(bytes)], "https://pub.example/")), shapes: &[
        ("links", |size| filled("", "</a>; rel=license, ", "</a>; rel=license", size)), ("angles", |size| filled("", "<", "", size)), ("quotes", |size| filled("</a>; rel=\"", "license ", "\"", size)),
    ] },
    Parser { name: "offer", read: |bytes| taken(Offer::parse(bytes, false)), shapes: &[
        ("brokers", |size| numbered(r#"{"price":{"amount":"1","currency":"USD"},"brokers":["#, |number| format!(r#"{{"issuer":"https://b{number}.example"}},"#), "]}", size)),
    ] },
    Parser { name: "token-answer", read: token_answer, shapes: &[
        ("members", |size| numbered("{\"token_type\":\"Bearer\",", |number| format!("\"k{number}\":0,"), "}", size)),
        ("token", |size| filled("{\"token_type\":\"Bearer\",\"access_token\":\"eyJhbGciOiJFUzI1NiJ9.", "QUJD", ".QUJD\"}", size)),
        ("error", |size| filled("{\"error\":{\"code\":\"", "a.", "\"}}", size)),
    ] },
    Parser { name: "digest", read: |bytes| taken(digests_agree(text(bytes), text(bytes))), shapes: &[
        ("members", |size| numbered("", |number| format!("a{number}=:QUJD:,"), "", size)), ("commas", |size| filled("", ",", "", size)),
        ("value", |size| filled("sha-256=:", "QUJD", ":", size)), ("name", |size| filled("", "a", "=:QUJD:", size)),
    ] },
    Parser { name: "feedback", read: |bytes| taken(SignedFeedback::parse(bytes)), shapes: &[("payload", |size| filled("{\"payload\":\"", "QUJD", "\",\"signature\":\"00\"}", size))] },
    Parser { name: "receipt", read: |bytes| taken(SignedReceipt::parse(bytes, &[b'1'; 128])), shapes: &[("base64", |size| filled("eyJh", "QUJD", "", size)), ("json", |size| filled("{\"a\":\"", "b", "\"}", size))] },
    Parser { name: "audit", read: |bytes| taken((Frame::parse(bytes).map(|frame| frame.number), Entry::parse(bytes).is_ok())), shapes: &[("members", |size| numbered("{\"type\":\"verdict\",", |number| format!("\"x{number}\":1,"), "}", size))] },
    Parser { name: "evidence", read: |bytes| taken((Evidence::parse(bytes).is_ok(), SignedCheckpoint::parse(bytes).is_ok())), shapes: &[
        ("proof", |size| filled("{\"proof\":[", "\"QUJD\",", "\"\"]}", size)), ("lines", |size| filled("imagxp\n1\n", "QUJD\n", "\n", size)),
    ] },
    Parser { name: "head", read: head, shapes: &[
        ("lines", |size| numbered("", |number| format!("x-{number}: {number}\n"), "", size)), ("same", |size| filled("", "x-imagxp-payload: e30=\n", "", size)),
        ("payload", |size| filled("x-imagxp-signature: 00\nx-imagxp-payload: ", "QUJD", "\n", size)), ("agent", |size| filled("user-agent: ", "bot/1 (a) ", "\n", size)),
        ("cookies", |size| filled("cookie: ", "a=b; ", "\n", size)), ("language", |size| filled("accept-language: ", "en;q=0.1, ", "en\n", size)),
    ] },
];
