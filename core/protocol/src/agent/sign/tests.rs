//! Tests of `sign.rs`.

use super::*;
use crate::agent_id::AgentId;
use crate::crypto::{Algorithm, PrivateKey};

fn sign<'a>(change: impl FnOnce(&mut SignRequest<'a>)) -> Result<SignedHeaders> {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(1);
        Ok(())
    };
    let key = PrivateKey::generate(Algorithm::Es256, fill)?;
    let mut request = SignRequest::new("GET", "https://pub.example/", Purpose::Summary);
    change(&mut request);
    Identity::parse("agent.example", key, false)?.sign(
        &request,
        Timestamp::from_secs(1_800_000_000),
        "0123456789abcdef",
    )
}

#[test]
fn a_key_that_answers_later_signs_the_same() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let generate = |byte: u8| {
            PrivateKey::generate(algorithm, &mut |bytes: &mut [u8]| {
                bytes.fill(byte);
                Ok(())
            })
        };
        let (key, other) = (generate(1).unwrap(), generate(2).unwrap());
        let agent = AgentId::parse("agent.example", false).unwrap();
        let elsewhere = Identity::with_public_key(agent.clone(), key.public_key().clone());
        let request = SignRequest {
            payment: Some("a.b.c"),
            compatible: true,
            ..SignRequest::new("GET", "https://pub.example/", Purpose::Summary)
        };
        let now = Timestamp::from_secs(1_800_000_000);
        let prepare = || elsewhere.prepare(&request, now, "0123456789abcdef").unwrap();
        let signature = key.sign(prepare().message());
        let done = prepare().complete(signature).unwrap();
        let at_once = Identity::new(agent.clone(), key).sign(&request, now, "0123456789abcdef").unwrap();
        assert_eq!(done.iter().collect::<Vec<_>>(), at_once.iter().collect::<Vec<_>>());
        assert_eq!(done.iter().count(), 5);

        let wrong = other.sign(prepare().message());
        assert_eq!(prepare().complete(wrong).unwrap_err().code(), "usage.signer");
        assert_eq!(elsewhere.sign(&request, now, "0123456789abcdef").unwrap_err().code(), "usage.signer");
        assert!(!format!("{:?}", prepare()).contains("agent.example"));
    }
}

#[test]
fn a_batch_is_signed_as_one_by_one() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = PrivateKey::generate(algorithm, &mut |bytes: &mut [u8]| {
            bytes.fill(3);
            Ok(())
        });
        let identity = Identity::parse("agent.example", key.unwrap(), false).unwrap();
        for count in [0, 1, 2, 15, 16, 17, 33, 50_i64] {
            let nonces: Vec<String> = (0..count).map(|at| format!("nonce-{at:012}")).collect();
            let urls: Vec<String> = (0..count).map(|at| format!("https://s{at}.example/{at}")).collect();
            let requests: Vec<_> = (0..count)
                .zip(nonces.iter().zip(&urls))
                .map(|(at, (nonce, url))| {
                    let purpose = Purpose::ALL[usize::try_from(at).unwrap() % Purpose::ALL.len()];
                    let request = SignRequest {
                        ads_displayed: (at % 2 == 0).then_some(true),
                        payment: (at % 3 == 0).then_some("a.b.c"),
                        ..SignRequest::new(if at % 5 == 0 { "POST" } else { "GET" }, url, purpose)
                    };
                    (request, Timestamp::from_secs(1_800_000_000 + at), nonce.as_str())
                })
                .collect();
            let one_by_one: Vec<_> = requests
                .iter()
                .map(|(request, now, nonce)| identity.sign(request, *now, nonce).unwrap())
                .collect();
            assert!(identity.sign_batch(&requests).unwrap() == one_by_one, "{count} of {algorithm}");
        }
    }
}

#[test]
fn a_batch_is_signed_whole_or_not_at_all() {
    struct Counting(PrivateKey, std::sync::atomic::AtomicUsize, bool);
    impl crate::crypto::Signer for Counting {
        fn public_key(&self) -> &crate::crypto::PublicKey {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<crate::crypto::Signature> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(self.0.sign(message))
        }
        fn sign_batch(&self, messages: &[&[u8]]) -> Result<Vec<crate::crypto::Signature>> {
            let made = messages.iter().map(|message| crate::crypto::Signer::sign(self, message));
            made.skip(usize::from(self.2)).collect()
        }
    }
    let key = || PrivateKey::from_pem(crate::crypto::fixtures::P256_PKCS8).unwrap();
    let agent = AgentId::parse("agent.example", false).unwrap();
    let identity = |short| {
        let signer = std::sync::Arc::new(Counting(key(), std::sync::atomic::AtomicUsize::new(0), short));
        (Identity::with_signer(agent.clone(), std::sync::Arc::<Counting>::clone(&signer)), signer)
    };
    let now = Timestamp::from_secs(1_800_000_000);
    let good = SignRequest::new("GET", "https://pub.example/", Purpose::Summary);
    let bad = SignRequest::new("GET", "/", Purpose::Summary);
    let (first, second) = ("0123456789abcdef", "0123456789abcdee");
    let (asked, signer) = identity(false);
    for (requests, says) in [
        (vec![(good.clone(), now, first), (bad, now, second)], "request 1: `/` is not"),
        (vec![(good.clone(), now, first), (good.clone(), now, first)], "request 1: an earlier request"),
        (vec![(good.clone(), now, "short")], "request 0: a nonce"),
    ] {
        let error = asked.sign_batch(&requests).unwrap_err();
        assert!(error.code() == "usage.argument" && error.message().starts_with(says), "{error}");
    }
    assert_eq!(signer.1.load(std::sync::atomic::Ordering::Relaxed), 0);
    let two = [(good.clone(), now, first), (good, now, second)];
    assert_eq!(asked.sign_batch(&two).unwrap().len(), 2);
    let (short, _) = identity(true);
    assert_eq!(short.sign_batch(&two).unwrap_err().code(), "usage.signer");
    let elsewhere = Identity::with_public_key(agent, key().public_key().clone());
    assert_eq!(elsewhere.sign_batch(&two).unwrap_err().code(), "usage.signer");
}

#[test]
fn what_no_publisher_would_accept_is_not_signed() {
    assert!(sign(|_| ()).is_ok());
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(300));
    for context in
        ["[]", "{", "{\"a\":1,\"a\":2}", "{\"ads_displayed\":1}", "{\"n\":6.1e20}", "{\"n\":1e400}", &many]
    {
        assert_eq!(
            sign(|request| request.context = Some(context)).unwrap_err().code(),
            "usage.argument",
            "{context}"
        );
    }
    for url in ["", "/path", "https://u@pub.example/", "https://pub.example/#x", "ftp://pub.example/"] {
        assert_eq!(sign(|request| request.url = url).unwrap_err().code(), "usage.argument", "{url}");
    }
    for method in ["", "get", "GET "] {
        assert_eq!(sign(|request| request.method = method).unwrap_err().code(), "usage.argument", "{method}");
    }
    for token in ["", "a b", "a\nb", "é"] {
        assert_eq!(
            sign(|request| request.payment = Some(token)).unwrap_err().code(),
            "usage.argument",
            "{token}"
        );
    }
}
