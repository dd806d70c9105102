//! Redeeming in the background, in batches: a publisher serves first and presents its visas soon after (BROKER §2).

use super::batch::Batch;
use super::retry::pause;
use super::{BrokerClient, BrokerError, Presented, Redeemed};
use crate::process::PerProcess;
use core::fmt;
use core::time::Duration;
use imagxp::visa::MAX_PRESENTED;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// How a redeemer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeemerOptions {
    /// Visas that may wait; more are given back to the caller.
    pub capacity: usize,
    /// So many are presented at once, 1 000 at most.
    pub batch: usize,
    /// No visa waits longer than this for others.
    pub interval: Duration,
    /// After so long without an answer a visa is reported as not redeemed. A visa lives an hour at most.
    pub give_up: Duration,
}

impl Default for RedeemerOptions {
    /// 10 000 visas, batches of 500, every five seconds, for an hour.
    fn default() -> Self {
        Self {
            capacity: 10_000,
            batch: 500,
            interval: Duration::from_secs(5),
            give_up: Duration::from_secs(3600),
        }
    }
}

/// What became of one visa.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The visa with its request.
    pub presented: Presented,
    /// What the broker says; the error when it said nothing until the redeemer gave up.
    pub result: Result<Redeemed, BrokerError>,
}

/// How many visas have come to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They wait, or are being presented.
    pub waiting: u64,
    /// The money stands behind them.
    pub accepted: u64,
    /// The broker refused them.
    pub refused: u64,
    /// They could not be presented.
    pub failed: u64,
}

type Report = dyn Fn(Outcome) + Send + Sync;

/// Presents visas in batches from a thread of its own, which starts with the first visa. Shared between threads; after a fork the child has an
/// empty queue of its own.
///
/// Nothing is lost silently: each visa that [`Redeemer::push`] took is reported once, whatever became of it. What waits is kept in memory:
/// [`Redeemer::close`] before the process ends.
pub struct Redeemer {
    client: BrokerClient,
    options: RedeemerOptions,
    report: Arc<Report>,
    shared: PerProcess<Option<Arc<Shared>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Presented, Instant)>,
    tally: Tally,
    hurry: bool,
    /// Until when it may still be tried; then the thread ends.
    closing: Option<Instant>,
    /// Why nothing more is sent once that time has passed: a broker that is gone is asked once, whatever waits.
    gone: Option<BrokerError>,
    ended: bool,
}

impl Redeemer {
    /// A redeemer. `report` is called on the redeemer's thread, once for each visa. Error: `usage.argument` for bounds of nothing.
    pub fn new(
        client: BrokerClient,
        options: RedeemerOptions,
        report: impl Fn(Outcome) + Send + Sync + 'static,
    ) -> Result<Self, BrokerError> {
        client.identity()?;
        if options.capacity == 0 || !(1..=MAX_PRESENTED).contains(&options.batch) {
            return Err(imagxp::Error::argument(format!(
                "a redeemer has room for 1 visa and batches of 1 to {MAX_PRESENTED}"
            ))
            .into());
        }
        Ok(Self { client, options, report: Arc::new(report), shared: PerProcess::new() })
    }

    /// The broker whose visas it presents.
    pub fn issuer(&self) -> &str {
        self.client.issuer()
    }

    /// Whether it is paid for the page at this URL: see [`BrokerClient::is_paid_for`].
    pub fn is_paid_for(&self, url: &str) -> bool {
        self.client.is_paid_for(url)
    }

    /// Takes a visa. Errors: `redeemer.full`, `redeemer.closed`, `usage.argument`: the visa was *not* taken.
    pub fn push(&self, presented: Presented) -> Result<(), BrokerError> {
        presented.to_json()?;
        let shared = self.start()?;
        let mut state = shared.lock();
        if state.closing.is_some() {
            return Err(BrokerError::new("redeemer.closed", "the redeemer is closed"));
        }
        if state.tally.waiting >= u64::try_from(self.options.capacity).unwrap_or(u64::MAX) {
            let message = format!("{} visas wait to be redeemed already", self.options.capacity);
            return Err(BrokerError { transient: true, ..BrokerError::new("redeemer.full", message) });
        }
        state.queue.push_back((presented, Instant::now()));
        state.tally.waiting += 1;
        shared.changed.notify_all();
        Ok(())
    }

