//! An audit log to try things with: who signs it, how it is filled, and whether it is sound.

#[path = "../../../protocol/tests/common/world.rs"]
mod world;

use imagxp::crypto::{Algorithm, PublicKey};
use imagxp::{Code, Publisher, Purpose};
use imagxp_files::audit::{AuditLog, Expectation, Options, Report, Sync, verify};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub(crate) use world::*;

pub(crate) const ORIGIN: &str = "pub.example/imagxp-audit";

pub(crate) fn signer() -> Arc<dyn imagxp::crypto::Signer> {
    Arc::new(key(5, Algorithm::EdDsa))
}

pub(crate) fn keys() -> [PublicKey; 1] {
    [key(5, Algorithm::EdDsa).public_key().clone()]
}

pub(crate) fn options() -> Options {
    Options { file_bytes: 8 * 1024, checkpoint_entries: 10, sync: Sync::Never, ..Options::new(ORIGIN) }
}

pub(crate) fn open(folder: &Path) -> AuditLog {
    AuditLog::open(folder, signer(), options()).unwrap()
}

pub(crate) fn report(folder: &Path) -> Report {
    verify(folder, &Expectation { keys: &keys(), kept: None }).unwrap()
}

pub(crate) fn sound(folder: &Path) -> Report {
    let report = report(folder);
    assert!(report.is_intact(), "{:?}", report.findings);
    report
}

/// A log of so many verified, denied, replayed and malformed requests.
pub(crate) fn fill(folder: &Path, requests: usize) {
    let log = Arc::new(open(folder));
    // Each request is a new one, also of a log that goes on.
    let before = usize::try_from(log.size()).unwrap();
    let publisher = know(Publisher::new(policy(POLICY), [7; 16]).with_audit(Arc::clone(&log) as _));
    for number in 0..requests {
        let nonce = format!("nonce-{:012}", before + number);
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

pub(crate) fn know(publisher: Publisher) -> Publisher {
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    publisher
}

/// The files that a verifier looks at.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl") || path.ends_with("checkpoints"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A generator; its seed is printed, and taken from `SEED` when that is set.
pub(crate) fn random() -> Random {
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(clock);
    println!("SEED={seed}");
    Random(seed)
}
