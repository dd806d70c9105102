//! Tests of `provenance.rs`.

use super::*;
use crate::crypto::{Algorithm, PrivateKey};
use crate::digest::sha256;
use crate::manifest::ManifestKey;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::generate(Algorithm::Es256, &mut |bytes| {
        bytes.fill(seed);
        Ok(())
    })
    .unwrap()
}

fn manifest(name: &str, seed: u8) -> Manifest {
    let key = ManifestKey::new(key(seed).public_key().clone());
    Manifest::new(AgentId::parse(name, true).unwrap(), None, vec![key]).unwrap()
}

fn receipt() -> Receipt {
    Receipt {
        agent_id: AgentId::parse("agent.example", false),
        content_sha256: sha256(b"hello"),
        origin: ContentOrigin::Human,
        trace_id: "0123".into(),
        ts: Timestamp::parse("2026-03-01T12:00:00Z").unwrap(),
        url: "https://pub.example/a?b=%7E".into(),
    }
}

fn values(receipt: &Receipt) -> Result<(String, String)> {
    let headers = receipt.sign(&key(1))?;
    let value = |name| headers.get(name).unwrap().to_owned();
    Ok((value(headers::PROVENANCE), value(headers::PROVENANCE_SIG)))
}

fn send(receipt: &Receipt) -> Result<SignedReceipt> {
    let (value, signature) = values(receipt)?;
    SignedReceipt::parse(value.as_bytes(), signature.as_bytes())
}

#[test]
fn round_trips_and_binds_to_the_delivery() {
    let sent = send(&receipt()).unwrap();
    assert_eq!(sent.verify(&manifest("pub.example", 1)).unwrap(), &receipt());
    let agent = AgentId::parse("agent.example", false).unwrap();
    let body = sha256(b"hello");
    let good =
        Delivery { url: "https://PUB.example:443/a?b=~", content_sha256: &body, agent_id: Some(&agent) };
    let now = receipt().ts;
    receipt().check(&good, now).unwrap();
    receipt().check(&good, now.saturating_add_secs(300)).unwrap();
    let other = sha256(b"hullo");
    for (delivery, now) in [
        (Delivery { url: "https://pub.example/b", ..good }, now),
        (Delivery { url: "/a?b=~", ..good }, now),
        (Delivery { content_sha256: &other, ..good }, now),
        (Delivery { agent_id: None, ..good }, now),
        (good, now.saturating_add_secs(301)),
        (good, now.saturating_add_secs(-61)),
    ] {
        assert_eq!(receipt().check(&delivery, now).unwrap_err().code(), "provenance.mismatch");
    }
    let open = Receipt { agent_id: None, ..receipt() };
    open.check(&good, now).unwrap();
    open.check(&Delivery { agent_id: None, ..good }, now).unwrap();
}

#[test]
fn only_the_urls_own_host_vouches() {
    let sent = send(&receipt()).unwrap();
    assert_eq!(sent.verify(&manifest("pub.example", 2)).unwrap_err().code(), "identity.key_mismatch");
    assert_eq!(sent.verify(&manifest("other.example", 1)).unwrap_err().code(), "identity.key_mismatch");
    let at = |url: &str| send(&Receipt { url: url.into(), ..receipt() }).unwrap();
    assert!(at("https://pub.example:8443/").verify(&manifest("pub.example", 1)).is_ok());
    assert!(at("http://127.0.0.1:80/").verify(&manifest("127.0.0.1", 1)).is_ok());
    assert!(at("http://127.0.0.1:8000/").verify(&manifest("127.0.0.1:8000", 1)).is_ok());
    assert_eq!(at("http://127.0.0.1:8000/").publisher(false), None);
    assert_eq!(at("https://192.0.2.1/").publisher(true), None);
}

#[test]
fn a_key_signs_only_while_it_exists() {
    let end = receipt().ts.saturating_add_secs(-1);
    let entry = ManifestKey { not_after: Some(end), ..ManifestKey::new(key(1).public_key().clone()) };
    let manifest = Manifest::new(AgentId::parse("pub.example", false).unwrap(), None, vec![entry]).unwrap();
    assert_eq!(send(&receipt()).unwrap().verify(&manifest).unwrap_err().code(), "identity.key_mismatch");
}

#[test]
fn spoiled_receipts_are_refused() {
    let (value, signature) = values(&receipt()).unwrap();
    let object = String::from_utf8(base64_decode(value.as_bytes()).unwrap()).unwrap();
    let read = |object: &str, signature: &str| {
        SignedReceipt::parse(base64_encode(object.as_bytes()).as_bytes(), signature.as_bytes())
    };
    for (old, new) in [
        ("HUMAN", "human"),
        ("\"origin\":\"HUMAN\",", ""),
        ("0123", ""),
        ("2026-03-01T12:00:00.000Z", "yesterday"),
        ("https://pub.example/a?b=%7E", "/a"),
        ("agent.example", "agent"),
        ("\"agent.example\"", "5"),
        ("{", "{\"url\":\"https://pub.example/\","),
        ("\"kid\":\"", "\"kid\":\"!"),
    ] {
        assert!(object.contains(old), "{old}");
        assert_eq!(
            read(&object.replacen(old, new, 1), &signature).unwrap_err().code(),
            "provenance.malformed",
            "{old}"
        );
    }
    assert_eq!(read(&object, "00").unwrap_err().code(), "provenance.malformed");
    let forged = read(&object.replace("0123", "0124"), &signature).unwrap();
    assert_eq!(forged.verify(&manifest("pub.example", 1)).unwrap_err().code(), "sig.invalid");
    let long = "A".repeat(MAX_RECEIPT_HEADER + 4);
    assert!(SignedReceipt::parse(long.as_bytes(), signature.as_bytes()).is_err());
}

#[test]
fn a_key_that_answers_later_signs_the_same() {
    let prepare = || receipt().prepare(key(1).public_key()).unwrap();
    let done = prepare().complete(key(1).sign(prepare().message())).unwrap();
    assert!(done == receipt().sign(&key(1)).unwrap());
    assert!(prepare().complete(key(2).sign(prepare().message())).is_err());
}

#[test]
fn headers_are_found_once() {
    let (value, signature) = values(&receipt()).unwrap();
    let (first, second): (HeaderLine<'_>, HeaderLine<'_>) =
        ((b"X-Imagxp-Provenance", value.as_bytes()), (b"x-imagxp-provenance-sig", signature.as_bytes()));
    assert!(SignedReceipt::from_headers(&[first, second]).is_ok());
    let code = |lines: &[HeaderLine<'_>]| SignedReceipt::from_headers(lines).unwrap_err().code();
    assert_eq!(code(&[]), "provenance.missing");
    assert_eq!(code(&[first]), "provenance.missing");
    assert_eq!(code(&[first, second, first]), "provenance.malformed");
}

#[test]
fn what_nobody_could_read_is_not_signed() {
    for bad in [
        Receipt { url: "/a".into(), ..receipt() },
        Receipt { trace_id: "a b".into(), ..receipt() },
        Receipt { ts: Timestamp::from_secs(0), ..receipt() },
        Receipt { url: format!("https://pub.example/{}", "a".repeat(13_000)), ..receipt() },
    ] {
        assert_eq!(bad.sign(&key(1)).unwrap_err().code(), "usage.argument");
    }
}
