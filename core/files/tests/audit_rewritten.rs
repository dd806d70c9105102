//! A log that somebody without the key has written anew: whoever holds the files, the chain alone stops nobody.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

#[path = "support/audit.rs"]
mod support;

use imagxp::audit::{Frame, Log};
use imagxp::encoding::base64_encode;
use imagxp::{Publisher, Timestamp};
use imagxp_files::audit::{AuditLog, Options};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::*;

/// The header of a file that begins where the log stands.
fn header(log: &Log) -> String {
    let range: Vec<String> =
        log.tree().nodes().iter().map(|node| format!("\"{}\"", base64_encode(node))).collect();
    format!(
        "{{\"first\":{},\"imagxp_log\":1,\"origin\":\"{ORIGIN}\",\"prev\":\"{}\",\"range\":[{}]}}\n",
        log.size(),
        base64_encode(log.last()),
        range.join(",")
    )
}

/// Writes the log anew without its key, each denial from this entry on an allowance: chain, tree and headers hold.
fn rewrite(folder: &Path, from: u64) {
    let mut log = Log::new();
    for (path, bytes) in contents(folder) {
        if path.ends_with("checkpoints") {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let mut file = header(&log).into_bytes();
        for line in text.lines().skip(1) {
            let frame = Frame::parse(line.as_bytes()).unwrap();
            let body = String::from_utf8(frame.body.to_vec()).unwrap();
            let body = if frame.number < from { body } else { body.replace("\"deny\"", "\"allow\"") };
            log.append(body.as_bytes(), &mut file).unwrap();
            file.push(b'\n');
        }
        // Its name is still that of its first entry.
        fs::write(path, file).unwrap();
    }
}

fn one_file(folder: &Path) -> Publisher {
    let options = Options { file_bytes: 1 << 20, checkpoint_entries: 4, ..options() };
    let log = Arc::new(AuditLog::open(folder, signer(), options).unwrap());
    know(Publisher::new(policy(POLICY), [7; 16]).with_audit(log as _))
}

fn read(publisher: &Publisher, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let training = number % 2 == 1;
        let purpose = if training { imagxp::Purpose::CrawlTraining } else { imagxp::Purpose::RagRetrieval };
        let ask = imagxp::agent::SignRequest::new("GET", URL, purpose);
        Signed::new(&identity(1), &ask, now(), &format!("nonce-{number:012}")).verify(publisher);
    }
}

#[test]
fn a_log_that_was_rewritten_is_not_intact_without_its_checkpoints() {
    // In several files, and in one.
    for several in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        if several {
            fill(folder.path(), 24)
        } else {
            read(&one_file(folder.path()), 0..24)
        }
        assert_eq!(sound(folder.path()).files > 2, several);
        rewrite(folder.path(), 0);
        assert!(!report(folder.path()).is_intact());
        fs::remove_file(folder.path().join("checkpoints")).unwrap();
        let report = report(folder.path());
        assert_eq!((report.sealed, report.checkpoints), (0, 0));
        assert!(report.findings.iter().any(|finding| finding.file == "checkpoints"), "{:?}", report.findings);
    }
}

#[test]
fn a_checkpoint_vouches_for_the_beginning_of_each_file() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 24);
    let notes = fs::read_to_string(folder.path().join("checkpoints")).unwrap();
    let first: String = notes.split_inclusive("\n\n").take(2).collect();
    let sealed: u64 = first.lines().nth(1).unwrap().parse().unwrap();
    rewrite(folder.path(), sealed);
    fs::write(folder.path().join("checkpoints"), &first).unwrap();
    let report = report(folder.path());
    let found =
        |finding: &&imagxp_files::audit::Finding| finding.message.contains("vouches for the beginning");
    let unvouched: Vec<_> = report.findings.iter().filter(found).collect();
    assert_eq!(unvouched.len() as u64, report.files - 1, "{:?}", report.findings);
    assert_eq!((unvouched[0].line, report.sealed), (1, sealed));
}

#[test]
fn of_one_file_the_report_says_how_much_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    read(&one_file(folder.path()), 0..24);
    let notes = fs::read_to_string(folder.path().join("checkpoints")).unwrap();
    let first: String = notes.split_inclusive("\n\n").take(2).collect();
    rewrite(folder.path(), 2);
    fs::write(folder.path().join("checkpoints"), &first).unwrap();
    let report = sound(folder.path());
    assert_eq!((report.sealed, report.entries), (2, 25));
}

