//! The thread that writes.

use super::backend::Writer;
use super::clock::{Clock, Reading, Watched};
use super::queue::{Gate, Job};
use super::readers::Readers;
use imagxp_broker::{Command, Done, EventKind, Ids, Outcome, Refusal, RefusalCode, Request, Rules};
use imagxp_database::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a batch is begun again and again when another process is in its way.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) struct Worker {
    pub(super) writer: Writer,
    pub(super) rules: Rules,
    pub(super) batch: usize,
    pub(super) ids: Box<dyn Ids + Send>,
    pub(super) gate: Arc<Gate>,
    pub(super) readers: Arc<Readers>,
    /// From when on the log may be looked at again.
    pub(super) tidy_at: Instant,
    pub(super) answers: Answers,
    pub(super) clock: Clock,
    pub(super) watch: Watched,
}

/// After a reader that did not end in time.
const TIDY_AGAIN: Duration = Duration::from_secs(5);

/// Answers that are told without another thread, at most.
const FEW: usize = 4;

type Answer = oneshot::Sender<Result<Outcome, Refusal>>;

/// Tells those who wait what came of their requests, each batch on a thread beside the one that writes: waking them takes a good part of the
/// time that writing takes.
pub(super) struct Answers {
    /// Absent only while it ends.
    batches: Option<Sender<Vec<Told>>>,
    thread: Option<JoinHandle<()>>,
}

type Told = (Answer, Result<Outcome, Refusal>);

impl Answers {
    pub(super) fn start() -> std::io::Result<Self> {
        let (sender, batches) = std::sync::mpsc::channel::<Vec<Told>>();
        let run = move || batches.into_iter().for_each(tell);
        let thread = std::thread::Builder::new().name("ledger-answers".to_owned()).spawn(run)?;
        Ok(Self { batches: Some(sender), thread: Some(thread) })
    }

    fn send(&self, batch: Vec<Told>) {
        match &self.batches {
            // A few are told at once: another thread would take longer.
            Some(batches) if batch.len() > FEW => drop(batches.send(batch)),
            _ => tell(batch),
        }
    }
}

impl Drop for Answers {
    /// Whoever waits has been told when the thread that writes has ended.
    fn drop(&mut self) {
        drop(self.batches.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn tell(batch: Vec<Told>) {
    for (answer, result) in batch {
        let _ = answer.send(result);
    }
}

type Waiting = (Request, Answer);

impl Worker {
    /// Until nobody can send any more and everything that was sent is done.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let _watch = Watch(Arc::clone(&self.gate));
        while let Ok(first) = jobs.recv() {
            let mut waiting = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Request(request, answer) => waiting.push((*request, answer)),
                    Job::Time(given_ms, answer) => {
                        self.answer(&mut waiting);
                        let _ = answer.send(self.time(given_ms));
                    }
                    Job::Work(work) => {
                        // In the order in which things were asked for.
                        self.answer(&mut waiting);
                        work(self.writer.sql());
                    }
                }
                if waiting.len() < self.batch {
                    next = jobs.try_recv().ok();
                }
            }
            self.answer(&mut waiting);
            self.tidy();
        }
    }

    /// While readers overlap SQLite's log never begins anew: when it has become long, they wait for a moment.
    fn tidy(&mut self) {
        if Instant::now() < self.tidy_at || !self.writer.is_log_long() {
            return;
        }
        let (readers, writer) = (Arc::clone(&self.readers), &mut self.writer);
        if let Err(error) = readers.paused(|| writer.restart_log()) {
            self.gate.report(&error);
            self.tidy_at = Instant::now() + TIDY_AGAIN;
        }
    }

