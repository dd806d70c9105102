//! The thread that decides.

use super::ahead::Ahead;
use super::clock::{Clock, Reading, Watched};
use super::line::{Decided, Failed, Next, Waiting};
use super::queue::Job;
use super::writing::{Desk, Watch};
use crate::sync::{JoinHandle, sleep};
use imagxp_broker::{Command, Done, EventKind, Ids, Outcome, Refusal, RefusalCode, Request, Rules};
use imagxp_database::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a batch is begun again and again when another process is in its way.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) struct Worker {
    pub(super) desk: Arc<Desk>,
    /// Where batches are decided ahead of those that are written.
    pub(super) ahead: Option<Ahead>,
    pub(super) rules: Rules,
    pub(super) ids: Box<dyn Ids + Send>,
    /// From when on SQLite's log may be looked at again.
    pub(super) tidy_at: Instant,
    pub(super) clock: Clock,
    pub(super) watch: Watched,
    /// The thread that writes what was decided ahead.
    pub(super) writes: Option<JoinHandle<()>>,
}

type Results = Vec<Result<Outcome, Refusal>>;

impl Worker {
    /// Until nobody can send any more and everything that was sent is done.
    pub(super) fn run(mut self) {
        let desk = Arc::clone(&self.desk);
        let watch = Watch(&desk);
        loop {
            match desk.line.next() {
                Next::Jobs(jobs) => self.work_off(jobs),
                Next::Failed(failed) => self.redo(*failed),
                Next::End => break,
            }
        }
        drop(watch);
        let _ = self.writes.take().map(JoinHandle::join);
    }

    fn work_off(&mut self, jobs: Vec<Job>) {
        let mut waiting = Waiting::default();
        for job in jobs {
            match job {
                Job::Request(request, answer) => {
                    waiting.requests.push(*request);
                    waiting.answers.push(answer);
                }
                // In the order in which things were asked for.
                Job::Time(given_ms, answer) => {
                    self.answer(std::mem::take(&mut waiting));
                    let _ = answer.send(self.time(given_ms));
                }
                Job::Work(work) => {
                    self.answer(std::mem::take(&mut waiting));
                    self.settle();
                    work(self.desk.writer().sql());
                    self.forget();
                }
            }
        }
        self.answer(waiting);
    }

    fn answer(&mut self, mut waiting: Waiting) {
        if waiting.requests.is_empty() {
            return;
        }
        let reading = match self.look() {
            Ok(reading) => reading,
            Err(error) => {
                self.desk.gate.report(&error);
                let refused = waiting.requests.iter().map(|_| Err(RefusalCode::StoreBusy.into())).collect();
                return self.desk.answers.send(waiting.answers, refused);
            }
        };
        if let Some(reading) = &reading {
            for request in &mut waiting.requests {
                request.now_ms = reading.now_ms;
            }
        }
        let believed = reading.as_ref().is_none_or(|reading| reading.refusal.is_none());
        if believed && self.desk.gate.closed().is_none() && !waiting.requests.iter().any(is_trust) {
            match self.decide_ahead(waiting) {
                None => return,
                Some(rest) => waiting = rest,
            }
        }
        self.settle();
        let results = match reading {
            None => self.decide(&waiting.requests),
            Some(reading) => self.decide_at(&waiting.requests, &reading),
        };
        self.desk.answers.send(waiting.answers, results);
        self.forget();
        self.desk.tidy(&mut self.tidy_at);
    }

    /// Decides on top of what is being written, and leaves the rest to the thread that writes. They come back when that cannot be: they are then
    /// to be decided in a transaction of their own.
    fn decide_ahead(&mut self, waiting: Waiting) -> Option<Waiting> {
        if self.ahead.as_ref().is_none_or(Ahead::is_new) {
            self.settle();
        }
        let Some(ahead) = &mut self.ahead else { return Some(waiting) };
        if ahead.is_new() && ahead.begin(&mut self.desk.writer()).is_err() {
            return Some(waiting);
        }
        let before = self.desk.line.ahead();
        let decided = ahead.decide(&before, &self.rules, &waiting.requests, &mut *self.ids);
        drop(before);
        let Done { results, changes } = match decided {
            // What looks broken is looked at again in a transaction.
            Ok(done) if !done.results.iter().any(|result| broken_of(result).is_some()) => done,
            _ => {
                ahead.forget();
                return Some(waiting);
            }
        };
        let batch = Decided { waiting, results, changes: Arc::new(changes) };
        let Err(batch) = self.desk.line.put(batch) else { return None };
        ahead.forget();
        Some(batch.waiting)
    }

    /// Waits until everything that was decided is durable; what was not written is decided anew.
    fn settle(&mut self) {
        while let Some(failed) = self.desk.line.settle() {
            self.redo(*failed);
        }
    }

