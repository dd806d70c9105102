//! Replay stores that several processes share.

use crate::{boundary, errors};
use imagxp_replay_stores::{Options, RedisAddress, SharedReplayStore};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A replay store in Redis 6.2 or newer, shared by every process with the same url, `name` and secret of the publisher.
///
/// `url`: `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS (`ca_file`: PEM of the authorities that are believed, Mozilla's unless
/// given), or `redis+unix:///path[?db=n]`; connects when first asked. An answer comes within `time_limit` seconds, or the request is answered with
/// 503. Redis must not evict (`maxmemory-policy noeviction`), and forgets in a crash what it has not written to its disk (`appendonly yes`).
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct RedisReplayStore(Arc<SharedReplayStore>);

#[pymethods]
impl RedisReplayStore {
    /// A store for at most this many entries in all and per agent.
    #[new]
    #[pyo3(signature = (url, *, ca_file = None, max_entries = 1_000_000, max_per_agent = 200_000, time_limit = 1.0, connections = 2, name = "imagxp"))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        url: &str,
        ca_file: Option<PathBuf>,
        max_entries: u32,
        max_per_agent: u32,
        time_limit: f64,
        connections: usize,
        name: &str,
    ) -> PyResult<Self> {
        let options = options(py, max_entries, max_per_agent, time_limit, connections, name)?;
        boundary::call(py, || {
            let address = RedisAddress::parse(url, ca_file.as_deref())?;
            Ok(Self(Arc::new(SharedReplayStore::at_redis(address, options)?)))
        })
    }

    /// Connects, and raises what is wrong with the server, for a start-up check: `ImagxpError` (`io.failed`), `UsageError`.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        boundary::call(py, || Ok(self.0.check()?))
    }

    fn __repr__(&self) -> &'static str {
        "RedisReplayStore(..)"
    }
}

/// A replay store in PostgreSQL 12 or newer, shared by every process with the same dsn, `name` and secret of the publisher.
///
/// `dsn`: `postgres://user:password@host:port/database` or `host=… user=… dbname=…`; connects when first asked, and makes its tables and
/// functions when they are missing. TLS as libpq has it (`sslmode`, `sslrootcert`): `verify-full` to another machine unless the dsn says otherwise. An
/// answer comes within `time_limit` seconds, or the request is answered with 503.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct PostgresReplayStore(Arc<SharedReplayStore>);

#[pymethods]
impl PostgresReplayStore {
    /// A store for at most this many entries in all and per agent; what several processes store in one second may pass both a little.
    #[new]
    #[pyo3(signature = (dsn, *, max_entries = 1_000_000, max_per_agent = 200_000, time_limit = 1.0, connections = 2, name = "imagxp"))]
    fn new(
        py: Python<'_>,
        dsn: &str,
        max_entries: u32,
        max_per_agent: u32,
        time_limit: f64,
        connections: usize,
        name: &str,
    ) -> PyResult<Self> {
        let options = options(py, max_entries, max_per_agent, time_limit, connections, name)?;
        boundary::call(py, || Ok(Self(Arc::new(SharedReplayStore::postgres(dsn, options)?))))
    }

    /// Connects, and raises what is wrong with the server, for a start-up check: `ImagxpError` (`io.failed`), `UsageError`.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        boundary::call(py, || Ok(self.0.check()?))
    }

    fn __repr__(&self) -> &'static str {
        "PostgresReplayStore(..)"
    }
}

/// The shared store that this object is, if it is one.
pub(crate) fn shared(store: &Bound<'_, PyAny>) -> Option<Arc<SharedReplayStore>> {
    if let Ok(redis) = store.cast::<RedisReplayStore>() {
        return Some(Arc::clone(&redis.get().0));
    }
    store.cast::<PostgresReplayStore>().ok().map(|postgres| Arc::clone(&postgres.get().0))
}

fn options(
    py: Python<'_>,
    max_entries: u32,
    max_per_agent: u32,
    time_limit: f64,
    connections: usize,
    name: &str,
) -> PyResult<Options> {
    let limit = Duration::try_from_secs_f64(time_limit).ok().filter(|limit| limit.as_secs() < 60);
    let time_limit = limit
        .ok_or_else(|| errors::argument(py, "the time limit is not a number of seconds from 0 to 60"))?;
    Ok(Options { max_entries, max_per_agent, time_limit, connections, name: name.to_owned() })
}
