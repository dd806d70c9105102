//! The audit log in files: what is acknowledged is kept by threads, kill -9 and a full disk, and how quick that is.
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

use imagxp_files::audit::{AuditLog, Options, Sync, scan};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::*;

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
    // The first is sealed by its writer.
    for _ in 0..2 {
        log.append(br#"{"type":"x"}"#).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while report(folder.path()).sealed < 2 {
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
    let mut random = random();
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

/// `cargo test --release -p imagxp-files --test audit_crash throughput -- --nocapture`; with `SOAK=1` a million records, and a bar.
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