    /// How many visas have come to what.
    pub fn tally(&self) -> Tally {
        let shared = self.shared.lock().clone();
        shared.map_or_else(Tally::default, |shared| shared.lock().tally)
    }

    /// Presents now what waits, and waits until nothing does. `false` when the time has passed before.
    pub fn flush(&self, within: Duration) -> bool {
        let Some(shared) = self.shared.lock().clone() else { return true };
        let until = Instant::now() + within;
        let mut state = shared.lock();
        state.hurry = true;
        shared.changed.notify_all();
        while state.tally.waiting > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = shared.wait(state, left);
        }
        true
    }

    /// Takes no more visas, presents what waits, and reports within this time what could not be presented. Returns how many those were.
    pub fn close(&self, within: Duration) -> u64 {
        let Some(shared) = self.shared.lock().clone() else { return 0 };
        let mut state = shared.lock();
        let before = state.tally.failed;
        let until = Instant::now() + within;
        state.closing = Some(state.closing.map_or(until, |other| other.min(until)));
        shared.changed.notify_all();
        while !state.ended {
            state = shared.wait(state, Duration::from_secs(1));
        }
        state.tally.failed - before
    }

    /// The state of this process, with its thread.
    fn start(&self) -> Result<Arc<Shared>, BrokerError> {
        let mut own = self.shared.lock();
        if let Some(shared) = &*own {
            return Ok(Arc::clone(shared));
        }
        let shared = Arc::new(Shared::default());
        // One sending for each round: the rounds are this thread's own.
        let client = self.client.clone().with_attempts(1);
        let worker = Worker {
            client,
            options: self.options,
            report: Arc::clone(&self.report),
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new().name("imagxp-redeem".to_owned()).spawn(move || worker.run());
        thread.map_err(|error| BrokerError::new("io.failed", format!("no thread: {error}")))?;
        *own = Some(Arc::clone(&shared));
        Ok(shared)
    }
}

impl Drop for Redeemer {
    /// One last attempt, on the redeemer's thread: whoever wants to know the end of it calls [`Redeemer::close`].
    fn drop(&mut self) {
        if let Some(shared) = self.shared.lock().clone() {
            shared.lock().closing.get_or_insert_with(Instant::now);
            shared.changed.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

struct Worker {
    client: BrokerClient,
    options: RedeemerOptions,
    report: Arc<Report>,
    shared: Arc<Shared>,
}

/// Says that the thread has ended, however it did.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closing.get_or_insert_with(Instant::now);
        state.ended = true;
        self.0.changed.notify_all();
    }
}

impl Worker {
    fn run(&self) {
        let _end = End(&self.shared);
        while let Some(batch) = self.next() {
            let mut batches = vec![batch];
            while let Some(batch) = batches.pop() {
                batches.extend(self.present(batch));
            }
        }
    }

    /// Waits for a batch that is large or old enough; `None` in the end.
    fn next(&self) -> Option<Batch> {
        let mut state = self.shared.lock();
        loop {
            let age = state.queue.front().map(|(_, since)| since.elapsed());
            let Some(age) = age else {
                state.hurry = false;
                if state.closing.is_some() {
                    return None;
                }
                state = self.shared.wait(state, Duration::from_secs(3600));
                continue;
            };
            let left = self.options.interval.saturating_sub(age);
            if state.queue.len() >= self.options.batch
                || left.is_zero()
                || state.hurry
                || state.closing.is_some()
            {
                return Some(Batch::take(&mut state.queue, self.options.batch));
            }
            state = self.shared.wait(state, left);
        }
    }

