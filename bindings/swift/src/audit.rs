//! Audit logs: written as a publisher's sink, verified, proven.

use crate::error::ImagxpError;
use crate::key::{PrivateKey, PublicKey};
use crate::{boundary, json};
use imagxp::audit::{self, Evidence, Record, SignedCheckpoint, verify_entry};
use imagxp::encoding::base64_decode;
use imagxp::{Error, ErrorKind};
use imagxp_files::audit::{self as files, Expectation, Options, Selector, Sync as SyncRule};
use std::path::Path;
use std::sync::Arc;

/// When a log is synced to the disk.
#[derive(Clone, Copy, uniffi::Enum)]
pub(crate) enum AuditSync {
    /// A record is on the disk before its verdict is given.
    Each,
    /// After so many milliseconds or records.
    Interval {
        /// Milliseconds.
        millis: u64,
        /// Records.
        records: u64,
    },
    /// When the operating system likes.
    Never,
}

/// A log in a folder; `Publisher(policy:auditLog:)` records each decided verdict in it.
#[derive(uniffi::Object)]
pub(crate) struct AuditLog(pub(crate) Arc<files::AuditLog>);

#[uniffi::export]
impl AuditLog {
    /// Opens a log, or begins one.
    ///
    /// `key` signs the checkpoints; `origin` is the log's name, for example `pub.example/imagxp-audit`. `sync`: `.each` unless given.
    /// `unsignedToo`: whether unsigned visitors are recorded too. `earlierKeys`: keys that signed before this one.
    #[uniffi::constructor(default(sync = None, unsigned_too = false, earlier_keys = [], file_bytes = 67108864, checkpoint_entries = 10_000,
        checkpoint_seconds = 60))]
    #[expect(clippy::too_many_arguments, reason = "labelled arguments of Swift")]
    pub(crate) fn new(
        path: &str,
        key: Arc<PrivateKey>,
        origin: String,
        sync: Option<AuditSync>,
        unsigned_too: bool,
        earlier_keys: Vec<Arc<PublicKey>>,
        file_bytes: u64,
        checkpoint_entries: u64,
        checkpoint_seconds: u64,
    ) -> Result<Arc<Self>, ImagxpError> {
        let sync = match sync.unwrap_or(AuditSync::Each) {
            AuditSync::Each => SyncRule::Each,
            AuditSync::Interval { millis, records } => SyncRule::Interval { millis, records },
            AuditSync::Never => SyncRule::Never,
        };
        let earlier_keys = keys(&earlier_keys);
        let options = Options {
            sync,
            unsigned: unsigned_too,
            earlier_keys,
            file_bytes,
            checkpoint_entries,
            checkpoint_seconds,
            ..Options::new(origin)
        };
        let signer: Arc<dyn imagxp::crypto::Signer> = Arc::<imagxp::crypto::PrivateKey>::clone(&key.0);
        boundary::call(|| files::AuditLog::open(Path::new(path), signer, options))
            .map(|log| Arc::new(Self(Arc::new(log))))
    }

    /// How many entries are kept.
    pub(crate) fn count(&self) -> u64 {
        self.0.size()
    }

    /// The files into which opening the log moved what a crash left.
    pub(crate) fn torn(&self) -> Vec<String> {
        self.0.torn().iter().map(|path| path.display().to_string()).collect()
    }

    /// Syncs what is written and signs a checkpoint.
    pub(crate) fn seal(&self) -> Result<(), ImagxpError> {
        boundary::call(|| self.0.seal())
    }

    /// Seals the log and ends it; verdicts that would be recorded after it are `audit.unavailable`.
    pub(crate) fn close(&self) -> Result<(), ImagxpError> {
        boundary::call(|| self.0.close())
    }
}

/// A sink of the publisher's own. Whatever is thrown is `audit.unavailable`: the request is answered with 503.
#[uniffi::export(callback_interface)]
pub(crate) trait AuditSink: Send + Sync {
    /// Keeps one record: its JSON, and the manifest that was in force, if any.
    fn record(&self, record: Vec<u8>, manifest: Option<Vec<u8>>) -> Result<(), ImagxpError>;
}

/// A sink written in Swift.
pub(crate) struct SwiftSink(pub(crate) Box<dyn AuditSink>);

impl audit::AuditSink for SwiftSink {
    fn record(&self, record: &Record<'_>) -> imagxp::Result<()> {
        let manifest = record.manifest.map(|manifest| manifest.bytes.to_vec());
        let kept = self.0.record(record.to_json(), manifest);
        kept.map_err(|_| Error::new(ErrorKind::Io, "the audit sink failed"))
    }
}

/// What the verification of a whole log found.
#[derive(uniffi::Record)]
pub(crate) struct AuditReport {
    /// Whether nothing was altered, reordered or removed.
    pub(crate) intact: bool,
    /// The log's name.
    pub(crate) origin: String,
    /// Files.
    pub(crate) files: u64,
    /// Entries.
    pub(crate) entries: u64,
    /// Entries that are verdicts.
    pub(crate) verdicts: u64,
    /// Signatures of agents that were verified again, with a key of the agent's domain.
    pub(crate) requests_verified: u64,
    /// Signatures in an agent's name that were verified again, with a key that nobody vouches for.
    pub(crate) requests_key_only: u64,
    /// Checkpoints.
    pub(crate) checkpoints: u64,
    /// Entries that a checkpoint seals.
    pub(crate) sealed: u64,
    /// Bytes of an unfinished last line.
    pub(crate) unfinished: u64,
    /// What is wrong.
    pub(crate) findings: Vec<AuditFinding>,
}

