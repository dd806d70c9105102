//! Finding out whether a log is what was written.

use super::checkpoints::{Checkpoints, verified};
use super::folder::{CHECKPOINTS, files};
use super::header::Header;
use super::lines::{Lines, Next};
use super::scan::expect_log;
use imagxp::audit::{Entry, Frame, Log, SignedCheckpoint, StoredVerdict};
use imagxp::crypto::PublicKey;
use imagxp::digest::Hasher;
use imagxp::publisher::{KeyBinding, Outcome};
use imagxp::{Claim, Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Reading goes on after a fault, but not for ever.
const MAX_FINDINGS: usize = 100;

/// What the verifier brings along.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The keys that sign this log's checkpoints, known from elsewhere than the log.
    pub keys: &'a [PublicKey],
    /// A checkpoint that was kept elsewhere: the log must still contain what it sealed. Without one, whoever holds the files can return to an
    /// earlier checkpoint, and nobody who sees only the files can tell.
    pub kept: Option<&'a SignedCheckpoint>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's name.
    pub file: String,
    /// The line in the file, counted from 1; of the file of checkpoints, the number of the checkpoint.
    pub line: u64,
    /// The entry's number, where there is one.
    pub entry: Option<u64>,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// How many files.
    pub files: u64,
    /// How many entries, manifests included.
    pub entries: u64,
    /// How many verdicts.
    pub verdicts: u64,
    /// How many of them with a request signature that was verified once more, with a key of the agent's manifest.
    pub requests_verified: u64,
    /// How many with one that was verified with a key that nobody vouches for, in the agent's name. The others say themselves that nobody was
    /// verified.
    pub requests_key_only: u64,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// How many entries the last good checkpoint seals. What comes after is chained, but whoever holds the files can change, reorder or remove it
    /// and chain the rest anew.
    pub sealed: u64,
    /// Bytes of an unfinished last line: of a writer at work, or of a crash.
    pub unfinished: u64,
    /// What is wrong; empty when the log is what was written.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing was altered, reordered or removed before the last checkpoint, every request's signature verifies, and none was allowed
    /// twice. A log of which nothing is sealed is not intact: nothing vouches for it.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }

    /// The counts with their names, in the order in which they are shown.
    pub fn counts(&self) -> [(&'static str, u64); 8] {
        [
            ("files", self.files),
            ("entries", self.entries),
            ("verdicts", self.verdicts),
            ("requests_verified", self.requests_verified),
            ("requests_key_only", self.requests_key_only),
            ("checkpoints", self.checkpoints),
            ("sealed", self.sealed),
            ("unfinished", self.unfinished),
        ]
    }
}

/// Verifies a whole log offline: chain, tree, checkpoints, manifests, and the signature of each request, which is allowed once.
///
/// Takes some 50 bytes of memory for each request that was allowed.
///
/// Errors are those of reading only (`io.failed`, `usage.argument` without keys); what is wrong with the log is in the report.
pub fn verify(folder: &Path, expected: &Expectation<'_>) -> Result<Report> {
    if expected.keys.is_empty() {
        return Err(Error::argument("a log is verified with the publisher's key"));
    }
    expect_log(folder)?;
    let report = read(folder, expected)?;
    // Of a log that has just begun the first checkpoint may have come behind our back.
    if report.sealed == 0 && report.entries > 0 { read(folder, expected) } else { Ok(report) }
}

fn read(folder: &Path, expected: &Expectation<'_>) -> Result<Report> {
    // A writer at work seals what is before a file, then makes the file, then adds entries. Looking in the other order we find of each what the one
    // before it asks for.
    let begun = files(folder)?.into_iter().map(|(first, _)| first).collect();
    let checkpoints = Checkpoints::read(folder)?;
    let mut run = Run {
        expected,
        report: Report::default(),
        log: Log::new(),
        seals: checkpoints
            .notes
            .iter()
            .chain(expected.kept)
            .map(|note| (note.checkpoint().size, None))
            .collect(),
        manifests: HashMap::new(),
        allowed: HashMap::new(),
        begun,
        unvouched: Vec::new(),
    };
    let files = files(folder)?;
    for (index, (first, path)) in files.iter().enumerate() {
        run.file(*first, path, index == 0, index + 1 == files.len())?;
        run.report.files += 1;
        if run.is_full() {
            break;
        }
    }
    run.checkpoints(&checkpoints);
    run.report.entries = run.log.size();
    Ok(run.report)
}

struct Run<'e> {
    expected: &'e Expectation<'e>,
    report: Report,
    log: Log,
    /// The roots at the sizes that checkpoints name; filled while reading.
    seals: HashMap<u64, Option<[u8; 32]>>,
    manifests: HashMap<[u8; 32], Vec<u8>>,
    /// The requests that were allowed, by a hash that names each, and in which entry.
    allowed: HashMap<[u8; 16], u64>,
    /// The first entries of the files that were there before the checkpoints were read.
    begun: HashSet<u64>,
    /// The files that a checkpoint must vouch for, by name and first entry.
    unvouched: Vec<(String, u64)>,
}

