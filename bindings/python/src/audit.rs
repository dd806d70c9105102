//! Audit logs: written as a publisher's sink, verified, proven.

use crate::json::{self, Text};
use crate::key::{PrivateKey, PublicKey};
use crate::{boundary, errors};
use imagxp::audit::{AuditSink, Evidence, Record, SignedCheckpoint, verify_entry};
use imagxp::encoding::base64_decode;
use imagxp::{Error, ErrorKind};
use imagxp_files::audit::{self as files, Expectation, Options, Selector, Sync};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use std::path::PathBuf;
use std::sync::Arc;

/// A log in a folder; `Publisher(policy, audit=log)` records each decided verdict in it.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct AuditLog(pub(crate) Arc<files::AuditLog>);

#[pymethods]
impl AuditLog {
    /// Opens a log, or begins one.
    ///
    /// `key` signs the checkpoints; `origin` is the log's name, for example `pub.example/imagxp-audit`. `sync`: `"each"` (a record is on the
    /// disk before its verdict is given), `"interval"` (an fsync after `interval_ms` or `interval_records`), `"never"`.
    #[new]
    #[pyo3(signature = (path, key, origin, *, sync = "each", interval_ms = 200, interval_records = 1000, file_bytes = 64 << 20, checkpoint_entries = 10_000, checkpoint_seconds = 60, unsigned = false, earlier_keys = Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        key: &PrivateKey,
        origin: String,
        sync: &str,
        interval_ms: u64,
        interval_records: u64,
        file_bytes: u64,
        checkpoint_entries: u64,
        checkpoint_seconds: u64,
        unsigned: bool,
        earlier_keys: Vec<Py<PublicKey>>,
    ) -> PyResult<Self> {
        let sync = match sync {
            "each" => Sync::Each,
            "interval" => Sync::Interval { millis: interval_ms, records: interval_records },
            "never" => Sync::Never,
            _ => return Err(errors::argument(py, "sync is not one of each, interval, never")),
        };
        let options = Options {
            sync,
            file_bytes,
            checkpoint_entries,
            checkpoint_seconds,
            unsigned,
            earlier_keys: keys(&earlier_keys),
            ..Options::new(origin)
        };
        let signer = imagxp::crypto::PrivateKey::from_pkcs8_der(&key.0.to_pkcs8_der())
            .map_err(|error| errors::raise(py, &error))?;
        boundary::call(py, move || files::AuditLog::open(&path, Arc::new(signer), options))
            .map(|log| Self(Arc::new(log)))
    }

    /// How many entries are kept.
    fn __len__(&self) -> usize {
        usize::try_from(self.0.size()).unwrap_or(usize::MAX)
    }

    /// A log is one whether it holds something or not.
    fn __bool__(&self) -> bool {
        true
    }

    /// The files into which opening the log moved what a crash left.
    #[getter]
    fn torn(&self) -> Vec<PathBuf> {
        self.0.torn().to_vec()
    }

    /// Syncs what is written and signs a checkpoint.
    fn seal(&self, py: Python<'_>) -> PyResult<()> {
        boundary::call(py, || self.0.seal())
    }

    /// Seals the log and ends it; verdicts that would be recorded after it are `audit.unavailable`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        boundary::call(py, || self.0.close())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    /// Verifies a whole log offline and returns the report: `intact`, counts, and `findings`.
    ///
    /// `keys`: those that sign the log's checkpoints, known from elsewhere than the log. `checkpoint`: one that was kept elsewhere.
    #[staticmethod]
    #[pyo3(signature = (path, keys, *, checkpoint = None))]
    fn verify<'py>(
        py: Python<'py>,
        path: PathBuf,
        keys: Vec<Py<PublicKey>>,
        checkpoint: Option<Text>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let keys = self::keys(&keys);
        let report = boundary::call(py, || {
            let kept = checkpoint.map(|note| SignedCheckpoint::parse(&note.0)).transpose()?;
            files::verify(&path, &Expectation { keys: &keys, kept: kept.as_ref() })
        })?;
        let dict = PyDict::new(py);
        dict.set_item("intact", report.is_intact())?;
        dict.set_item("origin", &report.origin)?;
        for (name, count) in report.counts() {
            dict.set_item(name, count)?;
        }
        let findings = PyList::empty(py);
        for finding in &report.findings {
            let item = PyDict::new(py);
            item.set_item("file", &finding.file)?;
            item.set_item("line", finding.line)?;
            item.set_item("entry", finding.entry)?;
            item.set_item("message", &finding.message)?;
            findings.append(item)?;
        }
        dict.set_item("findings", findings)?;
        Ok(dict)
    }

    /// Makes evidence of one record, by exactly one of `entry`, `trace_id` and `nonce`; the JSON that `verify_evidence` reads.
    #[staticmethod]
    #[pyo3(signature = (path, keys, *, entry = None, trace_id = None, nonce = None))]
    fn prove<'py>(
        py: Python<'py>,
        path: PathBuf,
        keys: Vec<Py<PublicKey>>,
        entry: Option<u64>,
        trace_id: Option<&str>,
        nonce: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let selector = match (entry, trace_id, nonce) {
            (Some(entry), None, None) => Selector::Number(entry),
            (None, Some(id), None) => Selector::TraceId(id),
            (None, None, Some(nonce)) => Selector::Nonce(nonce),
            _ => return Err(errors::argument(py, "give exactly one of entry, trace_id and nonce")),
        };
        let keys = self::keys(&keys);
        let json = boundary::call(py, || files::prove(&path, selector, &keys)?.to_json())?;
        Ok(PyBytes::new(py, &json))
    }

    fn __repr__(&self) -> String {
        format!("AuditLog({} entries)", self.0.size())
    }
}

