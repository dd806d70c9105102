//! Replay stores: the bounded one in memory, and those written in Python.

use crate::errors;
use core::cell::Cell;
use imagxp::Timestamp;
use imagxp::replay::{self, Insert, ReplayEntry, Seen};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// A replay store for one process: never a live entry evicted; full means 503.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct MemoryReplayStore(pub(crate) Arc<replay::MemoryReplayStore>);

#[pymethods]
impl MemoryReplayStore {
    /// A store for at most this many entries in all and per agent.
    #[new]
    #[pyo3(signature = (*, max_entries = 1_000_000, max_per_agent = 200_000))]
    fn new(max_entries: usize, max_per_agent: u32) -> Self {
        Self(Arc::new(replay::MemoryReplayStore::new(max_entries, max_per_agent)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// A store is one whether it holds something or not.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        format!("MemoryReplayStore({} entries)", self.0.len())
    }
}

thread_local! {
    /// Whether the last `horizon` on this thread failed. The core's method cannot say so; its next question, on the same thread, is
    /// `seen`, which can: a store that does not know how far back it remembers vouches for nothing.
    static HORIZON_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// A store that follows the protocol `imagxp.ReplayStore`. Every exception and every unknown answer is an error of the store: the
/// request is answered with 503, and the exception goes to the logger `imagxp`.
pub(crate) struct PythonStore(Py<PyAny>);

impl PythonStore {
    /// Checks that the object has the methods, so that a slip shows at once and not as 503s.
    pub(crate) fn new(store: &Bound<'_, PyAny>) -> PyResult<Self> {
        for method in ["insert_if_absent", "seen", "horizon"] {
            if !store.getattr_opt(method)?.is_some_and(|attribute| attribute.is_callable()) {
                return Err(PyTypeError::new_err(format!("the replay store has no method {method}")));
            }
        }
        Ok(Self(store.clone().unbind()))
    }

    fn ask<T>(&self, what: &str, ask: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T>) -> Option<T> {
        // `try_attach`: at the interpreter's end there is nobody to ask.
        Python::try_attach(|py| {
            ask(self.0.bind(py))
                .map_err(|error| errors::log(py, &format!("the replay store failed in {what}"), &error))
                .ok()
        })
        .flatten()
    }
}

impl replay::ReplayStore for PythonStore {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let answer = self.ask("insert_if_absent", |store| {
            let py = store.py();
            let (key, agent) = (PyBytes::new(py, &entry.key), PyBytes::new(py, &entry.agent));
            let arguments = (key, agent, entry.expires_at.as_millis(), now.as_millis());
            let answer: String = store.call_method1("insert_if_absent", arguments)?.extract()?;
            match answer.as_str() {
                "fresh" => Ok(Insert::Fresh),
                "seen" => Ok(Insert::Seen),
                "full" => Ok(Insert::Full),
                "error" => Ok(Insert::Error),
                _ => Err(PyValueError::new_err("the answer is not one of fresh, seen, full, error")),
            }
        });
        answer.unwrap_or(Insert::Error)
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        if HORIZON_FAILED.get() {
            return Seen::Error;
        }
        let answer = self.ask("seen", |store| {
            store.call_method1("seen", (PyBytes::new(store.py(), key), now.as_millis()))?.extract::<bool>()
        });
        match answer {
            Some(true) => Seen::Yes,
            Some(false) => Seen::No,
            None => Seen::Error,
        }
    }

    fn horizon(&self) -> Option<Timestamp> {
        let answer = self.ask("horizon", |store| store.call_method0("horizon")?.extract::<Option<i64>>());
        HORIZON_FAILED.set(answer.is_none());
        answer.flatten().map(Timestamp::from_millis)
    }
}
