//! The audit log in files: what is altered is found, evidence is taken from it, and torn ends are cut.
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

use imagxp::audit::SignedCheckpoint;
use imagxp::crypto::Algorithm;
use imagxp::{Code, Publisher, Timestamp};
use imagxp_files::audit::{AuditLog, Expectation, Options, Selector, prove, scan, verify};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::*;

#[test]
fn a_log_of_several_files_is_sound_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 30);
    let first = sound(folder.path());
    assert!(first.files > 2, "{first:?}");
    assert_eq!((first.verdicts, first.sealed, first.unfinished), (30, first.entries, 0));
    assert_eq!(
        first.requests_verified, 23,
        "two of four are allowed, one is denied; the last has no signature"
    );
    assert_eq!(first.entries - first.verdicts, first.files, "each file holds the manifest once");
    fill(folder.path(), 10);
    let second = sound(folder.path());
    assert_eq!(second.verdicts, 40);
    assert!(second.checkpoints > first.checkpoints);
    let mut numbers = Vec::new();
    scan(folder.path(), &mut |stored| {
        numbers.push(stored.frame.number);
        stored.entry().map(|_| true)
    })
    .unwrap();
    assert_eq!(numbers, (0..second.entries).collect::<Vec<_>>());
}

#[test]
fn each_of_2000_byte_flips_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 24);
    let report_before = sound(folder.path());
    assert!(report_before.files > 2 && report_before.checkpoints > 2);
    let files: Vec<_> = contents(folder.path()).into_iter().collect();
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut random = random();
    let (mut flips, mut in_checkpoints) = (0, 0);
    let count = if std::env::var_os("QUICK").is_some() { 200 } else { 2000 };
    while flips < count {
        // Every tenth in the checkpoints, which are small.
        let mut at = random.below(total);
        if flips % 10 == 0 {
            let before: usize = files
                .iter()
                .take_while(|(path, _)| !path.ends_with("checkpoints"))
                .map(|(_, b)| b.len())
                .sum();
            let length = files.iter().find(|(path, _)| path.ends_with("checkpoints")).unwrap().1.len();
            at = before + random.below(length);
            in_checkpoints += 1;
        }
        let (path, bytes) = files
            .iter()
            .find(|(_, bytes)| {
                let here = at < bytes.len();
                if !here {
                    at -= bytes.len();
                }
                here
            })
            .unwrap();
        let mut bent = bytes.clone();
        let value = random.below(256) as u8;
        if bent[at] == value {
            continue;
        }
        bent[at] = value;
        fs::write(path, &bent).unwrap();
        let report = report(folder.path());
        assert!(!report.is_intact(), "flip {flips}: {} byte {at} to {value:#x}", path.display());
        fs::write(path, bytes).unwrap();
        flips += 1;
    }
    println!(
        "{flips} flips found, {in_checkpoints} of them in the checkpoints, {total} bytes in {} files",
        files.len()
    );
    sound(folder.path());
}

#[test]
fn a_finding_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 24);
    let (path, bytes) = contents(folder.path()).into_iter().nth(1).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let bent = text.replacen("\"outcome\":\"deny\"", "\"outcome\":\"allow\"", 1);
    let line = 1 + lines.iter().position(|line| line.contains("\"outcome\":\"deny\"")).unwrap() as u64;
    fs::write(&path, bent).unwrap();
    let found = report(folder.path()).findings;
    // The entry after it says that one of the two was altered, and so do the checkpoints.
    assert_eq!(found[0].file, path.file_name().unwrap().to_string_lossy());
    assert_eq!((found[0].line, found[0].entry.is_some()), (line + 1, true), "{found:?}");
    assert!(found.iter().any(|finding| finding.file == "checkpoints"), "{found:?}");
    // And the writer refuses to go on when it is in the last file.
    assert!(verify(folder.path(), &Expectation { keys: &[], kept: None }).is_err());
    let stranger = [key(6, Algorithm::EdDsa).public_key().clone()];
    let by_stranger = verify(folder.path(), &Expectation { keys: &stranger, kept: None }).unwrap();
    assert!(by_stranger.findings.iter().any(|finding| finding.message.contains("not signed by a key")));
}

#[test]
fn removal_reordering_duplication_and_truncation_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 24);
    let files = contents(folder.path());
    let expect_found = |what: &str| {
        assert!(!report(folder.path()).is_intact(), "{what}");
        for (path, bytes) in &files {
            fs::write(path, bytes).unwrap();
        }
        sound(folder.path());
    };
    for (path, bytes) in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        for index in 0..lines.len() {
            let mut removed = lines.clone();
            removed.remove(index);
            fs::write(path, removed.concat()).unwrap();
            expect_found(&format!("{name}: line {index} removed"));
            let mut doubled = lines.clone();
            doubled.insert(index, lines[index]);
            fs::write(path, doubled.concat()).unwrap();
            expect_found(&format!("{name}: line {index} doubled"));
            if index + 1 < lines.len() && lines[index] != lines[index + 1] {
                let mut swapped = lines.clone();
                swapped.swap(index, index + 1);
                fs::write(path, swapped.concat()).unwrap();
                expect_found(&format!("{name}: line {index} swapped"));
            }
        }
        // The checkpoints may end anywhere between two of them: see `a_kept_checkpoint_finds_a_return_to_the_past`.
        if name != "checkpoints" {
            for keep in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                fs::write(path, &bytes[..keep]).unwrap();
                expect_found(&format!("{name}: cut to {keep} bytes"));
            }
        }
        fs::remove_file(path).unwrap();
        expect_found(&format!("{name} removed"));
    }
}

