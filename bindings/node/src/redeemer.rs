//! Redeeming in the background, in batches.

use crate::broker::{BrokerClient, raise};
use crate::host;
use crate::js::{Anything, Callback, ClassInstance, JsNumber, JsString, arguments};
use crate::json::JsonObject;
use crate::options::options;
use crate::presented::Presented;
use crate::{boundary, errors, worker};
use imagxp_fetch::broker::{self, Outcome, RedeemerOptions as Bounds};
use napi::bindgen_prelude::{FnArgs, PromiseRaw, Unknown};
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::Arc;
use std::time::Duration;

options! {
    /// How a redeemer works.
    RedeemerOptions {
        /// Visas that may wait; 10 000 unless given.
        capacity: Option<JsNumber>,
        /// So many are presented at once, 1000 at most; 500 unless given.
        batch: Option<JsNumber>,
        /// No visa waits longer than so many milliseconds for others; 5000 unless given.
        interval_ms: Option<JsNumber>,
        /// After so many milliseconds without an answer a visa is reported as not redeemed; an hour unless given.
        give_up_ms: Option<JsNumber>,
    }
}

/// How many visas have come to what.
#[napi(object, object_from_js = false)]
pub struct Tally {
    /// They wait, or are being presented.
    pub waiting: f64,
    /// The money stands behind them.
    pub accepted: f64,
    /// The broker refused them.
    pub refused: f64,
    /// They could not be presented.
    pub failed: f64,
}

type Told = FnArgs<(Presented, Option<JsonObject>, Option<Unknown<'static>>)>;

/// Redeems in batches from a thread of its own, which starts with the first visa: a publisher serves first and presents soon after.
///
/// Each visa that `push` took is reported once: `onOutcome(presented, result, error)`, with the object of `BrokerClient.redeem` or a
/// `BrokerError`. What that throws, or a promise of it rejects with, becomes a process warning. What waits is in memory and keeps no process alive by itself: `close` it before
/// the process ends. A process that ends because it has nothing left to do closes it by itself, within 30 seconds.
#[napi]
pub struct Redeemer {
    inner: Arc<broker::Redeemer>,
    issuer: String,
}

#[napi]
impl Redeemer {
    /// A redeemer for a publisher's client.
    #[napi(
        constructor,
        ts_args_type = "client: BrokerClient, onOutcome: (presented: Presented, result: JsonObject | null, error: BrokerError | null) => unknown, options?: RedeemerOptions"
    )]
    pub fn new(
        env: Env,
        client: ClassInstance<BrokerClient>,
        on_outcome: Anything,
        options: Option<RedeemerOptions>,
    ) -> Result<Self> {
        let on_outcome: Arc<Callback<Told>> = Arc::new(Callback::new(env, &on_outcome, "onOutcome")?);
        let home = host::home();
        let report = move |outcome: Outcome| {
            let on_outcome = Arc::clone(&on_outcome);
            if let Some(home) = &home {
                // `None`: the thread of JavaScript has ended, and there is nobody to tell.
                let _told = home.visit(move || tell(&on_outcome, outcome));
            }
        };
        let issuer = client.0.issuer().to_owned();
        let redeemer = broker::Redeemer::new(client.0.clone(), bounds(options)?, report);
        redeemer.map(|redeemer| Self { inner: Arc::new(redeemer), issuer }).map_err(|error| raise(&error))
    }

    /// The broker's origin, to whom everything is presented that is pushed: only its own visas belong here.
    #[napi(getter)]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it is paid for the page at this URL: a broker pays each host by its own name.
    #[napi(ts_args_type = "url: string")]
    pub fn is_paid_for(&self, url: JsString) -> Result<bool> {
        boundary::compute(|| self.inner.is_paid_for(&url))
    }

    /// Takes a visa. Throws a `BrokerError` when it did not: `redeemer.full`, `redeemer.closed`.
    #[napi]
    pub fn push(&self, presented: ClassInstance<Presented>) -> Result<()> {
        boundary::compute(|| self.inner.push(presented.0.clone()))?.map_err(|error| raise(&error))
    }

    /// How many visas have come to what.
    #[napi(getter)]
    pub fn tally(&self) -> Result<Tally> {
        let tally = boundary::compute(|| self.inner.tally())?;
        Ok(Tally {
            waiting: count(tally.waiting),
            accepted: count(tally.accepted),
            refused: count(tally.refused),
            failed: count(tally.failed),
        })
    }

    /// Presents now what waits; `false` when something still waits after so many milliseconds, 30 000 unless given.
    #[napi(ts_args_type = "withinMs?: number", ts_return_type = "Promise<boolean>")]
    pub fn flush(&self, env: Env, within_ms: Option<JsNumber>) -> Result<PromiseRaw<'static, bool>> {
        let (redeemer, within) = (Arc::clone(&self.inner), millis(within_ms, "withinMs", 30_000)?);
        worker::run(&env, move || redeemer.flush(within), Ok)
    }

    /// Takes no more, presents what waits, and reports what could not be presented within so many milliseconds, 30 000 unless given. Gives
    /// how many those were.
    #[napi(ts_args_type = "withinMs?: number", ts_return_type = "Promise<number>")]
    pub fn close(&self, env: Env, within_ms: Option<JsNumber>) -> Result<PromiseRaw<'static, f64>> {
        let (redeemer, within) = (Arc::clone(&self.inner), millis(within_ms, "withinMs", 30_000)?);
        worker::run(&env, move || redeemer.close(within), |left| Ok(count(left)))
    }
}

/// On the thread of JavaScript.
fn tell(on_outcome: &Callback<Told>, outcome: Outcome) {
    let Some(env) = host::env() else { return };
    let (result, error) = match &outcome.result {
        Ok(result) => (Some(JsonObject(result.to_json())), None),
        Err(error) => (None, Some(errors::value(env, raise(error)))),
    };
    let told = on_outcome.call(|| arguments((Presented(outcome.presented), result, error)), |_| Ok(()));
    if let Err(error) = told {
        host::warn("onOutcome failed", error);
    }
}

fn bounds(given: Option<RedeemerOptions>) -> Result<Bounds> {
    let mut bounds = Bounds::default();
    let Some(given) = given else { return Ok(bounds) };
    if let Some(capacity) = given.capacity {
        bounds.capacity = capacity.whole::<u32>("capacity")? as usize;
    }
    if let Some(batch) = given.batch {
        bounds.batch = batch.whole::<u32>("batch")? as usize;
    }
    bounds.interval = millis(given.interval_ms, "intervalMs", 5000)?;
    bounds.give_up = millis(given.give_up_ms, "giveUpMs", 3_600_000)?;
    Ok(bounds)
}

/// Milliseconds, less than fifty days of them.
fn millis(given: Option<JsNumber>, name: &'static str, otherwise: u32) -> Result<Duration> {
    let millis: u32 = given.map_or(Ok(otherwise), |given| given.whole(name))?;
    Ok(Duration::from_millis(millis.into()))
}

/// As JavaScript counts: whole numbers up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "nobody redeems 2^53 visas")]
fn count(number: u64) -> f64 {
    number as f64
}
