//! Requests that are refused, one for each step and more.

use crate::NONCE;
use crate::common::world::*;
use imagxp::agent::SignRequest;
use imagxp::{Code, Purpose};

/// Every way to be refused, in the order of the steps; with what the store may have been asked by then.
pub(crate) fn refusals() -> Vec<(Code, Signed, &'static [&'static str])> {
    let good = || Signed::read(NONCE);
    let with_claim = |from: &str, to: &str| {
        // Unsigned tampering is fine here: these steps come before the signature.
        let mut signed = good();
        let payload = signed.header_mut("x-imagxp-payload");
        let text = String::from_utf8(imagxp::encoding::base64_decode(payload).unwrap()).unwrap();
        assert!(text.contains(from), "{from}");
        *payload = imagxp::encoding::base64_encode(text.replacen(from, to, 1).as_bytes()).into_bytes();
        signed
    };
    let method = |method: &str| {
        let mut signed =
            Signed::new(&identity(1), &SignRequest::new(method, URL, Purpose::RagRetrieval), now(), NONCE);
        signed.method = method.into();
        signed
    };
    let mut wrong_url = good();
    wrong_url.url = "/posts/2".into();
    let mut wrong_method = good();
    wrong_method.method = "HEAD".into();
    let mut digest = Signed::new(
        &identity(1),
        &SignRequest {
            content_digest: Some("sha-256=:AAAA:"),
            ..SignRequest::new("GET", URL, Purpose::RagRetrieval)
        },
        now(),
        NONCE,
    );
    digest.body_digest = Some(imagxp::digest::content_digest(b"another body"));
    let mut bad_signature = good();
    bad_signature.header_mut("x-imagxp-signature")[3] ^= 1;
    let premium = |payment: Option<&str>| {
        let request = SignRequest {
            payment,
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        Signed::new(&identity(1), &request, now(), NONCE)
    };
    let other_key =
        Signed::new(&identity(2), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), NONCE);
    let training =
        Signed::new(&identity(1), &SignRequest::new("GET", URL, Purpose::CrawlTraining), now(), NONCE);
    vec![
        // Steps 1 to 4: the store is not even asked.
        (Code::HeaderTooLarge, good().with("x", &"y".repeat(40_000)), &[]),
        (Code::HeaderDuplicate, good().with("X-Imagxp-Payload", "e30="), &[]),
        (Code::HeaderConflict, good().with("x-imagxp-payment", "a").with("x-imagxp-credential", "b"), &[]),
        (Code::HeaderMissing, good().without("x-imagxp-signature"), &[]),
        (
            Code::HeaderBase64Invalid,
            good().without("x-imagxp-payload").with("x-imagxp-payload", "e30 ="),
            &[],
        ),
        (Code::SigMalformed, good().without("x-imagxp-signature").with("x-imagxp-signature", "0x00"), &[]),
        (Code::JsonMalformed, good().without("x-imagxp-payload").with("x-imagxp-payload", "W10="), &[]),
        (Code::ClaimAgentIdInvalid, with_claim("agent.example", "localhost"), &[]),
        (Code::ClaimVersionUnsupported, with_claim("\"v\":\"1.1\"", "\"v\":\"2.0\""), &[]),
        (Code::TimeExpired, with_claim("2026-03-01T12", "2026-03-01T11"), &[]),
        (Code::TimeFuture, with_claim("2026-03-01T12", "2026-03-01T13"), &[]),
        // Steps 6 to 8: it has been asked, and nothing has been stored.
        (Code::ClaimResourceMismatch, wrong_url, &["seen"]),
        (Code::ClaimMethodMismatch, wrong_method, &["seen"]),
        (Code::MethodNotAllowed, method("DELETE"), &["seen"]),
        (Code::ClaimDigestMismatch, digest, &["seen"]),
        (Code::SigInvalid, bad_signature, &["seen"]),
        (Code::IdentityKeyMismatch, other_key, &["seen"]),
        // Steps 10 and 11: the nonce is spent, no visa is.
        (Code::PolicyPurposeDenied, training, &["seen", "insert"]),
        (Code::PaymentRequired, premium(None), &["seen", "insert"]),
        (Code::PaymentMalformed, premium(Some("x")), &["seen", "insert"]),
        (
            Code::PaymentWrongAudience,
            premium(Some(&visa("jti-0001", |v| v.audience = "https://x.example"))),
            &["seen", "insert"],
        ),
        (
            Code::PaymentInsufficient,
            premium(Some(&visa("jti-0001", |v| v.paid = Box::leak(Box::new(cheap()))))),
            &["seen", "insert"],
        ),
    ]
}

fn cheap() -> imagxp::policy::Money {
    imagxp::policy::Money { amount: imagxp::amount::Amount::parse("0.009").unwrap(), currency: "USD".into() }
}
