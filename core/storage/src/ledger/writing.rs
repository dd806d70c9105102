//! The thread that writes what was decided ahead of it, and the connection that writes.

use super::answers::Answers;
use super::backend::Writer;
use super::line::Line;
use super::queue::Gate;
use super::readers::Readers;
use imagxp_database::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After a reader that did not end in time.
const TIDY_AGAIN: Duration = Duration::from_secs(5);

/// What both threads need.
pub(super) struct Desk {
    pub(super) writer: Mutex<Writer>,
    pub(super) line: Arc<Line>,
    pub(super) gate: Arc<Gate>,
    pub(super) readers: Arc<Readers>,
    pub(super) answers: Answers,
}

impl Desk {
    /// The connection that writes.
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was decided, batch by batch, until nothing more happens. Nobody is answered before the batch is durable, and after one that
    /// was not written nothing is that was decided on top of it.
    pub(super) fn write(&self) {
        let _watch = Watch(self);
        let mut tidy_at = Instant::now();
        while let Some(batch) = self.line.take() {
            let written = self.writer().write_ahead(&batch.changes);
            match written {
                Ok(()) => {
                    self.gate.grown(batch.changes.head.size);
                    self.answers.send(batch.waiting.answers, batch.results);
                    self.tidy(&mut tidy_at);
                }
                Err(error) => self.line.fail(batch, error),
            }
        }
    }

    /// While readers overlap SQLite's log never begins anew: when it has become long, they wait for a moment.
    pub(super) fn tidy(&self, at: &mut Instant) {
        let mut writer = self.writer();
        if Instant::now() < *at || !writer.is_log_long() {
            return;
        }
        if let Err(error) = self.readers.paused(|| writer.restart_log()) {
            self.gate.report(&error);
            *at = Instant::now() + TIDY_AGAIN;
        }
    }
}

/// When a thread ends nothing more happens; when that is by a panic, it is told.
pub(super) struct Watch<'a>(pub(super) &'a Desk);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let Desk { gate, line, .. } = self.0;
        if std::thread::panicking() {
            gate.close("the thread that writes has ended by a fault of the program");
            gate.report(&Error::new(
                ErrorKind::Failed,
                "the thread that writes has ended by a fault of the program",
            ));
        }
        line.end();
    }
}