/// Verifies evidence offline: checkpoint, inclusion, and the request's signature, with the manifest that was in force, or with a key that nobody
/// vouches for where `binding` is `key_only`. Returns what is proven.
///
/// Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the publisher's word, and `url_signed` says whether
/// the URL is the one that was signed.
///
/// `keys`: the publisher's, as you know them; without any, the key in the evidence is taken, and `key_known` is false. `AuditError`
/// says what is wrong.
#[pyfunction]
#[pyo3(signature = (evidence, keys = Vec::new()))]
pub(crate) fn verify_evidence<'py>(
    py: Python<'py>,
    evidence: Text,
    keys: Vec<Py<PublicKey>>,
) -> PyResult<Bound<'py, PyDict>> {
    let keys = self::keys(&keys);
    let proven = boundary::call(py, || Evidence::parse(&evidence.0)?.verify(&keys))?;
    json::object(py, &proven.to_json())
}

/// Verifies that a checkpoint, signed by one of these keys, seals this line of a log; returns how many entries it seals.
///
/// `proof`: the hashes of the RFC 6962 inclusion proof in base64, from the leaf upwards.
#[pyfunction]
pub(crate) fn verify_inclusion(
    py: Python<'_>,
    checkpoint: Text,
    keys: Vec<Py<PublicKey>>,
    entry: Text,
    proof: Vec<String>,
) -> PyResult<u64> {
    let keys = self::keys(&keys);
    boundary::call(py, || {
        let proof = proof.iter().map(|hash| base64_decode(hash.as_bytes())?.try_into().ok());
        let proof: Vec<[u8; 32]> = proof
            .collect::<Option<_>>()
            .ok_or_else(|| Error::argument("a hash of the proof is not 32 bytes of base64"))?;
        Ok(verify_entry(&checkpoint.0, &keys, &entry.0, &proof)?.size)
    })
}

fn keys(keys: &[Py<PublicKey>]) -> Vec<imagxp::crypto::PublicKey> {
    keys.iter().map(|key| key.get().0.clone()).collect()
}

/// A sink written in Python: a callable that takes the record's JSON bytes and the manifest's, and keeps them, or raises.
pub(crate) struct PythonSink(pub(crate) Py<PyAny>);

impl AuditSink for PythonSink {
    fn record(&self, record: &Record<'_>) -> imagxp::Result<()> {
        let body = record.to_json();
        let kept = Python::attach(|py| {
            let manifest = record.manifest.map(|manifest| PyBytes::new(py, manifest.bytes));
            let kept = self.0.bind(py).call1((PyBytes::new(py, &body), manifest));
            kept.map(|_| ()).map_err(|error| errors::log(py, "the audit sink failed", &error))
        });
        kept.map_err(|()| Error::new(ErrorKind::Io, "the audit sink failed; see the log"))
    }
}