#[test]
fn a_log_is_sealed_from_its_first_entry_on() {
    let folder = tempfile::tempdir().unwrap();
    let publisher = one_file(folder.path());
    assert_eq!((sound(folder.path()).entries, sound(folder.path()).sealed), (0, 0));
    read(&publisher, 0..1);
    assert_eq!((sound(folder.path()).entries, sound(folder.path()).sealed), (2, 2));
    drop(publisher);
    // A crash before the first checkpoint: the log goes on, and is sealed by that.
    fs::remove_file(folder.path().join("checkpoints")).unwrap();
    assert!(!report(folder.path()).is_intact());
    let publisher = one_file(folder.path());
    assert_eq!(sound(folder.path()).sealed, 2);
    drop(publisher);
}

/// A store that forgets, or a publisher that writes one request down twice: its agent has signed it once.
#[test]
fn a_request_that_was_allowed_twice_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        read(&one_file(folder.path()), 0..2);
    }
    let report = report(folder.path());
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.line, finding.entry)).collect();
    assert_eq!(found, [(5, Some(3))], "{:?}", report.findings);
    assert!(report.findings[0].message.contains("entry 1"), "a denial is none: {:?}", report.findings);
}

/// A nonce may come again when the publisher has forgotten it: that is another claim, and no agent can make a log look altered by it.
#[test]
fn a_nonce_that_comes_again_is_another_request() {
    let folder = tempfile::tempdir().unwrap();
    for earlier in [200, 0] {
        let publisher = one_file(folder.path());
        let ask = imagxp::agent::SignRequest::new("GET", URL, imagxp::Purpose::RagRetrieval);
        let signed =
            Signed::new(&identity(1), &ask, now().saturating_add_secs(-earlier), "nonce-000000000000");
        assert_eq!(signed.verify(&publisher).code, None);
    }
    assert_eq!(sound(folder.path()).requests_verified, 2);
}

#[test]
fn keys_that_nobody_vouches_for_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(open(folder.path()));
    let json = changed(r#""identity":"key_only""#);
    let publisher = know(Publisher::new(policy(&json), [7; 16]).with_audit(log as _));
    // One nonce in one name, by two keys: nobody knows whose it is.
    for seed in [1, 2, 3] {
        let ask = imagxp::agent::SignRequest::new("GET", URL, imagxp::Purpose::RagRetrieval);
        let verdict = Signed::new(&identity(seed), &ask, now(), "nonce-000000000000").verify(&publisher);
        assert_eq!(verdict.code, None);
    }
    drop(publisher);
    let report = sound(folder.path());
    assert_eq!((report.requests_verified, report.requests_key_only), (1, 2));
}

#[test]
fn what_nobody_could_read_again_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let deep = format!("{{\"a\":{}1{},\"type\":\"x\"}}", "[".repeat(9), "]".repeat(9));
    let many = format!("{{\"a\":[{}1],\"type\":\"x\"}}", "1,".repeat(300));
    for body in [
        "",
        "{}",
        "[]",
        "{\"a\":1}",
        "{\"type\":1}",
        "{\"type\": \"x\"}",
        "{\"type\":\"x\",\"a\":1}",
        "{\"a\":1,\"a\":1,\"type\":\"x\"}",
        "{\"a\":9007199254740993,\"type\":\"x\"}",
        "{\"a\":\"\n\",\"type\":\"x\"}",
        "{\"type\":\"x\"}\n{\"type\":\"x\"}",
        "{\"type\":\"manifest\"}",
        "{\"type\":\"verdict\"}",
        &deep,
        &many,
    ] {
        assert_eq!(log.append(body.as_bytes()).unwrap_err().code(), "usage.argument", "{body}");
    }
    let verdict = {
        let other = tempfile::tempdir().unwrap();
        read(&one_file(other.path()), 0..1);
        let (_, bytes) = contents(other.path()).into_iter().next().unwrap();
        let line = String::from_utf8(bytes).unwrap().lines().nth(2).unwrap().to_owned();
        Frame::parse(line.as_bytes()).unwrap().body.to_vec()
    };
    assert_eq!(log.append(&verdict).unwrap_err().code(), "usage.argument", "it is recorded");
    assert_eq!((log.size(), Timestamp::parse("2026-03-01T12:00:00Z")), (0, Some(now())));
    log.append(b"{\"type\":\"x\"}").unwrap();
    drop(log);
    assert_eq!(sound(folder.path()).entries, 1);
    assert_eq!(open(folder.path()).size(), 1);
}