impl Run<'_> {
    fn is_full(&self) -> bool {
        self.report.findings.len() >= MAX_FINDINGS
    }

    fn find(&mut self, file: &str, line: u64, entry: Option<u64>, message: impl Into<String>) {
        if !self.is_full() {
            let finding = Finding { file: file.to_owned(), line, entry, message: message.into() };
            self.report.findings.push(finding);
        }
    }

    fn file(&mut self, first: u64, path: &Path, is_first: bool, is_last: bool) -> Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.manifests.clear();
        let mut lines = Lines::open(path)?;
        match lines.next()? {
            Next::Whole(line) => self.header(&name, line, first, is_first),
            Next::End | Next::Torn if is_last => {
                let bytes = std::fs::metadata(path).map(|data| data.len()).unwrap_or_default();
                // Nothing but a file that was just being made; anything longer is more than a header.
                if lines.line_feed_follows()? {
                    self.find(&name, 1, None, "the file does not begin with the header of a log");
                }
                self.report.unfinished = bytes;
                return Ok(());
            }
            _ => {
                self.find(&name, 1, None, "the file does not begin with the header of a log");
                return Ok(());
            }
        }
        let mut number = 1;
        loop {
            number += 1;
            self.note_root();
            match lines.next()? {
                Next::End => return Ok(()),
                Next::Whole(line) => self.entry(&name, number, line),
                Next::Torn => {
                    let offset = lines.offset();
                    if !is_last || lines.line_feed_follows()? {
                        self.find(&name, number, Some(self.log.size()), "the line has no end");
                    }
                    let length = std::fs::metadata(path).map(|data| data.len()).unwrap_or(offset);
                    self.report.unfinished = length.saturating_sub(offset);
                    return Ok(());
                }
            }
            if self.is_full() {
                return Ok(());
            }
        }
    }

    fn note_root(&mut self) {
        if let Some(root) = self.seals.get_mut(&self.log.size()) {
            *root = Some(self.log.tree().root());
        }
    }

    fn header(&mut self, name: &str, line: &[u8], first: u64, is_first: bool) {
        let header = match Header::parse(line) {
            Ok(header) => header,
            Err(error) => return self.find(name, 1, None, error.message()),
        };
        if is_first {
            self.report.origin.clone_from(&header.origin);
        }
        if first > 0 && self.begun.contains(&first) {
            self.unvouched.push((name.to_owned(), first));
        }
        if header.log.size() != first {
            self.find(name, 1, None, "the file's name is not the number of its first entry");
        }
        if header.origin != self.report.origin {
            self.find(name, 1, None, "the file belongs to another log");
        }
        if header.log != self.log {
            let what = if is_first {
                format!("the log begins with entry {first}: what came before was removed")
            } else {
                format!(
                    "the file begins with entry {} after entry {}: something was removed or altered",
                    header.log.size(),
                    self.log.size().saturating_sub(1)
                )
            };
            self.find(name, 1, None, what);
            // Where only hashes differ, ours go on, and the checkpoints tell.
            if header.log.size() != self.log.size() {
                self.log = header.log;
            }
        }
    }

    fn entry(&mut self, name: &str, number: u64, line: &[u8]) {
        let entry = self.log.size();
        let body = match self.log.follow(line) {
            Ok(frame) => Some(frame.body),
            Err(error) => {
                self.find(name, number, Some(entry), error.message());
                self.log.absorb(line);
                Frame::parse(line).ok().map(|frame| frame.body)
            }
        };
        let Some(body) = body else { return };
        match Entry::parse(body) {
            Ok(Entry::Verdict(verdict)) => self.verdict(name, number, entry, &verdict),
            Ok(Entry::Manifest { sha256, bytes, .. }) => drop(self.manifests.insert(sha256, bytes)),
            Ok(_) => {}
            Err(error) => self.find(name, number, Some(entry), error.message()),
        }
    }

    fn verdict(&mut self, name: &str, number: u64, entry: u64, verdict: &StoredVerdict) {
        self.report.verdicts += 1;
        let manifest = verdict.manifest.and_then(|hash| self.manifests.get(&hash));
        match verdict.verified_claim(manifest.map(Vec::as_slice)) {
            Ok(Some(claim)) => {
                match verdict.binding {
                    KeyBinding::Domain => self.report.requests_verified += 1,
                    _ => self.report.requests_key_only += 1,
                }
                if verdict.outcome == Outcome::Allow && verdict.code.is_none() {
                    self.allow(name, number, entry, verdict, &claim);
                }
            }
            Ok(None) => {}
            Err(error) => self.find(name, number, Some(entry), error.message()),
        }
    }

    /// A claim counts once for the key that signed it. A nonce is no name of it: who uses one again when it is forgotten signs another claim.
    fn allow(&mut self, name: &str, number: u64, entry: u64, verdict: &StoredVerdict, claim: &Claim) {
        let mut hasher = Hasher::new();
        let key_id = verdict.key_id.as_ref().map(|key_id| key_id.as_str()).unwrap_or_default();
        hasher.update(key_id.as_bytes());
        hasher.update(b" ");
        hasher.update(claim.canonical());
        let hash = hasher.finish();
        let Some(request) = hash.first_chunk::<16>() else { return };
        if let Some(before) = self.allowed.insert(*request, entry) {
            let message =
                format!("the request was allowed before, in entry {before}: its agent signed it once");
            self.find(name, number, Some(entry), message);
        }
    }

    fn checkpoints(&mut self, checkpoints: &Checkpoints) {
        let mut before = None;
        let mut sealed = HashSet::new();
        for (index, note) in checkpoints.notes.iter().enumerate() {
            let number = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            self.report.checkpoints += 1;
            let problem = self.checkpoint(note, before);
            before = Some(note.checkpoint().size);
            match problem {
                Ok(()) => {
                    self.report.sealed = note.checkpoint().size;
                    sealed.insert(note.checkpoint().size);
                }
                Err(error) => self.find(CHECKPOINTS, number, None, error.message()),
            }
        }
        let next = self.report.checkpoints + 1;
        if let Some((number, error)) = &checkpoints.bad {
            self.find(CHECKPOINTS, *number, None, error.message());
        } else if checkpoints.torn > 0 {
            self.find(CHECKPOINTS, next, None, "the last checkpoint is not whole");
        }
        for (name, first) in core::mem::take(&mut self.unvouched) {
            if !sealed.contains(&first) {
                self.find(&name, 1, None, "no checkpoint vouches for the beginning of the file");
            }
        }
        // The writer seals the first entries at once.
        if self.report.sealed == 0 && self.log.size() > 0 {
            let message =
                "no checkpoint seals anything: all of it could have been changed, reordered or removed";
            self.find(CHECKPOINTS, 0, None, message);
        }
        if let Some(kept) = self.expected.kept {
            let problem = self.checkpoint(kept, None);
            if let Err(error) = problem {
                self.find(
                    CHECKPOINTS,
                    0,
                    None,
                    format!("the checkpoint that was kept elsewhere: {}", error.message()),
                );
            }
        }
    }

    fn checkpoint(&self, note: &SignedCheckpoint, before: Option<u64>) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::AuditAltered, message));
        let checkpoint = verified(note, &self.report.origin, self.expected.keys)?;
        if before.is_some_and(|before| before >= checkpoint.size) {
            return wrong("the checkpoint is out of order".into());
        }
        if checkpoint.size > self.log.size() {
            return wrong(format!("it seals {} entries, and {} are left", checkpoint.size, self.log.size()));
        }
        match self.seals.get(&checkpoint.size) {
            Some(Some(root)) if *root == checkpoint.root => Ok(()),
            _ => wrong(format!("the first {} entries are not those that it seals", checkpoint.size)),
        }
    }
}