/// One thing that is wrong with a log.
#[derive(uniffi::Record)]
pub(crate) struct AuditFinding {
    /// In which file.
    pub(crate) file: String,
    /// In which line.
    pub(crate) line: u64,
    /// At which entry, when it is known.
    pub(crate) entry: Option<u64>,
    /// What.
    pub(crate) message: String,
}

/// Verifies a whole log offline.
///
/// `keys`: those that sign the log's checkpoints, known from elsewhere than the log. `checkpoint`: one that was kept elsewhere.
#[uniffi::export(default(checkpoint = None))]
pub(crate) fn verify_audit_log(
    path: &str,
    keys: Vec<Arc<PublicKey>>,
    checkpoint: Option<Vec<u8>>,
) -> Result<AuditReport, ImagxpError> {
    let keys = self::keys(&keys);
    let report = boundary::call(|| {
        let kept = checkpoint.map(|note| SignedCheckpoint::parse(&note)).transpose()?;
        files::verify(Path::new(path), &Expectation { keys: &keys, kept: kept.as_ref() })
    })?;
    let finding = |finding: &files::Finding| AuditFinding {
        file: finding.file.clone(),
        line: finding.line,
        entry: finding.entry,
        message: finding.message.clone(),
    };
    Ok(AuditReport {
        intact: report.is_intact(),
        origin: report.origin.clone(),
        files: report.files,
        entries: report.entries,
        verdicts: report.verdicts,
        requests_verified: report.requests_verified,
        requests_key_only: report.requests_key_only,
        checkpoints: report.checkpoints,
        sealed: report.sealed,
        unfinished: report.unfinished,
        findings: report.findings.iter().map(finding).collect(),
    })
}

/// Which record of a log is meant.
#[derive(uniffi::Enum)]
pub(crate) enum AuditSelector {
    /// By its number, from 0.
    Entry {
        /// The number.
        number: u64,
    },
    /// By the verdict's trace id.
    TraceId {
        /// 32 hex digits.
        id: String,
    },
    /// By the claim's nonce.
    Nonce {
        /// The nonce.
        nonce: String,
    },
}

/// Makes evidence of one record: the JSON that `verifyEvidence` reads.
#[uniffi::export]
pub(crate) fn prove_audit_entry(
    path: &str,
    keys: Vec<Arc<PublicKey>>,
    selector: AuditSelector,
) -> Result<Vec<u8>, ImagxpError> {
    let keys = self::keys(&keys);
    let selector = match &selector {
        AuditSelector::Entry { number } => Selector::Number(*number),
        AuditSelector::TraceId { id } => Selector::TraceId(id),
        AuditSelector::Nonce { nonce } => Selector::Nonce(nonce),
    };
    boundary::call(|| files::prove(Path::new(path), selector, &keys)?.to_json())
}

/// Verifies evidence offline: checkpoint, inclusion, and the request's signature, with the manifest that was in force, or with a key that nobody
/// vouches for where `binding` is `key_only`. Returns what is proven, as JSON.
///
/// Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the publisher's word, and `url_signed` says whether
/// the URL is the one that was signed.
///
/// `keys`: the publisher's, as you know them; without any, the key in the evidence is taken, and `key_known` is false. Throws an
/// `audit.…` code.
#[uniffi::export(default(keys = []))]
pub(crate) fn verify_evidence(evidence: &[u8], keys: Vec<Arc<PublicKey>>) -> Result<Vec<u8>, ImagxpError> {
    let keys = self::keys(&keys);
    boundary::call(|| Ok(json::text(&Evidence::parse(evidence)?.verify(&keys)?.to_json())))
}

/// Verifies that a checkpoint, signed by one of these keys, seals this line of a log; returns how many entries it seals.
///
/// `proof`: the hashes of the RFC 6962 inclusion proof in base64, from the leaf upwards.
#[uniffi::export]
pub(crate) fn verify_inclusion(
    checkpoint: &[u8],
    keys: Vec<Arc<PublicKey>>,
    entry: &[u8],
    proof: Vec<String>,
) -> Result<u64, ImagxpError> {
    let keys = self::keys(&keys);
    boundary::call(|| {
        let proof = proof.iter().map(|hash| base64_decode(hash.as_bytes())?.try_into().ok());
        let proof: Vec<[u8; 32]> = proof
            .collect::<Option<_>>()
            .ok_or_else(|| Error::argument("a hash of the proof is not 32 bytes of base64"))?;
        Ok(verify_entry(checkpoint, &keys, entry, &proof)?.size)
    })
}

fn keys(keys: &[Arc<PublicKey>]) -> Vec<imagxp::crypto::PublicKey> {
    keys.iter().map(|key| key.0.clone()).collect()
}
