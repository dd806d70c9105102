//! Replay stores: the bounded one in memory, and those written in JavaScript.

use crate::host;
use crate::js::{Anything, Callback, JsBoolean, JsNumber, JsString, arguments};
use crate::limits::count;
use crate::options::options;
use crate::time::number;
use core::cell::Cell;
use imagxp::Timestamp;
use imagxp::replay::{self, Insert, ReplayEntry, Seen};
use napi::bindgen_prelude::{Buffer, FnArgs, Object};
use napi::{Env, Result, Status};
use napi_derive::napi;
use std::sync::Arc;

options! {
    /// How much a replay store in memory holds.
    MemoryReplayStoreOptions {
        /// Entries in all; a million unless given.
        max_entries: Option<JsNumber>,
        /// Entries of one agent; 200 000 unless given.
        max_per_agent: Option<JsNumber>,
    }
}

/// A replay store for one process: never a live entry evicted; full means 503.
#[napi]
pub struct MemoryReplayStore(pub(crate) Arc<replay::MemoryReplayStore>);

#[napi]
impl MemoryReplayStore {
    /// A store for at most this many entries in all and per agent.
    #[napi(constructor)]
    pub fn new(options: Option<MemoryReplayStoreOptions>) -> Result<Self> {
        let (entries, per_agent) =
            options.map_or((None, None), |options| (options.max_entries, options.max_per_agent));
        let entries = entries.unwrap_or(JsNumber(1_000_000.0)).whole("maxEntries")?;
        let per_agent = per_agent.unwrap_or(JsNumber(200_000.0)).whole("maxPerAgent")?;
        Ok(Self(Arc::new(replay::MemoryReplayStore::new(entries, per_agent))))
    }

    /// How many entries there are.
    #[napi(getter)]
    pub fn size(&self) -> f64 {
        count(self.0.len())
    }
}

thread_local! {
    /// Whether the last `horizon` on this thread failed. The core's method cannot say so; its next question, on the same thread, is
    /// `seen`, which can: a store that does not know how far back it remembers vouches for nothing.
    static HORIZON_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// A store with the methods of the interface `ReplayStore`. Every exception and every unknown answer, a promise too, is an error of the
/// store: the request is answered with 503, and the exception becomes a process warning.
pub(crate) struct JavaScriptStore {
    insert_if_absent: Callback<FnArgs<(Buffer, Buffer, f64, f64)>>,
    seen: Callback<FnArgs<(Buffer, f64)>>,
    horizon: Callback<()>,
}

impl JavaScriptStore {
    /// Takes the methods, so that a missing one shows at once and not as 503s.
    pub(crate) fn new(env: Env, store: &Anything) -> Result<Self> {
        let store: Object<'_> = store.read().map_err(|_| crate::js::expected("a replay store"))?;
        Ok(Self {
            insert_if_absent: Callback::method(env, &store, "insertIfAbsent")?,
            seen: Callback::method(env, &store, "seen")?,
            horizon: Callback::method(env, &store, "horizon")?,
        })
    }
}

fn told<T>(method: &str, answer: Result<T>) -> Option<T> {
    answer.map_err(|error| host::warn(&format!("the replay store failed in {method}"), error)).ok()
}

impl replay::ReplayStore for JavaScriptStore {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let (key, agent) = (entry.key.to_vec(), entry.agent.to_vec());
        let (expires_at, now) = (number(entry.expires_at), number(now));
        let answer = self.insert_if_absent.call(
            || arguments((key.into(), agent.into(), expires_at, now)),
            |answer| match &*answer.read::<JsString>()? {
                "fresh" => Ok(Insert::Fresh),
                "seen" => Ok(Insert::Seen),
                "full" => Ok(Insert::Full),
                "error" => Ok(Insert::Error),
                _ => {
                    let message = "the answer is not one of fresh, seen, full, error";
                    Err(napi::Error::new(Status::InvalidArg, message))
                }
            },
        );
        told("insertIfAbsent", answer).unwrap_or(Insert::Error)
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        if HORIZON_FAILED.get() {
            return Seen::Error;
        }
        let (key, now) = (key.to_vec(), number(now));
        let answer = self.seen.call(|| arguments((key.into(), now)), |answer| answer.read::<JsBoolean>());
        match told("seen", answer) {
            Some(JsBoolean(true)) => Seen::Yes,
            Some(JsBoolean(false)) => Seen::No,
            None => Seen::Error,
        }
    }

    fn horizon(&self) -> Option<Timestamp> {
        let answer = self.horizon.call(
            || (),
            |answer| {
                let horizon: Option<JsNumber> = answer.read()?;
                horizon.map(|number| number.whole::<i64>("horizon")).transpose()
            },
        );
        let answer = told("horizon", answer);
        HORIZON_FAILED.set(answer.is_none());
        answer.flatten().map(Timestamp::from_millis)
    }
}
