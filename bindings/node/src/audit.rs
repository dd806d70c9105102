//! Audit logs: written as a publisher's sink, verified, proven.

use crate::js::{Anything, Callback, ClassInstance, JsBoolean, JsNumber, JsString, List, Text, arguments};
use crate::json::JsonObject;
use crate::key::{PrivateKey, PublicKey};
use crate::options::options;
use crate::{boundary, errors, host, worker};
use imagxp::audit::{AuditSink, Evidence, Record, SignedCheckpoint, verify_entry};
use imagxp::encoding::base64_decode;
use imagxp::{Error, ErrorKind};
use imagxp_files::audit::{self as files, Expectation, Options, Selector, Sync};
use napi::bindgen_prelude::{Buffer, FnArgs, PromiseRaw};
use napi::{Env, Result};
use napi_derive::napi;
use std::path::PathBuf;
use std::sync::Arc;

options! {
    /// How a log is kept.
    AuditLogOptions {
        /// `each` (a record is on the disk before its verdict is given), `interval` (an fsync after `intervalMs` or `intervalRecords`),
        /// or `never`. `each` unless given.
        #[napi(ts_type = "'each' | 'interval' | 'never'")]
        sync: Option<JsString>,
        /// Milliseconds between two fsyncs; 200 unless given.
        interval_ms: Option<JsNumber>,
        /// Records between two fsyncs; 1000 unless given.
        interval_records: Option<JsNumber>,
        /// Bytes of one file; 64 MiB unless given.
        file_bytes: Option<JsNumber>,
        /// Entries between two checkpoints; 10 000 unless given.
        checkpoint_entries: Option<JsNumber>,
        /// Seconds between two checkpoints; 60 unless given.
        checkpoint_seconds: Option<JsNumber>,
        /// Also records visitors that signed nothing.
        unsigned: Option<JsBoolean>,
        /// Keys that signed this log's checkpoints before.
        earlier_keys: Option<List<ClassInstance<PublicKey>>>,
    }
}

options! {
    /// What `AuditLog.verify` also takes.
    AuditVerifyOptions {
        /// A checkpoint that was kept elsewhere.
        checkpoint: Option<Text>,
    }
}

options! {
    /// Which record `AuditLog.prove` is about: exactly one of these.
    AuditSelector {
        /// Its number.
        entry: Option<JsNumber>,
        /// The verdict's `traceId`.
        trace_id: Option<JsString>,
        /// The claim's nonce.
        nonce: Option<JsString>,
    }
}

/// What is wrong with a log.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct AuditFinding {
    /// In which file.
    pub file: String,
    /// On which line.
    pub line: f64,
    /// At which entry.
    pub entry: Option<f64>,
    /// What.
    pub message: String,
}

/// What `AuditLog.verify` found.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct AuditReport {
    /// Whether nothing was altered, reordered or removed.
    pub intact: bool,
    /// The log's name.
    pub origin: String,
    /// How many files.
    pub files: f64,
    /// How many entries.
    pub entries: f64,
    /// How many of them are verdicts.
    pub verdicts: f64,
    /// How many requests' signatures were verified again, with a key of the agent's domain.
    pub requests_verified: f64,
    /// How many signatures in an agent's name were verified again, with a key that nobody vouches for.
    pub requests_key_only: f64,
    /// How many checkpoints.
    pub checkpoints: f64,
    /// How many entries the last checkpoint seals.
    pub sealed: f64,
    /// How many bytes of an unfinished entry a crash left.
    pub unfinished: f64,
    /// What is wrong.
    pub findings: Vec<AuditFinding>,
}

/// A log in a folder; `new Publisher(policy, { audit: log })` records each decided verdict in it.
#[napi]
pub struct AuditLog(Arc<files::AuditLog>);

impl AuditLog {
    pub(crate) fn shared(&self) -> Arc<files::AuditLog> {
        Arc::clone(&self.0)
    }
}

