//! Cloudflare's web-bot-auth: an HTTP message signature (RFC 9421) over `@authority`, `@method` and `@path`, Ed25519, which is the one algorithm that
//! it has; its expiry is checked, and its nonce is looked up in a set and put there. Ed25519 is the quicker algorithm without tables.

use crate::worker::{Rows, timed};
use std::collections::HashSet;
use std::hint::black_box;
use std::time::Duration;
use web_bot_auth::WebBotAuthVerifier;
use web_bot_auth::components::{CoveredComponent, DerivedComponent, HTTPField};
use web_bot_auth::keyring::{Algorithm, KeyRing};
use web_bot_auth::message_signatures::{MessageSigner, SignedMessage, UnsignedMessage};

struct Message {
    input: String,
    signature: String,
}

const SEED: [u8; 32] = [9; 32];

impl UnsignedMessage for Message {
    fn fetch_components_to_cover(&self) -> indexmap::IndexMap<CoveredComponent, String> {
        let part = |component, value: &str| (CoveredComponent::Derived(component), value.to_owned());
        indexmap::IndexMap::from_iter([
            part(DerivedComponent::Authority { req: false }, "pub.example"),
            part(DerivedComponent::Method { req: false }, "GET"),
            part(DerivedComponent::Path { req: false }, "/2026/03/01/what-the-spring-tides-left-behind"),
        ])
    }

    fn register_header_contents(&mut self, input: String, signature: String) {
        self.input = format!("sig1={input}");
        self.signature = format!("sig1={signature}");
    }
}

impl SignedMessage for Message {
    fn lookup_component(&self, name: &CoveredComponent) -> Vec<String> {
        match name {
            CoveredComponent::HTTP(HTTPField { name, .. }) if name == "signature" => {
                vec![self.signature.clone()]
            }
            CoveredComponent::HTTP(HTTPField { name, .. }) if name == "signature-input" => {
                vec![self.input.clone()]
            }
            CoveredComponent::Derived(DerivedComponent::Authority { .. }) => vec!["pub.example".to_owned()],
            CoveredComponent::Derived(DerivedComponent::Method { .. }) => vec!["GET".to_owned()],
            CoveredComponent::Derived(DerivedComponent::Path { .. }) => {
                vec!["/2026/03/01/what-the-spring-tides-left-behind".to_owned()]
            }
            _ => vec![],
        }
    }
}

pub fn add(rows: &mut Rows) {
    rows.add("web-bot-auth/verify", || {
        let public = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
        let public = aws_lc_rs::signature::KeyPair::public_key(&public).as_ref().to_vec();
        let mut ring = KeyRing::default();
        ring.import_raw("key-1".to_owned(), Algorithm::Ed25519, public);
        let (mut seen, mut number) = (HashSet::new(), 0u64);
        Box::new(move |count| {
            let messages: Vec<Message> = (0..count)
                .map(|_| {
                    number += 1;
                    let mut message = Message { input: String::new(), signature: String::new() };
                    let signer = MessageSigner {
                        keyid: "key-1".into(),
                        nonce: format!("6f1c9d1e-9d7a-4f7c-9b5e-{number:012x}"),
                        tag: "web-bot-auth".into(),
                    };
                    signer
                        .generate_signature_headers_content(
                            &mut message,
                            Duration::from_secs(3600),
                            Algorithm::Ed25519,
                            &SEED.to_vec(),
                        )
                        .unwrap();
                    message
                })
                .collect();
            timed(|| {
                for message in &messages {
                    let verifier = WebBotAuthVerifier::parse(black_box(message)).unwrap();
                    let details = &verifier.get_parsed_label().base.parameters.details;
                    assert_eq!(details.possibly_insecure(|_| false).is_expired, Some(false));
                    assert!(seen.insert(details.nonce.clone().unwrap()));
                    verifier.verify(&ring, None).unwrap();
                }
            })
        })
    });
}
