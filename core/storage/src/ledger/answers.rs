//! Telling those who wait.

use super::line::Answer;
use crate::sync::mpsc::{self, SendError, Sender};
use crate::sync::{JoinHandle, spawn};
use imagxp_broker::{Outcome, Refusal};

/// Answers that are told without another thread, at most.
const FEW: usize = 4;

/// Tells those who wait what came of their requests, each batch on a thread beside the one that writes: waking them takes a good part of the
/// time that writing takes.
pub(super) struct Answers {
    /// Absent only while it ends.
    batches: Option<Sender<Told>>,
    thread: Option<JoinHandle<()>>,
}

type Told = (Vec<Answer>, Vec<Result<Outcome, Refusal>>);

impl Answers {
    pub(super) fn start() -> std::io::Result<Self> {
        let (sender, batches) = mpsc::channel::<Told>();
        let run = move || batches.into_iter().for_each(tell);
        let thread = spawn("ledger-answers", run)?;
        Ok(Self { batches: Some(sender), thread: Some(thread) })
    }

    /// As many results as there are who wait, in their order.
    pub(super) fn send(&self, answers: Vec<Answer>, results: Vec<Result<Outcome, Refusal>>) {
        let told = (answers, results);
        match &self.batches {
            // A few are told at once: another thread would take longer.
            Some(batches) if told.0.len() > FEW => {
                // It has ended by a fault of whom it woke: the next ones are told all the same.
                if let Err(SendError(told)) = batches.send(told) {
                    tell(told);
                }
            }
            _ => tell(told),
        }
    }
}

impl Drop for Answers {
    /// Whoever waits has been told when the threads that decide and write have ended.
    fn drop(&mut self) {
        drop(self.batches.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn tell((answers, results): Told) {
    for (answer, result) in answers.into_iter().zip(results) {
        let _ = answer.send(result);
    }
}
