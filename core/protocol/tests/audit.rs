//! The audit log's pure part: proofs against the published vectors, step 13 of the pipeline, evidence.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::memory::{Memory, evidence};
use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::audit::{Evidence, Log, SignedCheckpoint, proof};
use imagxp::crypto::Algorithm;
use imagxp::encoding::base64_decode;
use imagxp::publisher::Outcome;
use imagxp::{Code, Publisher, Purpose, Timestamp};
use std::sync::Arc;

#[test]
fn all_196_published_proofs() {
    let Some(path) = common::vectors("merkle/rfc6962_proofs.json") else { return };
    let suite: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let hash = |value: &serde_json::Value| -> Option<[u8; 32]> {
        // Some roots are no hashes but words, which our types cannot hold: equal words become equal hashes.
        let bytes = base64_decode(value.as_str()?.as_bytes()).filter(|bytes| !bytes.is_empty())?;
        Some(
            <[u8; 32]>::try_from(bytes)
                .unwrap_or_else(|word| imagxp::digest::sha256(&[b"word", &word[..]].concat())),
        )
    };
    let hashes = |value: &serde_json::Value| -> Option<Vec<[u8; 32]>> {
        value.as_array().map_or(Some(Vec::new()), |list| list.iter().map(hash).collect())
    };
    let mut count = 0;
    for case in suite["inclusion"].as_array().unwrap() {
        let accepted = || {
            let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
            let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
            proof::verify_inclusion(index, size, &leaf, &hashes(&case["proof"])?, &root).ok()
        };
        assert_eq!(accepted().is_none(), case["wantErr"].as_bool().unwrap(), "{}", case["file"]);
        count += 1;
    }
    for case in suite["consistency"].as_array().unwrap() {
        let accepted = || {
            let (old, new) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
            let (old_root, new_root) = (hash(&case["root1"])?, hash(&case["root2"])?);
            proof::verify_consistency(old, new, &hashes(&case["proof"])?, &old_root, &new_root).ok()
        };
        assert_eq!(accepted().is_none(), case["wantErr"].as_bool().unwrap(), "{}", case["file"]);
        count += 1;
    }
    assert_eq!(count, 196);
}

fn audited(json: &str, sink: Memory) -> (Publisher, Arc<Memory>) {
    let sink = Arc::new(sink);
    (know(Publisher::new(policy(json), [7; 16]).with_audit(Arc::clone(&sink) as _)), sink)
}

const NONCE: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn each_decided_verdict_is_recorded_once() {
    let (publisher, sink) = audited(POLICY, Memory::default());
    let good = Signed::read(NONCE);
    let allowed = good.verify(&publisher);
    let replayed = good.verify(&publisher);
    let training = Signed::new(
        &identity(1),
        &SignRequest::new("GET", URL, Purpose::CrawlTraining),
        now(),
        "0123456789abcdef",
    );
    let denied = training.verify(&publisher);
    let broken = Signed::read(NONCE).with("x-imagxp-payload", "e30=").verify(&publisher);
    good.act(|request| publisher.explain(request, now()));
    let mut unsigned = good.clone();
    unsigned.headers.clear();
    unsigned.verify(&publisher);
    let records = sink.verdicts();
    assert_eq!(records.len(), 4, "explanations and visitors without a signature leave none");
    for (record, verdict) in records.iter().zip([&allowed, &replayed, &denied, &broken]) {
        assert_eq!((record.outcome, record.code, record.http), (verdict.outcome, verdict.code, verdict.http));
        assert_eq!((&record.trace_id, &record.agent_id), (&verdict.trace_id, &verdict.agent_id));
        assert_eq!((record.time, record.policy), (now(), *publisher.policy().hash()));
    }
    assert_eq!((records[0].url.as_str(), records[0].method.as_str()), (URL, "GET"));
    assert_eq!(records[0].claim().unwrap().nonce(), NONCE);
    let bytes = manifest(&[1]);
    assert!(records[0].verify_request(Some(&bytes)).unwrap());
    assert!(!records[1].verify_request(None).unwrap(), "a replay is refused before the signature is checked");
    assert!(records[2].verify_request(Some(&bytes)).unwrap(), "denied, but verified");
    assert!(records[3].payload.is_none(), "two payloads are none");
    for wrong in [None, Some(manifest(&[2])), Some(b"{}".to_vec())] {
        assert!(records[0].verify_request(wrong.as_deref()).is_err());
    }
}