#[test]
fn a_kept_checkpoint_finds_a_return_to_the_past() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 8);
    let past = contents(folder.path());
    fill(folder.path(), 8);
    let notes = fs::read_to_string(folder.path().join("checkpoints")).unwrap();
    // Each note is its text, an empty line, its signature, and an empty line.
    let parts: Vec<&str> = notes.split_terminator("\n\n").collect();
    let kept = format!("{}\n\n{}\n", parts[parts.len() - 2], parts[parts.len() - 1]);
    let kept = SignedCheckpoint::parse(kept.as_bytes()).unwrap();
    let with_kept = || verify(folder.path(), &Expectation { keys: &keys(), kept: Some(&kept) }).unwrap();
    assert!(with_kept().is_intact());
    for path in contents(folder.path()).keys() {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in &past {
        fs::write(path, bytes).unwrap();
    }
    sound(folder.path());
    assert!(!with_kept().is_intact(), "the files alone cannot tell, the kept checkpoint can");
}

#[test]
fn evidence_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 24);
    let by_nonce = prove(folder.path(), Selector::Nonce("nonce-000000000005"), &keys()).unwrap();
    let proven = by_nonce.verify(&keys()).unwrap();
    assert!(proven.request_verified);
    let by_number = prove(folder.path(), Selector::Number(proven.number), &keys()).unwrap();
    assert_eq!(by_number.entry, by_nonce.entry);
    let by_trace = prove(folder.path(), Selector::TraceId(&proven.verdict.trace_id), &keys()).unwrap();
    assert_eq!(by_trace.entry, by_nonce.entry);
    let size = sound(folder.path()).entries;
    for number in 0..size {
        match prove(folder.path(), Selector::Number(number), &keys()) {
            Ok(evidence) => assert_eq!(evidence.verify(&keys()).unwrap().number, number),
            Err(error) => assert!(error.message().contains("manifest"), "{error}"),
        }
    }
    for selector in
        [Selector::Number(size), Selector::TraceId("0"), Selector::Nonce("none"), Selector::TraceId("")]
    {
        assert_eq!(prove(folder.path(), selector, &keys()).unwrap_err().code(), "usage.argument");
    }
    // Of an altered log there is no evidence.
    let (path, bytes) = contents(folder.path()).into_iter().nth(1).unwrap();
    let text = String::from_utf8(bytes).unwrap().replacen("RAG_RETRIEVAL", "QUOTATION", 1);
    fs::write(path, text).unwrap();
    assert!(prove(folder.path(), Selector::Number(proven.number), &keys()).is_err());
    let unsealed = tempfile::tempdir().unwrap();
    let log = Arc::new(open(unsealed.path()));
    let publisher = know(Publisher::new(policy(POLICY), [7; 16]).with_audit(Arc::clone(&log) as _));
    for nonce in ["nonce-000000000001", "nonce-000000000002"] {
        assert_eq!(Signed::read(nonce).verify(&publisher).code, None);
    }
    // The first record is sealed at once, the second is not yet.
    assert!(prove(unsealed.path(), Selector::Number(1), &keys()).is_ok());
    let error = prove(unsealed.path(), Selector::Number(2), &keys()).unwrap_err();
    assert!(error.message().contains("no checkpoint seals"), "{error}");
}

/// A machine that boots in 1970 spoils no log.
#[test]
fn a_record_under_a_wild_clock_is_no_alteration() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(open(folder.path()));
    let publisher = know(Publisher::new(policy(POLICY), [7; 16]).with_audit(Arc::clone(&log) as _));
    let nonce = "nonce-000000000001";
    for (time, code) in [(Timestamp::from_secs(5), Some(Code::TimeFuture)), (now(), None)] {
        assert_eq!(Signed::read(nonce).start(&publisher, time).verdict.code, code);
    }
    log.close().unwrap();
    assert_eq!(sound(folder.path()).verdicts, 2);
    // The one that was verified, though it came after the other.
    let evidence = prove(folder.path(), Selector::Nonce(nonce), &keys()).unwrap();
    assert_eq!(evidence.verify(&keys()).unwrap().verdict.time, now());
    let wild = prove(folder.path(), Selector::Number(0), &keys()).unwrap();
    assert_eq!(wild.verify(&keys()).unwrap().verdict.time, Timestamp::from_secs(5));
}