    fn forget(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.forget();
        }
    }

    /// What was not written, as if it had been the transaction's own error; and what was decided on top of it.
    fn redo(&mut self, Failed { error, batch, later }: Failed) {
        self.forget();
        let results = if error.kind() == ErrorKind::Conflict {
            self.conflict();
            self.decide(&batch.waiting.requests)
        } else {
            self.fail(&batch.waiting.requests, &error)
        };
        self.desk.answers.send(batch.waiting.answers, results);
        if let Some(later) = later {
            let results = self.decide(&later.waiting.requests);
            self.desk.answers.send(later.waiting.answers, results);
        }
    }

    /// The clock, unless each request brings its own time. Error: the database's.
    fn look(&mut self) -> Result<Option<Reading>, Error> {
        if self.clock == Clock::Given {
            return Ok(None);
        }
        if let Some(ahead) = &mut self.ahead {
            return self.watch.look(ahead.sql()).map(Some);
        }
        let (watch, mut writer) = (&mut self.watch, self.desk.writer());
        let mut look = || watch.look(writer.sql()?);
        match look() {
            // The server was restarted meanwhile; nothing was asked of it yet.
            Err(error) if error.kind() == ErrorKind::Unavailable => look().map(Some),
            read => read.map(Some),
        }
    }

    fn time(&mut self, given_ms: i64) -> Result<i64, Refusal> {
        match self.look() {
            Ok(None) => Ok(given_ms),
            Ok(Some(Reading { now_ms, refusal: None })) => Ok(now_ms),
            Ok(Some(Reading { refusal: Some(refusal), .. })) => Err(refusal),
            Err(error) => {
                self.desk.gate.report(&error);
                Err(RefusalCode::StoreBusy.into())
            }
        }
    }

    /// By a clock that is not believed only who says that it is right gets through; from then on it is.
    fn decide_at(&mut self, requests: &[Request], reading: &Reading) -> Results {
        if reading.refusal.is_none() && !requests.iter().any(is_trust) {
            return self.decide(requests);
        }
        let mut refusal = reading.refusal.clone();
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            if let (Some(refusal), false) = (&refusal, is_trust(request)) {
                results.push(Err(refusal.clone()));
                continue;
            }
            let decided = self.decide(core::slice::from_ref(request));
            // What is answered from memory was said of the clock as it was then.
            let event = |result: &Result<Outcome, Refusal>| {
                let said = result.as_ref().ok().filter(|outcome| !outcome.repeated)?;
                said.event.as_ref().map(|event| event.kind)
            };
            let kinds: Vec<_> = decided.iter().filter_map(event).collect();
            // A dispute alone does not make the clock right.
            if kinds.iter().any(|kind| matches!(kind, EventKind::ClockTrusted | EventKind::ClockReset)) {
                self.watch.trust(reading.now_ms);
                refusal = None;
            }
            results.extend(decided);
        }
        results
    }

    fn decide(&mut self, requests: &[Request]) -> Results {
        if self.desk.gate.closed().is_some() {
            return requests.iter().flat_map(|request| self.decide_closed(request)).collect();
        }
        self.commit(requests)
    }

    /// Writes are refused, but from whoever accepts a log that has gone back; from then on they are taken.
    fn decide_closed(&mut self, request: &Request) -> Results {
        if let Err(refusal) = self.desk.gate.admit(request) {
            return vec![Err(refusal)];
        }
        let results = self.commit(core::slice::from_ref(request));
        let accepts = |outcome: &Outcome| {
            !outcome.repeated
                && outcome.event.as_ref().is_some_and(|event| event.kind == EventKind::LogAccepted)
        };
        if results.iter().flatten().any(accepts) {
            self.desk.gate.accepted();
        }
        results
    }

    /// Decides and writes in one transaction.
    fn commit(&mut self, requests: &[Request]) -> Results {
        match self.apply(requests) {
            Ok(done) => {
                if let Some(refusal) = done.results.iter().find_map(broken_of) {
                    let gate = &self.desk.gate;
                    gate.report(&Error::new(ErrorKind::Damaged, refusal.message().to_owned()));
                    gate.close("what the ledger holds contradicts itself");
                }
                done.results
            }
            Err(error) => self.fail(requests, &error),
        }
    }

    /// What becomes of requests that were not written.
    fn fail(&mut self, requests: &[Request], error: &Error) -> Results {
        if requests.len() > 1 && error.kind() == ErrorKind::Failed {
            // One of them is what the database does not take: its neighbours are not to suffer.
            return requests.iter().flat_map(|request| self.decide(core::slice::from_ref(request))).collect();
        }
        let gate = &self.desk.gate;
        gate.report(error);
        let refusal = match error.kind() {
            ErrorKind::Damaged => {
                gate.close("what the ledger holds contradicts itself");
                Refusal::from(RefusalCode::LedgerBroken)
            }
            ErrorKind::Unknown => RefusalCode::StoreUnknown.into(),
            _ => RefusalCode::StoreBusy.into(),
        };
        requests.iter().map(|_| Err(refusal.clone())).collect()
    }

    fn apply(&mut self, requests: &[Request]) -> Result<Done, Error> {
        let begin = Instant::now();
        let mut tries = 0_u32;
        loop {
            let applied = self.desk.writer().apply(&self.rules, requests, &mut *self.ids);
            match applied {
                Ok(done) => {
                    if done.changes.head.size > 0 {
                        self.desk.gate.grown(done.changes.head.size);
                    }
                    return Ok(done);
                }
                Err(error) if error.kind() == ErrorKind::Conflict && begin.elapsed() < PATIENCE => {
                    self.conflict();
                    sleep(Duration::from_millis(1 << tries.min(7)));
                    tries = tries.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn conflict(&self) {
        self.desk.gate.conflicts.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_trust(request: &Request) -> bool {
    matches!(request.command, Command::TrustClock(_))
}

/// The invariant that a command found broken.
fn broken_of(result: &Result<Outcome, Refusal>) -> Option<&Refusal> {
    result.as_ref().err().filter(|refusal| refusal.code() == RefusalCode::LedgerBroken)
}
