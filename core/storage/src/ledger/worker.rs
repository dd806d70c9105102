//! The thread that writes.

use super::backend::Writer;
use super::queue::{Gate, Job};
use crate::error::{ErrorKind, Result};
use imagxp_broker::{Done, Ids, Outcome, Refusal, RefusalCode, Request, Rules};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
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
}

type Waiting = (Request, oneshot::Sender<Result<Outcome, Refusal>>);

impl Worker {
    /// Until nobody can send any more and everything that was sent is done.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut waiting = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Request(request, answer) => waiting.push((*request, answer)),
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
        }
    }

    fn answer(&mut self, waiting: &mut Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let (requests, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let results = self.decide(&requests);
        for (answer, result) in answers.into_iter().zip(results) {
            let _ = answer.send(result);
        }
    }

    fn decide(&mut self, requests: &[Request]) -> Vec<Result<Outcome, Refusal>> {
        if let Some(refusal) = self.gate.closed() {
            return requests.iter().map(|_| Err(refusal.clone())).collect();
        }
        match self.apply(requests) {
            Ok(done) => done.results,
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
                    _ => RefusalCode::StoreBusy.into(),
                };
                requests.iter().map(|_| Err(refusal.clone())).collect()
            }
        }
    }

    fn apply(&mut self, requests: &[Request]) -> Result<Done> {
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

impl Gate {
    fn conflict(&self) {
        self.conflicts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}
