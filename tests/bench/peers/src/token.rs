//! jsonwebtoken on aws-lc: a token with the members of a claim, ES256, `exp` checked, read into a struct, and its nonce looked up in a
//! set and put there. No canonical form, no policy, no verdict: less work than ours.

use crate::raw::pair;
use crate::worker::{Rows, timed};
use aws_lc_rs::signature::KeyPair as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use std::collections::HashSet;
use std::hint::black_box;

#[derive(serde::Serialize, serde::Deserialize)]
struct Claim {
    v: String,
    agent_id: String,
    purpose: String,
    exp: u64,
    nonce: String,
    resource: String,
    method: String,
}

pub fn add(rows: &mut Rows) {
    rows.add("jsonwebtoken/verify", || {
        let pem = p256::SecretKey::from_slice(&[7; 32]).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
        let signing = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        let point = pair().0.public_key().as_ref().to_vec();
        let key = DecodingKey::from_ec_der(&point);
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["exp"]);
        let (mut seen, mut number) = (HashSet::new(), 0u64);
        Box::new(move |count| {
            let tokens: Vec<String> = (0..count)
                .map(|_| {
                    number += 1;
                    let claim = Claim {
                        v: "1.1".into(),
                        agent_id: "crawler-0.agents.example".into(),
                        purpose: "RAG_RETRIEVAL".into(),
                        exp: 4_000_000_000,
                        nonce: format!("6f1c9d1e-9d7a-4f7c-9b5e-{number:012x}"),
                        resource: "https://pub.example/2026/03/01/what-the-spring-tides-left-behind?page=2"
                            .into(),
                        method: "GET".into(),
                    };
                    encode(&Header::new(Algorithm::ES256), &claim, &signing).unwrap()
                })
                .collect();
            timed(|| {
                for token in &tokens {
                    let claim = decode::<Claim>(black_box(token), &key, &validation).unwrap().claims;
                    assert!(seen.insert(claim.nonce) && claim.method == "GET");
                }
            })
        })
    });
}