#[napi]
impl AuditLog {
    /// Opens a log, or begins one. `key` signs the checkpoints; `origin` is the log's name, for example `pub.example/imagxp-audit`.
    #[napi(constructor)]
    pub fn new(
        path: JsString,
        key: ClassInstance<PrivateKey>,
        origin: JsString,
        options: Option<AuditLogOptions>,
    ) -> Result<Self> {
        let mut chosen = Options::new(origin.0);
        if let Some(options) = options {
            let or = |number: Option<JsNumber>, name, default: u64| {
                number.map_or(Ok(default), |number| number.whole::<u64>(name))
            };
            chosen.sync = match options.sync.as_deref().unwrap_or("each") {
                "each" => Sync::Each,
                "interval" => Sync::Interval {
                    millis: or(options.interval_ms, "intervalMs", 200)?,
                    records: or(options.interval_records, "intervalRecords", 1000)?,
                },
                "never" => Sync::Never,
                _ => return Err(errors::argument("sync is not one of each, interval, never")),
            };
            chosen.file_bytes = or(options.file_bytes, "fileBytes", chosen.file_bytes)?;
            chosen.checkpoint_entries =
                or(options.checkpoint_entries, "checkpointEntries", chosen.checkpoint_entries)?;
            chosen.checkpoint_seconds =
                or(options.checkpoint_seconds, "checkpointSeconds", chosen.checkpoint_seconds)?;
            chosen.unsigned = options.unsigned.is_some_and(|flag| flag.0);
            chosen.earlier_keys = keys(&options.earlier_keys.unwrap_or_default());
        }
        let path = PathBuf::from(path.0);
        boundary::call(|| {
            let signer = imagxp::crypto::PrivateKey::from_pkcs8_der(&key.0.to_pkcs8_der())?;
            files::AuditLog::open(&path, Arc::new(signer), chosen).map(|log| Self(Arc::new(log)))
        })
    }

    /// How many entries are kept.
    #[napi(getter)]
    pub fn size(&self) -> f64 {
        large(self.0.size())
    }

    /// The files into which opening the log moved what a crash left.
    #[napi(getter)]
    pub fn torn(&self) -> Vec<String> {
        self.0.torn().iter().map(|path| path.display().to_string()).collect()
    }

    /// Syncs what is written and signs a checkpoint.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn seal(&self, env: Env) -> Result<PromiseRaw<'static, ()>> {
        let log = self.shared();
        worker::run(&env, move || log.seal(), |done| done.map_err(|error| errors::raise(&error)))
    }

    /// Seals the log and ends it; verdicts that would be recorded after it are `audit.unavailable`.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self, env: Env) -> Result<PromiseRaw<'static, ()>> {
        let log = self.shared();
        worker::run(&env, move || log.close(), |done| done.map_err(|error| errors::raise(&error)))
    }

    /// Verifies a whole log offline.
    ///
    /// `keys`: those that sign the log's checkpoints, known from elsewhere than the log.
    #[napi(
        ts_args_type = "path: string, keys: readonly PublicKey[], options?: AuditVerifyOptions",
        ts_return_type = "Promise<AuditReport>"
    )]
    pub fn verify(
        env: Env,
        path: JsString,
        keys: List<ClassInstance<PublicKey>>,
        options: Option<AuditVerifyOptions>,
    ) -> Result<PromiseRaw<'static, AuditReport>> {
        let (path, keys) = (PathBuf::from(path.0), self::keys(&keys));
        let checkpoint = options.and_then(|options| options.checkpoint);
        let work = move || {
            let kept = checkpoint.map(|note| SignedCheckpoint::parse(&note.0)).transpose()?;
            files::verify(&path, &Expectation { keys: &keys, kept: kept.as_ref() })
        };
        worker::run(&env, work, |done| {
            done.map(|found| report(&found)).map_err(|error| errors::raise(&error))
        })
    }

    /// Makes evidence of one record; the JSON that `verifyEvidence` reads.
    #[napi(
        ts_args_type = "path: string, keys: readonly PublicKey[], which: AuditSelector",
        ts_return_type = "Promise<Buffer>"
    )]
    pub fn prove(
        env: Env,
        path: JsString,
        keys: List<ClassInstance<PublicKey>>,
        which: AuditSelector,
    ) -> Result<PromiseRaw<'static, Buffer>> {
        let (path, keys) = (PathBuf::from(path.0), self::keys(&keys));
        let entry = which.entry.map(|entry| entry.whole::<u64>("entry")).transpose()?;
        if [entry.is_some(), which.trace_id.is_some(), which.nonce.is_some()]
            .map(usize::from)
            .iter()
            .sum::<usize>()
            != 1
        {
            return Err(errors::argument("give exactly one of entry, traceId and nonce"));
        }
        let work = move || {
            let selector = match (entry, which.trace_id.as_deref(), which.nonce.as_deref()) {
                (Some(entry), ..) => Selector::Number(entry),
                (_, Some(id), _) => Selector::TraceId(id),
                (.., nonce) => Selector::Nonce(nonce.unwrap_or_default()),
            };
            files::prove(&path, selector, &keys)?.to_json()
        };
        worker::run(&env, work, |done: imagxp::Result<Vec<u8>>| {
            done.map(Buffer::from).map_err(|error| errors::raise(&error))
        })
    }
}