#[test]
fn one_writer_and_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let second = AuditLog::open(folder.path(), signer(), options()).unwrap_err();
    assert!(second.code() == "io.failed" && second.message().contains("being written"), "{second}");
    log.close().unwrap();
    log.close().unwrap();
    assert_eq!(log.append(br#"{"type":"x"}"#).unwrap_err().code(), "io.failed");
    let again = open(folder.path());
    drop(again);
    let other = Options { origin: "other.example/log".into(), ..options() };
    assert_eq!(AuditLog::open(folder.path(), signer(), other).unwrap_err().code(), "usage.argument");
    let bad = Options { origin: "a b".into(), ..options() };
    assert!(AuditLog::open(folder.path(), signer(), bad).is_err());
}

#[test]
fn torn_ends_are_cut_and_anything_else_is_refused() {
    let build = || {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), 6);
        // Unsealed entries behind the last checkpoint, as after a crash.
        let log = Box::leak(Box::new(
            AuditLog::open(
                folder.path(),
                signer(),
                Options {
                    checkpoint_entries: 1000,
                    checkpoint_seconds: 1000,
                    file_bytes: 1 << 20,
                    ..options()
                },
            )
            .unwrap(),
        ));
        for number in 0..5 {
            log.append(format!("{{\"n\":{number},\"type\":\"x\"}}").as_bytes()).unwrap();
        }
        // The lock of the leaked log is its file's: a copy of the folder is not locked.
        let copy = tempfile::tempdir().unwrap();
        for (path, bytes) in contents(folder.path()) {
            fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        copy
    };
    let last = |folder: &Path| {
        contents(folder).into_iter().rfind(|(path, _)| !path.ends_with("checkpoints")).unwrap()
    };
    let size = |folder: &Path| {
        let mut size = 0;
        scan(folder, &mut |_| {
            size += 1;
            Ok(true)
        })
        .unwrap();
        size
    };
    // Cut anywhere in the unsealed part: the last whole record stays the end.
    let folder = build();
    let (path, bytes) = last(folder.path());
    let whole = size(folder.path());
    let line = bytes.split_inclusive(|&byte| byte == b'\n').next_back().unwrap().len();
    for cut in [1, 2, line / 2, line - 1] {
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let log = open(folder.path());
        assert_eq!((log.size(), log.torn().len()), (whole - 1, 1), "cut by {cut}");
        assert_eq!(fs::read(&log.torn()[0]).unwrap(), &bytes[bytes.len() - line..bytes.len() - cut]);
        log.append(br#"{"type":"y"}"#).unwrap();
        drop(log);
        sound(folder.path());
        fs::remove_file(folder.path().join("checkpoints")).unwrap();
        let fresh = build();
        fs::write(folder.path().join("checkpoints"), fs::read(fresh.path().join("checkpoints")).unwrap())
            .unwrap();
        fs::write(&path, &bytes).unwrap();
    }
    // Blocks that were never written.
    let folder = build();
    let (path, bytes) = last(folder.path());
    let mut zeros = bytes.clone();
    let at = zeros.len() - line - 10;
    zeros[at..].fill(0);
    zeros.extend_from_slice(b"more\n");
    fs::write(&path, &zeros).unwrap();
    assert_eq!(open(folder.path()).size(), whole - 2);
    // A torn header of a new file, and a torn checkpoint.
    let folder = build();
    fs::write(folder.path().join(format!("{whole:016}.jsonl")), b"{\"first\":").unwrap();
    let mut notes = fs::read(folder.path().join("checkpoints")).unwrap();
    notes.extend_from_slice(b"pub.example/imagxp-audit\n12\n");
    fs::write(folder.path().join("checkpoints"), &notes).unwrap();
    let log = open(folder.path());
    assert_eq!((log.size(), log.torn().len()), (whole, 2));
    drop(log);
    sound(folder.path());
    // What is no torn end: a bad line with others behind it, a sealed entry that is missing, another root.
    let refused = |change: &dyn Fn(&Path)| {
        let folder = build();
        change(folder.path());
        AuditLog::open(folder.path(), signer(), options()).unwrap_err().code()
    };
    let edit = |folder: &Path, edit: &dyn Fn(String) -> String| {
        let (path, bytes) = last(folder);
        fs::write(path, edit(String::from_utf8(bytes).unwrap())).unwrap();
    };
    assert_eq!(
        refused(&|folder| edit(folder, &|text| text.replace("\"n\":2,", "\"n\":7,"))),
        "audit.altered"
    );
    assert_eq!(refused(&|folder| edit(folder, &|text| text + "{}\n")), "audit.altered");
    assert_eq!(
        refused(&|folder| edit(folder, &|text| text.lines().take(2).map(|l| format!("{l}\n")).collect())),
        "audit.altered"
    );
    assert_eq!(refused(&|folder| edit(folder, &|text| text.replace("deny", "allo"))), "audit.altered");
    assert_eq!(refused(&|folder| fs::remove_file(last(folder).0).unwrap()), "audit.altered");
    assert_eq!(
        refused(&|folder| {
            let path = folder.join("checkpoints");
            fs::write(&path, fs::read_to_string(&path).unwrap().replace("example", "exampel")).unwrap();
        }),
        "audit.altered"
    );
}
