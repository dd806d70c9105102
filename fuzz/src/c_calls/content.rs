//! Calls about content: what a site says of itself, receipts, feedback, hashes, evidence.

use super::caller::{Blob, Caller, Pick};
use super::tables::Kind::*;
use crate::c::*;
use arbitrary::Arbitrary;
use std::ptr::null_mut;

#[rustfmt::skip] // a line for each call
#[derive(Arbitrary, Debug)]
pub enum Content<'a> {
    Robots { status: u16, body: Blob<'a> },
    RobotsAsked { robots: Pick, product: Blob<'a>, path: Blob<'a>, index: u8 },
    Link { value: Blob<'a>, page: Blob<'a>, cache_control: Blob<'a> },
    Preferences { url: Blob<'a>, product: Blob<'a> },
    Source { preferences: Pick, which: u8, status: u16, name: Blob<'a>, text: Blob<'a> },
    SignReceipt { key: Pick, url: Blob<'a>, sha256: Blob<'a>, origin: u32, trace: Blob<'a>, agent: Blob<'a>, now: i64, at_now: bool },
    ParseReceipt { provenance: Blob<'a>, signature: Blob<'a> },
    /// The receipt whose headers were signed.
    SignedReceipt { headers: Pick },
    CheckReceipt { receipt: Pick, manifest: Pick, url: Blob<'a>, sha256: Blob<'a>, agent: Blob<'a>, now: i64, at_now: bool, loopback: bool },
    SignFeedback { identity: Pick, url: Blob<'a>, score: u32, reason: u32, jti: Blob<'a>, sha256: Blob<'a>, nonce: Blob<'a>, now: i64, at_now: bool },
    Feedback { publisher: Pick, value: Blob<'a>, carrier: Pick, now: i64, at_now: bool },
    Hasher,
    Evidence { evidence: Blob<'a>, key: Pick },
    Inclusion { checkpoint: Blob<'a>, key: Pick, entry: Blob<'a>, proof: Blob<'a> },
}

impl Content<'_> {
    pub fn run(&self, caller: &mut Caller) {
        // SAFETY (all of them): as in the target.
        unsafe {
            match self {
                Self::Robots { status, body } => {
                    let body = caller.slice(body);
                    caller.make(Robots, |out, error| imagxp_robots_parse((*status).into(), body, out, error));
                }
                Self::RobotsAsked { robots, product, path, index } => {
                    let (robots, product, path) =
                        (caller.handle(Robots, *robots), caller.slice(product), caller.slice(path));
                    core::hint::black_box(imagxp_robots_allows(robots, product, path));
                    caller.bytes(|out, error| {
                        imagxp_robots_policy_url(robots, product, usize::from(*index), out, error)
                    });
                }
                Self::Link { value, page, cache_control } => {
                    let (value, page) = (caller.slice(value), caller.slice(page));
                    core::hint::black_box(imagxp_max_age(caller.slice(cache_control)));
                    caller.bytes(|out, error| imagxp_link_policy_url(value, page, out, error));
                }
                Self::Preferences { url, product } => {
                    let (url, product) = (caller.slice(url), caller.slice(product));
                    caller.make(Preferences, |out, error| imagxp_preferences_new(url, product, out, error));
                }
                Self::Source { preferences, which, status, name, text } => {
                    let preferences = caller.handle(Preferences, *preferences);
                    let (name, text) = (caller.slice(name), caller.slice(text));
                    caller.call(|error| match which % 3 {
                        0 => imagxp_preferences_robots(preferences, (*status).into(), text, error),
                        1 => imagxp_preferences_header(preferences, name, text, error),
                        _ => imagxp_preferences_rsl(preferences, name, text, error),
                    });
                }
                Self::SignReceipt { key, url, sha256, origin, trace, agent, now, at_now } => {
                    let (key, now) = (caller.handle(Key, *key), caller.time(*now, *at_now));
                    let (url, sha256) = (caller.slice(url), caller.slice(sha256));
                    let (trace, agent) = (caller.slice(trace), caller.slice(agent));
                    caller.make(Headers, |out, error| {
                        imagxp_receipt_sign(key, url, sha256, origin % 5, trace, agent, now, out, error)
                    });
                }
                Self::ParseReceipt { provenance, signature } => {
                    let (provenance, signature) = (caller.slice(provenance), caller.slice(signature));
                    caller
                        .make(Receipt, |out, error| imagxp_receipt_parse(provenance, signature, out, error));
                }
                Self::SignedReceipt { headers } => {
                    let headers = caller.handle(Headers, *headers);
                    let (provenance, signature) =
                        (imagxp_headers_value(headers, 0), imagxp_headers_value(headers, 1));
                    caller
                        .make(Receipt, |out, error| imagxp_receipt_parse(provenance, signature, out, error));
                }
                Self::CheckReceipt { receipt, manifest, url, sha256, agent, now, at_now, loopback } => {
                    let (receipt, manifest) =
                        (caller.handle(Receipt, *receipt), caller.handle(Manifest, *manifest));
                    let (url, sha256, agent) = (caller.slice(url), caller.slice(sha256), caller.slice(agent));
                    let now = caller.time(*now, *at_now);
                    core::hint::black_box(imagxp_receipt_time_ms(receipt));
                    caller.call(|error| imagxp_receipt_verify(receipt, manifest, error));
                    caller.call(|error| imagxp_receipt_check(receipt, url, sha256, agent, now, error));
                    caller.bytes(|out, error| imagxp_receipt_manifest_url(receipt, *loopback, out, error));
                }
                Self::SignFeedback { identity, url, score, reason, jti, sha256, nonce, now, at_now } => {
                    let (identity, now) = (caller.handle(Identity, *identity), caller.time(*now, *at_now));
                    let (url, jti) = (caller.slice(url), caller.slice(jti));
                    let (sha256, nonce) = (caller.slice(sha256), caller.slice(nonce));
                    let (score, reason) = (score % 1_000_002, reason % 8);
                    caller.bytes(|out, error| {
                        imagxp_identity_feedback(
                            identity, url, score, reason, jti, sha256, now, nonce, out, error,
                        )
                    });
                }
                Self::Feedback { publisher, value, carrier, now, at_now } => {
                    let publisher = caller.handle(Publisher, *publisher);
                    let (value, carrier) = (caller.slice(value), caller.handle(Verdict, *carrier));
                    let now = caller.time(*now, *at_now);
                    let mut feedback: Handle = null_mut();
                    let taken: *mut Handle = if caller.output { &mut feedback } else { null_mut() };
                    caller.make(Verdict, |out, error| {
                        imagxp_publisher_feedback(publisher, value, carrier, now, out, taken, error)
                    });
                    if !feedback.is_null() {
                        caller.handles.entry(Feedback).or_default().push(feedback);
                    }
                }
                Self::Hasher => caller.make(Hasher, |out, error| imagxp_hasher_new(out, error)),
                Self::Evidence { evidence, key } => {
                    let (evidence, key) = (caller.slice(evidence), caller.handle(PublicKey, *key));
                    caller.bytes(|out, error| imagxp_audit_verify_evidence(evidence, key, out, error));
                }
                Self::Inclusion { checkpoint, key, entry, proof } => {
                    let (checkpoint, key) = (caller.slice(checkpoint), caller.handle(PublicKey, *key));
                    let (entry, proof) = (caller.slice(entry), caller.slice(proof));
                    let mut size = 0;
                    let out: *mut u64 = if caller.output { &mut size } else { null_mut() };
                    caller.call(|error| {
                        imagxp_audit_verify_inclusion(checkpoint, key, entry, proof, out, error)
                    });
                }
            }
        }
    }
}