    /// Presents one batch until each visa of it is reported, or returns the rest in smaller ones. Key and body stay the same: what the broker
    /// did is not done again.
    fn present(&self, mut batch: Batch) -> Vec<Batch> {
        let mut reported = vec![false; batch.visas.len()];
        if let Some(error) = self.gone() {
            self.give_up(&batch, &reported, error);
            return Vec::new();
        }
        let mut unknown = false;
        let mut attempt = 0;
        loop {
            let error = match self.client.present(&batch.visas, &batch.key) {
                Ok(results) => {
                    self.shared.lock().gone = None;
                    let ends = batch.visas.iter().zip(results).zip(&mut reported);
                    for ((presented, result), reported) in ends.filter(|(_, reported)| !**reported) {
                        if !result.is_transient() {
                            *reported = true;
                            self.end(presented, batch.judge(result));
                        }
                    }
                    if reported.iter().all(|reported| *reported) {
                        return Vec::new();
                    }
                    // Of those that wait some may have been done (`store.unknown`).
                    BrokerError {
                        transient: true,
                        unknown: true,
                        ..BrokerError::new("store.busy", "the broker could not decide")
                    }
                }
                Err(error) => error.after(unknown),
            };
            if error.is_too_large() {
                let mut reported = reported.iter();
                batch.visas.retain(|_| reported.next().is_none_or(|reported| !reported));
                match batch.halve(unknown) {
                    Ok([first, second]) => return vec![second, first],
                    Err(alone) => {
                        self.give_up(&alone, &[], error);
                        return Vec::new();
                    }
                }
            }
            if !error.is_transient()
                || batch.begun.elapsed() >= self.options.give_up
                || !self.wait_before(attempt, error.retry_after)
            {
                self.shared.lock().gone = error.is_transient().then(|| error.clone());
                self.give_up(&batch, &reported, error);
                return Vec::new();
            }
            unknown = error.unknown;
            attempt += 1;
        }
    }

    /// Why what has not been sent yet is not sent any more.
    fn gone(&self) -> Option<BrokerError> {
        let state = self.shared.lock();
        let over = state.closing.is_some_and(|end| end <= Instant::now());
        let gone = state.gone.clone().filter(|_| over);
        gone.map(|error| BrokerError { unknown: false, ..error })
    }

    /// Reports the visas of a batch that are not reported yet.
    fn give_up(&self, batch: &Batch, reported: &[bool], error: BrokerError) {
        let error = batch.failed(error);
        let reported = reported.iter().copied().chain(core::iter::repeat(false));
        for (presented, _) in batch.visas.iter().zip(reported).filter(|(_, reported)| !reported) {
            self.end(presented, Err(error.clone()));
        }
    }

    /// Waits for the next attempt; `false` when there is to be none.
    fn wait_before(&self, attempt: u32, retry_after: Option<u32>) -> bool {
        let until = Instant::now() + pause(attempt, retry_after);
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            if state.closing.is_some_and(|end| end <= now) {
                return false;
            }
            let next = state.closing.map_or(until, |end| end.min(until));
            if now >= until {
                return true;
            }
            state = self.shared.wait(state, next.saturating_duration_since(now));
        }
    }

    fn end(&self, presented: &Presented, result: Result<Redeemed, BrokerError>) {
        let kind = match &result {
            Ok(result) if result.accepted => |tally: &mut Tally| tally.accepted += 1,
            Ok(_) => |tally: &mut Tally| tally.refused += 1,
            Err(_) => |tally: &mut Tally| tally.failed += 1,
        };
        (self.report)(Outcome { presented: presented.clone(), result });
        let mut state = self.shared.lock();
        kind(&mut state.tally);
        state.tally.waiting = state.tally.waiting.saturating_sub(1);
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for Redeemer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redeemer")
            .field("client", &self.client)
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
