//! The audit log in files: what is altered is found, what is acknowledged is kept, and many write at once.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

#[path = "../../protocol/tests/common/world.rs"]
mod world;

use imagxp::audit::SignedCheckpoint;
use imagxp::crypto::{Algorithm, PublicKey};
use imagxp::{Code, Publisher, Purpose};
use imagxp_files::audit::{AuditLog, Expectation, Options, Report, Selector, Sync, prove, scan, verify};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use world::*;

const ORIGIN: &str = "pub.example/imagxp-audit";

fn signer() -> Arc<dyn imagxp::crypto::Signer> {
    Arc::new(key(5, Algorithm::EdDsa))
}

fn keys() -> [PublicKey; 1] {
    [key(5, Algorithm::EdDsa).public_key().clone()]
}

fn options() -> Options {
    Options { file_bytes: 8 * 1024, checkpoint_entries: 10, sync: Sync::Never, ..Options::new(ORIGIN) }
}

fn open(folder: &Path) -> AuditLog {
    AuditLog::open(folder, signer(), options()).unwrap()
}

fn report(folder: &Path) -> Report {
    verify(folder, &Expectation { keys: &keys(), kept: None }).unwrap()
}

fn sound(folder: &Path) -> Report {
    let report = report(folder);
    assert!(report.is_intact(), "{:?}", report.findings);
    report
}

/// A log of so many verified, denied, replayed and malformed requests.
fn fill(folder: &Path, requests: usize) {
    let log = Arc::new(open(folder));
    let publisher = know(Publisher::new(policy(POLICY), [7; 16]).with_audit(Arc::clone(&log) as _));
    for number in 0..requests {
        let nonce = format!("nonce-{number:012}");
        let signed = Signed::read(&nonce);
        match number % 4 {
            0 | 1 => assert_eq!(signed.verify(&publisher).code, None),
            2 => {
                let training = imagxp::agent::SignRequest::new("GET", URL, Purpose::CrawlTraining);
                let verdict = Signed::new(&identity(1), &training, now(), &nonce).verify(&publisher);
                assert_eq!(verdict.code, Some(Code::PolicyPurposeDenied));
            }
            _ => {
                let broken = signed.without("x-imagxp-signature").verify(&publisher);
                assert_eq!(broken.code, Some(Code::HeaderMissing));
            }
        }
    }
    log.close().unwrap();
}

fn know(publisher: Publisher) -> Publisher {
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    publisher
}

