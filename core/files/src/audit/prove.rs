//! From a log to evidence about one of its records.

use super::altered;
use super::checkpoints::{Checkpoints, verified};
use super::scan::{expect_log, scan};
use imagxp::audit::proof::Plan;
use imagxp::audit::tree::leaf_hash;
use imagxp::audit::{Entry, Evidence};
use imagxp::crypto::PublicKey;
use imagxp::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector<'a> {
    /// The entry with this number.
    Number(u64),
    /// The verdict with this trace id.
    TraceId(&'a str),
    /// The first verified request with this nonce, or the first request at all when none was verified.
    Nonce(&'a str),
}

/// Makes evidence of one record. `keys` are those that sign this log's checkpoints.
///
/// The evidence has been verified when it is returned. Errors: `usage.argument` when there is no such record, or no checkpoint seals it
/// yet; `audit.altered`, `audit.malformed`, `io.failed`.
pub fn prove(folder: &Path, selector: Selector<'_>, keys: &[PublicKey]) -> Result<Evidence> {
    expect_log(folder)?;
    let checkpoints = Checkpoints::read(folder)?;
    let found = find(folder, selector)?;
    let note = checkpoints
        .notes
        .iter()
        .rev()
        .find(|note| note.checkpoint().size > found.number)
        .ok_or_else(|| Error::argument(format!("no checkpoint seals entry {} yet", found.number)))?;
    let key = note.verify(keys)?.clone();
    let checkpoint = verified(note, &note.checkpoint().origin, keys)?;
    let mut plan = Plan::inclusion(found.number, checkpoint.size)
        .ok_or_else(|| Error::argument("the entry lies beyond the checkpoint"))?;
    let mut fed = 0;
    scan(folder, &mut |stored| {
        plan.feed(leaf_hash(stored.bytes));
        fed += 1;
        Ok(fed < checkpoint.size)
    })?;
    let proof = plan.finish().ok_or_else(|| {
        altered(format!("the checkpoint seals {} entries, and {fed} are left", checkpoint.size))
    })?;
    let evidence = Evidence {
        entry: found.line,
        proof,
        checkpoint: note.note().to_owned(),
        public_key: key,
        manifest: found.manifest,
    };
    evidence.verify(keys)?;
    Ok(evidence)
}

struct Found {
    number: u64,
    line: Vec<u8>,
    manifest: Option<Vec<u8>>,
}

fn find(folder: &Path, selector: Selector<'_>) -> Result<Found> {
    let mut file = PathBuf::new();
    let mut manifests: HashMap<[u8; 32], Vec<u8>> = HashMap::new();
    let mut best: Option<(bool, Found)> = None;
    scan(folder, &mut |stored| {
        if stored.file != file {
            stored.file.clone_into(&mut file);
            manifests.clear();
        }
        // Texts that are searched for stand in the line as they are, or the line is not the one.
        let candidate = match selector {
            Selector::Number(number) => stored.frame.number == number,
            Selector::TraceId(id) => contains(stored.frame.body, id.as_bytes()),
            Selector::Nonce(_) => true,
        };
        let is_manifest = stored.frame.body.ends_with(br#","type":"manifest"}"#);
        if !candidate && !is_manifest {
            return Ok(true);
        }
        let verdict = match stored.entry()? {
            Entry::Manifest { sha256, bytes, .. } => {
                manifests.insert(sha256, bytes);
                if matches!(selector, Selector::Number(_)) && candidate {
                    return Err(Error::argument("the entry is a manifest, not a verdict"));
                }
                return Ok(true);
            }
            Entry::Verdict(verdict) => verdict,
            _ => return Ok(true),
        };
        let hit = match selector {
            Selector::Number(_) => true,
            Selector::TraceId(id) => verdict.trace_id == id,
            Selector::Nonce(nonce) => verdict.claim().is_some_and(|claim| claim.nonce() == nonce),
        };
        let was_verified = verdict.agent_id.is_some();
        if hit && best.as_ref().is_none_or(|(verified, _)| !verified && was_verified) {
            let manifest = verdict.manifest.and_then(|hash| manifests.get(&hash).cloned());
            let found = Found { number: stored.frame.number, line: stored.bytes.to_vec(), manifest };
            best = Some((was_verified, found));
        }
        Ok(!(hit && (was_verified || !matches!(selector, Selector::Nonce(_)))))
    })?;
    best.map(|(_, found)| found).ok_or_else(|| Error::argument("the log holds no such record"))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && bytes.windows(text.len()).any(|window| window == text)
}