/// Verifies evidence offline: checkpoint, inclusion, and the request's signature, with the manifest that was in force, or with a key that nobody
/// vouches for where `binding` is `key_only`. Returns what is proven.
///
/// Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the publisher's word, and `url_signed` says whether
/// the URL is the one that was signed.
///
/// `keys`: the publisher's, as you know them; without any, the key in the evidence is taken, and `key_known` is false. An error with the
/// code `audit.*` says what is wrong.
#[napi(ts_args_type = "evidence: Text, keys?: readonly PublicKey[]", ts_return_type = "JsonObject")]
pub fn verify_evidence(evidence: Text, keys: Option<List<ClassInstance<PublicKey>>>) -> Result<JsonObject> {
    let keys = self::keys(&keys.unwrap_or_default());
    boundary::call(|| Evidence::parse(&evidence.0)?.verify(&keys)).map(|proven| JsonObject(proven.to_json()))
}

/// Verifies that a checkpoint, signed by one of these keys, seals this line of a log; returns how many entries it seals.
///
/// `proof`: the hashes of the RFC 6962 inclusion proof in base64, from the leaf upwards.
#[napi(ts_args_type = "checkpoint: Text, keys: readonly PublicKey[], entry: Text, proof: readonly string[]")]
pub fn verify_inclusion(
    checkpoint: Text,
    keys: List<ClassInstance<PublicKey>>,
    entry: Text,
    proof: List<JsString>,
) -> Result<f64> {
    let keys = self::keys(&keys);
    let sealed = boundary::call(|| {
        let proof = proof.0.iter().map(|hash| base64_decode(hash.as_bytes())?.try_into().ok());
        let proof: Vec<[u8; 32]> = proof
            .collect::<Option<_>>()
            .ok_or_else(|| Error::argument("a hash of the proof is not 32 bytes of base64"))?;
        Ok(verify_entry(&checkpoint.0, &keys, &entry.0, &proof)?.size)
    })?;
    Ok(large(sealed))
}

fn keys(keys: &List<ClassInstance<PublicKey>>) -> Vec<imagxp::crypto::PublicKey> {
    keys.0.iter().map(|key| key.0.clone()).collect()
}

fn report(report: &files::Report) -> AuditReport {
    let finding = |finding: &files::Finding| AuditFinding {
        file: finding.file.clone(),
        line: large(finding.line),
        entry: finding.entry.map(large),
        message: finding.message.clone(),
    };
    AuditReport {
        intact: report.is_intact(),
        origin: report.origin.clone(),
        files: large(report.files),
        entries: large(report.entries),
        verdicts: large(report.verdicts),
        requests_verified: large(report.requests_verified),
        requests_key_only: large(report.requests_key_only),
        checkpoints: large(report.checkpoints),
        sealed: large(report.sealed),
        unfinished: large(report.unfinished),
        findings: report.findings.iter().map(finding).collect(),
    }
}

fn large(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no log has 2^53 entries")]
    {
        number as f64
    }
}

/// A sink written in JavaScript: a function that takes the record's JSON bytes and the manifest's, and keeps them, or throws.
pub(crate) struct JavaScriptSink(Callback<FnArgs<(Buffer, Option<Buffer>)>>);

impl JavaScriptSink {
    pub(crate) fn new(env: Env, sink: &Anything) -> Result<Self> {
        if !sink.is_function() {
            return Err(errors::wrong_type("`audit` is neither an AuditLog nor a function"));
        }
        Callback::new(env, sink, "audit").map(Self)
    }
}

impl AuditSink for JavaScriptSink {
    fn record(&self, record: &Record<'_>) -> imagxp::Result<()> {
        let body = Buffer::from(record.to_json());
        let manifest = record.manifest.map(|manifest| Buffer::from(manifest.bytes.to_vec()));
        let kept = self.0.call(|| arguments((body, manifest)), |answer| answer.refuse_promise());
        kept.map_err(|error| {
            host::warn("the audit sink failed", error);
            Error::new(ErrorKind::Io, "the audit sink failed; see the process warning")
        })
    }
}