/// The files that a verifier looks at.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl") || path.ends_with("checkpoints"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A small generator; its seed is printed, and taken from `SEED` when that is set.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(clock);
        println!("SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

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
    let mut random = Random::new();
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
        let unsealed = name == "checkpoints";
        if unsealed {
            let report = report(folder.path());
            assert_eq!(
                (report.sealed, report.checkpoints),
                (0, 0),
                "nothing is sealed, and the report says so"
            );
            fs::write(path, bytes).unwrap();
        } else {
            expect_found(&format!("{name} removed"));
        }
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
    let log = open(unsealed.path());
    log.append(br#"{"type":"x"}"#).unwrap();
    assert!(prove(unsealed.path(), Selector::Number(0), &keys()).is_err());
}

#[test]
fn one_writer_and_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let second = AuditLog::open(folder.path(), signer(), options()).unwrap_err();
    assert!(second.code() == "io.failed" && second.message().contains("being written"), "{second}");
    log.close().unwrap();
    log.close().unwrap();
    assert_eq!(log.append(b"{}").unwrap_err().code(), "io.failed");
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

#[test]
fn many_threads_share_one_log() {
    for sync in [Sync::Each, Sync::Interval { millis: 20, records: 50 }, Sync::Never] {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::open(folder.path(), signer(), Options { sync, ..options() }).unwrap();
        let numbers: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|thread| {
                    let log = &log;
                    scope.spawn(move || {
                        (0..100)
                            .map(|n| {
                                log.append(
                                    format!("{{\"n\":{n},\"thread\":{thread},\"type\":\"x\"}}").as_bytes(),
                                )
                                .unwrap()
                            })
                            .collect::<Vec<u64>>()
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        log.close().unwrap();
        assert_eq!(sound(folder.path()).entries, 800);
        let mut all: Vec<u64> = numbers.concat();
        all.sort_unstable();
        assert_eq!(all, (0..800).collect::<Vec<_>>());
        scan(folder.path(), &mut |stored| {
            let body = std::str::from_utf8(stored.frame.body).unwrap();
            let (thread, n) = (
                numbers.iter().position(|own| own.contains(&stored.frame.number)).unwrap(),
                stored.frame.number,
            );
            let index = numbers[thread].iter().position(|number| *number == n).unwrap();
            assert_eq!(body, format!("{{\"n\":{index},\"thread\":{thread},\"type\":\"x\"}}"));
            Ok(true)
        })
        .unwrap();
    }
}

#[test]
fn time_syncs_and_seals_an_idle_log() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { checkpoint_seconds: 0, checkpoint_entries: 1 << 40, ..options() };
    let log = AuditLog::open(folder.path(), signer(), options).unwrap();
    log.append(br#"{"type":"x"}"#).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while report(folder.path()).sealed == 0 {
        assert!(Instant::now() < deadline, "no checkpoint");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(log);
}

/// Not a test: the process that is killed, see below.
#[test]
#[ignore = "run by the test of kill -9"]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os("AUDIT_CHILD") else { return };
    let run: u64 = std::env::var("AUDIT_RUN").unwrap().parse().unwrap();
    let sync = if run.is_multiple_of(2) { Sync::Each } else { Sync::Interval { millis: 5, records: 100 } };
    let log = AuditLog::open(Path::new(&folder), signer(), Options { sync, ..options() }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for n in 0_u64.. {
                    let mark = format!("{run}-{thread}-{n}");
                    let padding = "x".repeat((n % 700) as usize);
                    let body = format!("{{\"mark\":\"{mark}\",\"padding\":\"{padding}\",\"type\":\"x\"}}");
                    let number = log.append(body.as_bytes()).unwrap();
                    // One write, so that lines of several threads do not mix.
                    std::io::stdout().lock().write_all(format!("ack {number} {mark}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn killed_50_times_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    let (mut torn, kills) = (0, 50);
    for run in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
            .env("AUDIT_CHILD", folder.path())
            .env("AUDIT_RUN", run.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 1 + random.below(400);
        let mut read = 0;
        let mut take = |line: String| {
            if let Some((number, mark)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
                assert_eq!(acknowledged.insert(number.parse().unwrap(), mark.into()), None, "{number} twice");
                return true;
            }
            false
        };
        while read < enough {
            read += usize::from(take(lines.next().expect("the child ended by itself").unwrap()));
        }
        child.kill().unwrap();
        // A last line may be cut in the pipe; whole ones were acknowledged.
        let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.pop();
        rest.into_iter().for_each(|line| {
            take(line);
        });
        child.wait().unwrap();
        let log = AuditLog::open(folder.path(), signer(), options()).unwrap();
        torn += log.torn().len();
        drop(log);
    }
    let report = sound(folder.path());
    let mut found = 0;
    scan(folder.path(), &mut |stored| {
        if let Some(mark) = acknowledged.get(&stored.frame.number) {
            assert!(stored.frame.body.starts_with(format!("{{\"mark\":\"{mark}\"").as_bytes()));
            found += 1;
        }
        Ok(true)
    })
    .unwrap();
    assert_eq!(found, acknowledged.len(), "acknowledged and lost");
    println!(
        "{kills} kills, {} acknowledged, none lost, {} entries in {} files, {torn} torn ends cut",
        acknowledged.len(),
        report.entries,
        report.files
    );
}

/// Not a test: the process whose files may not grow.
#[test]
#[ignore = "run by the test of the full disk"]
fn child_on_a_full_disk() {
    let Some(folder) = std::env::var_os("AUDIT_CHILD") else { return };
    let options = Options { file_bytes: 1 << 30, checkpoint_entries: 1 << 40, ..options() };
    let log = AuditLog::open(Path::new(&folder), signer(), options).unwrap();
    let body = format!("{{\"padding\":\"{}\",\"type\":\"x\"}}", "x".repeat(997));
    let mut kept = 0;
    let error = loop {
        match log.append(body.as_bytes()) {
            Ok(number) => kept = number + 1,
            Err(error) => break error,
        }
    };
    // A smaller one may still fit, and the log goes on.
    let small = log.append(br#"{"type":"s"}"#).is_ok();
    println!("full {} {kept} {small} {}", error.code(), log.size());
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_nothing_is_half_done() {
    let folder = tempfile::tempdir().unwrap();
    // The limit of a file's size stands in for the disk's; its signal has to be ignored, as the shell can.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child_on_a_full_disk --ignored --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("AUDIT_CHILD", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split("full ").nth(1)).unwrap_or_else(|| panic!("{text}"));
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words[0], words[2]), ("io.failed", "true"), "{text}");
    let kept: u64 = words[1].parse().unwrap();
    assert_eq!(words[3].parse::<u64>().unwrap(), kept + 1);
    let report = sound(folder.path());
    assert_eq!((report.entries, report.unfinished), (kept + 1, 0));
    assert!(kept > 10, "{kept}");
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4
}

/// `cargo test --release -p imagxp-files --test audit throughput -- --nocapture`; with `SOAK=1` a million records, and a bar.
#[test]
fn throughput_and_flat_memory() {
    use imagxp::audit::{AuditSink as _, ManifestSnapshot, Record};
    use imagxp::publisher::{KeyBinding, Outcome, PaymentFacts, PaymentState, Visitor};
    let soak = std::env::var_os("SOAK").is_some();
    let count: u64 = if soak { 1_000_000 } else { 20_000 };
    let folder = tempfile::tempdir().unwrap();
    let options = Options { sync: Sync::Interval { millis: 200, records: 20_000 }, ..Options::new(ORIGIN) };
    let log = AuditLog::open(folder.path(), signer(), options).unwrap();
    // A real verdict's record, with all that it carries.
    let sample = publisher(POLICY);
    let signed = Signed::read("nonce-000000000000");
    let verdict = signed.verify(&sample);
    let mut tampered = signed.clone();
    let payload = imagxp::encoding::base64_decode(tampered.header_mut("x-imagxp-payload")).unwrap();
    let signature = imagxp::crypto::Signature::from_hex(tampered.header_mut("x-imagxp-signature")).unwrap();
    let bytes = manifest(&[1]);
    let agent = verdict.agent_id.clone().unwrap();
    let payment = PaymentFacts {
        state: PaymentState::NotRequired,
        jti: None,
        issuer: None,
        amount: None,
        currency: None,
    };
    let snapshot =
        ManifestSnapshot { agent_id: &agent, bytes: &bytes, sha256: imagxp::digest::sha256(&bytes) };
    let record = Record {
        received_at: now(),
        decided_at: now(),
        trace_id: &verdict.trace_id,
        outcome: Outcome::Allow,
        code: None,
        http: 200,
        would_deny: false,
        visitor: Visitor::VerifiedAgent,
        binding: KeyBinding::Domain,
        agent_id: Some(&agent),
        key_id: verdict.key_id.as_ref(),
        public_key: None,
        purpose: verdict.purpose,
        resource: verdict.resource.as_deref(),
        payment: &payment,
        token_sha256: None,
        warnings: &[],
        method: "GET",
        url: URL,
        body_digest: None,
        payload: Some(&payload),
        signature: Some(&signature),
        manifest: Some(snapshot),
        policy_sha256: sample.policy().hash(),
    };
    let threads = 2;
    for _ in 0..2000 {
        log.record(&record).unwrap();
    }
    let before = resident();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..count / threads).for_each(|_| log.record(&record).unwrap()));
        }
    });
    let elapsed = start.elapsed();
    let grown = resident().saturating_sub(before);
    log.close().unwrap();
    let rate = count as f64 / elapsed.as_secs_f64();
    let bytes: usize = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len() as usize)
        .sum();
    println!(
        "{count} records of {} bytes by {threads} threads in {elapsed:.2?}: {rate:.0} a second; memory +{grown} KiB",
        bytes as u64 / (count + 2000)
    );
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB");
    if soak && !cfg!(debug_assertions) {
        assert!(rate >= 100_000.0, "{rate:.0} a second");
    }
}
