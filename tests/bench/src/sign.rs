//! What a reader pays, and the small parts of a verdict.

use crate::worker::{Row, Rows, timed};
use crate::world::{self, URL, now};
use imagxp::Purpose;
use imagxp::agent::SignRequest;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore as _};
use p256::ecdsa::signature::Signer as _;
use std::hint::black_box;

/// Adds the rows of this file.
pub(crate) fn add(rows: &mut Rows) {
    rows.add("sign/headers", sign);
    for size in [8, 64] {
        rows.add(format!("sign/batch-{size}"), move || batch(size));
    }
    rows.add("raw/sign", raw);
    rows.add("part/replay", replay);
    rows.add("part/sha256", sha256);
    rows.add("part/parse", parse);
}

/// Claim, canonical form, signature, headers.
fn sign() -> Row {
    let agent = world::agent(0);
    let mut nonces = nonces();
    Box::new(move |count| {
        let nonces: Vec<String> = nonces.by_ref().take(count).collect();
        timed(|| {
            for nonce in &nonces {
                black_box(agent.sign(black_box(&request()), now(), nonce).unwrap());
            }
        })
    })
}

/// The same, so many at a time.
fn batch(size: usize) -> Row {
    let agent = world::agent(0);
    let mut nonces = nonces();
    Box::new(move |count| {
        let nonces: Vec<String> = nonces.by_ref().take(count).collect();
        let requests: Vec<_> = nonces.iter().map(|nonce| (request(), now(), nonce.as_str())).collect();
        timed(|| {
            for requests in requests.chunks(size) {
                black_box(agent.sign_batch(black_box(requests)).unwrap());
            }
        })
    })
}

fn request() -> SignRequest<'static> {
    SignRequest::new("GET", URL, Purpose::RagRetrieval)
}

fn nonces() -> impl Iterator<Item = String> {
    (1u64..).map(|number| format!("6f1c9d1e-9d7a-4f7c-9b5e-{number:012x}"))
}

/// The signature alone, low-s, by the crate and the profile that the core uses.
fn raw() -> Row {
    let der = world::key(0).to_pkcs8_der();
    let key = <p256::ecdsa::SigningKey as p256::pkcs8::DecodePrivateKey>::from_pkcs8_der(&der).unwrap();
    Box::new(move |count| {
        timed(|| {
            for number in 0..count {
                let mut message = [b'x'; 290];
                message[..8].copy_from_slice(&number.to_le_bytes());
                let signature: p256::ecdsa::Signature = key.try_sign(black_box(&message)).unwrap();
                black_box(signature.normalize_s());
            }
        })
    })
}

/// One nonce more, among few.
fn replay() -> Row {
    let store = MemoryReplayStore::default();
    let mut random = world::Random(2);
    let expires_at = now().saturating_add_secs(330);
    Box::new(move |count| {
        let entries: Vec<ReplayEntry> = (0..count)
            .map(|_| {
                let mut key = [0; 16];
                key[..8].copy_from_slice(&random.next().to_le_bytes());
                ReplayEntry { key, agent: [key[0] % 8; 16], expires_at }
            })
            .collect();
        timed(|| {
            for entry in &entries {
                assert_eq!(store.insert_if_absent(black_box(entry), now()), Insert::Fresh);
            }
        })
    })
}

/// The hash that is part of verifying an ES256 signature over a claim.
fn sha256() -> Row {
    Box::new(|count| {
        let claim = [b'x'; 290];
        timed(|| {
            for _ in 0..count {
                black_box(imagxp::digest::sha256(black_box(&claim)));
            }
        })
    })
}

/// A claim of 290 bytes, read strictly.
fn parse() -> Row {
    let agent = world::agent(0);
    let mut signed = world::Signed::new(&agent, URL, 1, None);
    let claim = imagxp::encoding::base64_decode(signed.header_mut("x-imagxp-payload")).unwrap();
    Box::new(move |count| {
        timed(|| {
            for _ in 0..count {
                black_box(imagxp::json::parse(black_box(&claim), &imagxp::json::Limits::CLAIM).unwrap());
            }
        })
    })
}