    fn answer(&mut self, waiting: &mut Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let (mut requests, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let results = match self.look() {
            Ok(None) => self.decide(&requests),
            Ok(Some(reading)) => {
                for request in &mut requests {
                    request.now_ms = reading.now_ms;
                }
                self.decide_at(&requests, &reading)
            }
            Err(error) => {
                self.gate.report(&error);
                requests.iter().map(|_| Err(RefusalCode::StoreBusy.into())).collect()
            }
        };
        self.answers.send(answers.into_iter().zip(results).collect());
    }

    /// The clock, unless each request brings its own time. Error: the database's.
    fn look(&mut self) -> Result<Option<Reading>, Error> {
        if self.clock == Clock::Given {
            return Ok(None);
        }
        let watch = &mut self.watch;
        let mut look = || watch.look(self.writer.sql()?);
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
                self.gate.report(&error);
                Err(RefusalCode::StoreBusy.into())
            }
        }
    }

    /// By a clock that is not believed only who says that it is right gets through; from then on it is.
    fn decide_at(&mut self, requests: &[Request], reading: &Reading) -> Vec<Result<Outcome, Refusal>> {
        let is_trust = |request: &Request| matches!(request.command, Command::TrustClock(_));
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
            let event = |result: &Result<Outcome, Refusal>| {
                result.as_ref().ok()?.event.as_ref().map(|event| event.kind)
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

    fn decide(&mut self, requests: &[Request]) -> Vec<Result<Outcome, Refusal>> {
        if self.gate.closed().is_some() {
            return requests.iter().flat_map(|request| self.decide_closed(request)).collect();
        }
        self.commit(requests)
    }

    /// Writes are refused, but from whoever accepts a log that has gone back; from then on they are taken.
    fn decide_closed(&mut self, request: &Request) -> Vec<Result<Outcome, Refusal>> {
        if let Err(refusal) = self.gate.admit(request) {
            return vec![Err(refusal)];
        }
        let results = self.commit(core::slice::from_ref(request));
        let accepts = |outcome: &Outcome| {
            !outcome.repeated
                && outcome.event.as_ref().is_some_and(|event| event.kind == EventKind::LogAccepted)
        };
        if results.iter().flatten().any(accepts) {
            self.gate.accepted();
        }
        results
    }

    fn commit(&mut self, requests: &[Request]) -> Vec<Result<Outcome, Refusal>> {
        match self.apply(requests) {
            Ok(done) => {
                if let Some(refusal) = done.results.iter().find_map(broken_of) {
                    self.gate.report(&Error::new(ErrorKind::Damaged, refusal.message().to_owned()));
                    self.gate.close("what the ledger holds contradicts itself");
                }
                done.results
            }
            Err(error) if requests.len() > 1 && error.kind() == ErrorKind::Failed => {
                // One of them is what the database does not take: its neighbours are not to suffer.
                requests.iter().flat_map(|request| self.decide(core::slice::from_ref(request))).collect()
            }
            Err(error) => {
                self.gate.report(&error);
                let refusal = match error.kind() {
                    ErrorKind::Damaged => {
                        self.gate.close("what the ledger holds contradicts itself");
                        Refusal::from(RefusalCode::LedgerBroken)
                    }
                    ErrorKind::Unknown => RefusalCode::StoreUnknown.into(),
                    _ => RefusalCode::StoreBusy.into(),
                };
                requests.iter().map(|_| Err(refusal.clone())).collect()
            }
        }
    }

    fn apply(&mut self, requests: &[Request]) -> Result<Done, Error> {
        let begin = Instant::now();
        let mut tries = 0_u32;
        loop {
            match self.writer.apply(&self.rules, requests, &mut *self.ids) {
                Ok(done) => {
                    if done.changes.head.size > 0 {
                        self.gate.grown(done.changes.head.size);
                    }
                    return Ok(done);
                }
                Err(error) if error.kind() == ErrorKind::Conflict && begin.elapsed() < PATIENCE => {
                    self.gate.conflict();
                    std::thread::sleep(Duration::from_millis(1 << tries.min(7)));
                    tries = tries.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The invariant that a command found broken.
fn broken_of(result: &Result<Outcome, Refusal>) -> Option<&Refusal> {
    result.as_ref().err().filter(|refusal| refusal.code() == RefusalCode::LedgerBroken)
}

/// Tells, when the thread ends by a panic, that it will not write any more.
struct Watch(Arc<Gate>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close("the thread that writes has ended by a fault of the program");
            self.0.report(&Error::new(
                ErrorKind::Failed,
                "the thread that writes has ended by a fault of the program",
            ));
        }
    }
}

impl Gate {
    fn conflict(&self) {
        self.conflicts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}