#[test]
fn unsigned_visitors_when_asked_for() {
    let (publisher, sink) = audited(POLICY, Memory { unsigned: true, ..Memory::default() });
    let mut unsigned = Signed::read(NONCE);
    unsigned.headers.clear();
    unsigned.verify(&publisher);
    assert_eq!(sink.verdicts()[0].visitor.as_str(), "unsigned_client");
}

#[test]
fn what_waits_is_recorded_when_it_is_decided() {
    let sink = Arc::new(Memory::default());
    let publisher = Publisher::new(policy(POLICY), [7; 16]).with_audit(Arc::clone(&sink) as _);
    let first = Signed::read(NONCE).start(&publisher, now());
    assert_eq!(first.verdict.code, Some(Code::IdentityManifestNeeded));
    assert!(sink.verdicts().is_empty());
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    let later = now().saturating_add_secs(2);
    let second = publisher.resume(first.pending.unwrap(), later);
    assert_eq!(second.verdict.outcome, Outcome::Allow);
    let records = sink.verdicts();
    assert_eq!((records.len(), records[0].time, records[0].decided), (1, now(), later));
}

#[test]
fn a_body_that_is_not_read_yet_leaves_no_record() {
    let (publisher, sink) = audited(POLICY, Memory::default());
    let body = imagxp::digest::content_digest(b"body");
    let ask =
        SignRequest { content_digest: Some(&body), ..SignRequest::new("GET", URL, Purpose::RagRetrieval) };
    let verify = |nonce: &str, digest: Option<&str>| {
        let mut signed = Signed::new(&identity(1), &ask, now(), nonce);
        signed.body_digest = digest.map(str::to_owned);
        signed.verify(&publisher).code
    };
    let mismatch = Some(Code::ClaimDigestMismatch);
    assert_eq!(verify("0123456789abcde0", None), mismatch);
    assert!(sink.verdicts().is_empty(), "it comes again when its body has been read");
    assert_eq!(verify("0123456789abcde0", Some(&body)), None);
    // An empty digest: nobody will read it.
    assert_eq!(verify("0123456789abcde1", Some("")), mismatch);
    assert_eq!(verify("0123456789abcde2", Some("sha-256=:AAAA:")), mismatch);
    let codes: Vec<_> = sink.verdicts().iter().map(|record| record.code).collect();
    assert_eq!(codes, [None, mismatch, mismatch]);
    let lines = sink.state.lock().unwrap().1.clone();
    let lines = lines.into_iter().map(|line| String::from_utf8(line).unwrap());
    let verdicts = lines.filter(|line| line.contains(r#""type":"verdict""#));
    let known: Vec<_> = verdicts.map(|line| line.contains("body_digest")).collect();
    assert_eq!(known, [true, false, true]);
}

/// A machine may boot in 1970, or in whatever year its battery left it: what was recorded by then is read all the same.
#[test]
fn a_record_of_any_time_is_read() {
    let (publisher, sink) = audited(POLICY, Memory::default());
    let times = [Timestamp::from_secs(5), Timestamp::from_millis(-1)].into_iter().chain(
        [i64::MIN, -62_167_219_200_001, 4_133_980_800_000, 253_402_300_800_000, i64::MAX]
            .map(Timestamp::from_millis),
    );
    let mut expected = Vec::new();
    for time in times {
        let early = time < now();
        let code = if early { Code::TimeFuture } else { Code::TimeExpired };
        assert_eq!(Signed::read(NONCE).start(&publisher, time).verdict.code, Some(code), "{time}");
        expected.push(time);
    }
    let records = sink.verdicts();
    assert_eq!(records.iter().map(|record| record.time).collect::<Vec<_>>(), expected);
    assert!(records[0].summary().starts_with("1970-01-01T00:00:05.000Z deny time.future"));
}

#[test]
fn the_manifest_in_force_is_kept_byte_for_byte() {
    let (publisher, sink) = audited(POLICY, Memory::default());
    let spaced = [b" ", manifest(&[1]).as_slice(), b"\n"].concat();
    publisher.supply(MANIFEST_URL, &spaced, None, now()).unwrap();
    Signed::read(NONCE).verify(&publisher);
    assert!(sink.verdicts()[0].verify_request(Some(&spaced)).unwrap());
    // One that came before there was a log is written anew.
    let late = Arc::new(Memory::default());
    let publisher = publisher_with_late_log(&late);
    Signed::read(NONCE).verify(&publisher);
    assert!(late.verdicts()[0].verify_request(Some(&manifest(&[1]))).unwrap());
}

fn publisher_with_late_log(sink: &Arc<Memory>) -> Publisher {
    publisher(POLICY).with_audit(Arc::clone(sink) as _)
}

#[test]
fn a_log_that_takes_no_record_leaves_nothing_decided() {
    let (publisher, _) = audited(POLICY, Memory { broken: true, ..Memory::default() });
    let verdict = Signed::read(NONCE).verify(&publisher);
    assert_eq!(
        (verdict.outcome, verdict.code, verdict.http),
        (Outcome::Undecided, Some(Code::AuditUnavailable), 503)
    );
    assert!(verdict.detail.unwrap().contains("the disk is full") && verdict.needs.is_empty());
    let observing = POLICY.replacen("{\"version\":1", "{\"version\":1,\"mode\":\"observe\"", 1);
    let (publisher, _) = audited(&observing, Memory { broken: true, ..Memory::default() });
    let verdict = Signed::read(NONCE).verify(&publisher);
    assert_eq!((verdict.outcome, verdict.would_deny), (Outcome::Allow, true));
    assert_eq!(verdict.code, Some(Code::AuditUnavailable));
}

#[test]
fn observing_is_recorded_as_such() {
    let json = POLICY.replacen("{\"version\":1", "{\"version\":1,\"mode\":\"observe\"", 1);
    let (publisher, sink) = audited(&json, Memory::default());
    let training =
        Signed::new(&identity(1), &SignRequest::new("GET", URL, Purpose::CrawlTraining), now(), NONCE);
    training.verify(&publisher);
    let record = &sink.verdicts()[0];
    assert_eq!((record.outcome, record.would_deny, record.http), (Outcome::Allow, true, 200));
    assert_eq!(record.code, Some(Code::PolicyPurposeDenied));
}

#[test]
fn no_visa_is_ever_written() {
    let (publisher, sink) = audited(POLICY, Memory::default());
    let token = visa("jti-0001", |_| ());
    let request = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    Signed::new(&identity(1), &request, now(), NONCE).with("cookie", "TOPSECRET").verify(&publisher);
    let record = &sink.verdicts()[0];
    assert_eq!((record.payment.as_str(), record.jti.as_deref()), ("visa", Some("jti-0001")));
    assert_eq!(record.token_sha256, Some(imagxp::digest::sha256(token.as_bytes())));
    let lines = sink.state.lock().unwrap().1.concat();
    let text = String::from_utf8(lines).unwrap();
    for part in token.split('.') {
        assert!(!text.contains(part));
    }
    assert!(!text.contains("TOPSECRET"));
}

#[test]
fn key_only_records_carry_their_key() {
    let json = POLICY.replacen("{\"version\":1", "{\"version\":1,\"identity\":\"key_only\"", 1);
    let sink = Arc::new(Memory::default());
    let publisher = Publisher::new(policy(&json), [7; 16]).with_audit(Arc::clone(&sink) as _);
    Signed::read(NONCE).verify(&publisher);
    let mut record = sink.verdicts().remove(0);
    assert_eq!((record.binding.as_str(), record.manifest), ("key_only", None));
    assert!(record.verify_request(None).unwrap());
    record.public_key = Some(key(2, Algorithm::Es256).public_key().clone());
    assert_eq!(record.verify_request(None).unwrap_err().code(), "audit.altered");
}

#[test]
fn evidence_proves_itself_and_any_change_is_found() {
    let evidence = evidence(Algorithm::EdDsa);
    let keys = [evidence.public_key.clone()];
    let json = evidence.to_json().unwrap();
    let proven = Evidence::parse(&json).unwrap().verify(&keys).unwrap();
    assert_eq!((proven.number, proven.size, proven.origin.as_str()), (7, 20, "pub.example/audit"));
    assert!(proven.request_verified && proven.key_known);
    assert_eq!(proven.verdict.agent_id.unwrap().as_str(), AGENT);
    assert!(!Evidence::parse(&json).unwrap().verify(&[]).unwrap().key_known);
    let stranger = [key(6, Algorithm::EdDsa).public_key().clone()];
    assert_eq!(Evidence::parse(&json).unwrap().verify(&stranger).unwrap_err().code(), "audit.altered");
    let canonical = imagxp::json::canonicalize(&json, &imagxp::json::Limits::INTERCHANGE).unwrap();
    assert_eq!(canonical, json);
    for at in 0..json.len() {
        let mut bent = json.clone();
        bent[at] ^= 1;
        let Ok(read) = Evidence::parse(&bent) else { continue };
        assert!(read.verify(&keys).is_err(), "byte {at} of {}", json.len());
    }
}

#[test]
fn evidence_of_es256_publishers_and_what_is_none() {
    let good = evidence(Algorithm::Es256);
    assert!(good.verify(&[]).is_ok());
    let code = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = good.clone();
        change(&mut evidence);
        evidence.verify(&[]).unwrap_err().code()
    };
    assert_eq!(code(&|e| e.manifest = None), "audit.malformed");
    assert_eq!(code(&|e| e.manifest = Some(manifest(&[1, 2]))), "audit.altered");
    assert_eq!(code(&|e| e.proof[0][0] ^= 1), "audit.proof_invalid");
    assert_eq!(code(&|e| e.proof.truncate(e.proof.len() - 1)), "audit.proof_invalid");
    assert_eq!(code(&|e| e.public_key = key(6, Algorithm::Es256).public_key().clone()), "audit.altered");
    assert_eq!(code(&|e| e.checkpoint = e.checkpoint.replace("\n20\n", "\n21\n")), "audit.altered");
    let json = String::from_utf8(good.to_json().unwrap()).unwrap();
    for bad in [
        json.replace("evidence/1", "evidence/2"),
        json.replace("\"proof\":[", "\"proof\":[0,"),
        json.replacen('{', "{\"zzz\":1,", 1),
        json.replace("\"record\":{", "\"record\":{\"body\":1,"),
        String::new(),
        "[]".into(),
        format!("{}{json}", " ".repeat(600_000)),
    ] {
        assert_eq!(Evidence::parse(bad.as_bytes()).unwrap_err().code(), "audit.malformed", "{bad:.60}");
    }
}

#[test]
fn a_log_is_consistent_with_its_own_past() {
    let signer = key(5, Algorithm::EdDsa);
    let (mut log, mut leaves, mut notes) = (Log::new(), Vec::new(), Vec::new());
    for number in 0..50 {
        let mut line = Vec::new();
        log.append(format!("{{\"n\":{number}}}").as_bytes(), &mut line).unwrap();
        leaves.push(imagxp::audit::tree::leaf_hash(&line));
        notes.push(log.checkpoint("pub.example/audit").sign(&signer).unwrap());
    }
    let read = |note: &String| SignedCheckpoint::parse(note.as_bytes()).unwrap().checkpoint().clone();
    let new = read(&notes[49]);
    for old in notes.iter().map(read) {
        let mut plan = proof::Plan::consistency(old.size, new.size).unwrap();
        leaves.iter().for_each(|leaf| plan.feed(*leaf));
        let proof = plan.finish().unwrap();
        proof::verify_consistency(old.size, new.size, &proof, &old.root, &new.root).unwrap();
    }
    assert_eq!(Timestamp::parse("2026-03-01T12:00:00Z"), Some(now()));
}
