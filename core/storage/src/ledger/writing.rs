//! The thread that writes what was decided ahead of it, and the connection that writes.

use super::answers::Answers;
use super::backend::Writer;
use super::line::Line;
use super::queue::Gate;
use super::readers::Readers;
use crate::sync::{Mutex, MutexGuard};
use imagxp_database::{Error, ErrorKind};
use std::sync::{Arc, PoisonError};
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

#[cfg(test)]
mod tests {
    use super::super::{Address, Ledger, Options, Ticket};
    use core::future::Future;
    use core::pin::Pin;
    use core::task::{Context, Poll, Waker};
    use imagxp_broker::*;
    use std::panic::resume_unwind;
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::sync::{Arc, Mutex};
    use std::task::Wake;
    use std::thread;
    use std::time::Duration;
    use tempfile::TempDir;

    const NOW: i64 = 1_790_000_000_000;

    fn deposit(booking: &str) -> Request {
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: Owner::parse("a").unwrap(),
            amount: Amount::from_units(1),
            reference: Reference::parse(booking).unwrap(),
            memo: None,
        };
        Request::new(deposit, Actor::Operator(Owner::parse("alice").unwrap()), NOW)
    }

    /// A caller whose waker panics takes down the thread that wakes it.
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("a caller's waker"));
        }
    }

    /// Polls once with that waker.
    fn poll(ticket: &mut Ticket) -> Poll<Result<Outcome, Refusal>> {
        Pin::new(ticket).poll(&mut Context::from_waker(&Waker::from(Arc::new(Panics))))
    }

    /// Whoever waited for ever would hang the test.
    fn told<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        thread::spawn(move || answer.send(wait()));
        answered.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    struct World {
        address: Address,
        ledger: Arc<Ledger>,
        reports: Arc<Mutex<Vec<String>>>,
        _folder: TempDir,
    }

    impl World {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let address = Address::Sqlite(folder.path().join("ledger.db"));
            let reports = Arc::new(Mutex::new(Vec::new()));
            let report = {
                let reports = Arc::clone(&reports);
                move |error: &crate::Error| reports.lock().unwrap().push(error.to_string())
            };
            let options = Options { report: Some(Arc::new(report)), ..Options::default() };
            let ledger = Arc::new(Ledger::open(&address, options, NOW).unwrap());
            Self { address, ledger, reports, _folder: folder }
        }

        /// Keeps the thread that decides from going on until it is told, what for as well: what is submitted meanwhile is decided together.
        fn hold(&self, then: fn()) -> Sender<()> {
            let (release, released): (_, Receiver<()>) = mpsc::channel();
            let (began, begun) = mpsc::channel();
            let ledger = Arc::clone(&self.ledger);
            thread::spawn(move || {
                ledger.write(move |_| {
                    began.send(()).unwrap();
                    let _ = released.recv();
                    then();
                    Ok(())
                })
            });
            begun.recv().unwrap();
            release
        }

        fn deposits(&self, most: usize) -> Vec<Ticket> {
            (0..most).map(|number| self.ledger.submit(deposit(&number.to_string())).unwrap()).collect()
        }

        /// It takes nothing more, has said why, and ends.
        fn is_broken(&self) {
            let ledger = Arc::clone(&self.ledger);
            told(move || ledger.close());
            assert_eq!(self.ledger.refusal().unwrap().code(), RefusalCode::LedgerBroken);
            assert_eq!(self.ledger.submit(deposit("late")).unwrap_err().code(), RefusalCode::LedgerBroken);
            let reports = self.reports.lock().unwrap();
            assert!(reports.iter().any(|report| report.contains("fault of the program")), "{reports:?}");
        }

        /// How many deposits are in the file.
        fn written(&self) -> u128 {
            let ledger = Ledger::open(&self.address, Options::default(), NOW).unwrap();
            assert!(ledger.audit_full().unwrap().is_sound());
            let accounts =
                ledger.read().unwrap().accounts(Some(&Owner::parse("a").unwrap()), None, 9).unwrap();
            let credits = accounts.iter().map(|account| account.credits_posted.units()).sum();
            ledger.close();
            credits
        }
    }

    #[test]
    fn a_panic_of_the_thread_that_writes_leaves_nobody_waiting() {
        let world = World::new();
        let hold = world.hold(|| ());
        // As many as it wakes itself. Who is to panic is asked last: to wait for it would be another waker.
        let mut tickets = world.deposits(3);
        let mut panics = tickets.remove(1);
        assert!(poll(&mut panics).is_pending());
        drop(hold);
        let answers: Vec<_> = tickets.into_iter().map(|ticket| told(|| ticket.wait())).collect();
        assert!(answers[0].is_ok());
        assert_eq!(answers[1].as_ref().unwrap_err().code(), RefusalCode::StoreUnknown);
        assert!(told(|| panics.wait()).is_ok(), "its answer was there when it was woken");
        world.is_broken();
        assert_eq!(world.written(), 3);
    }

    #[test]
    fn a_panic_of_the_thread_that_decides_leaves_nobody_waiting() {
        let world = World::new();
        let hold = world.hold(|| resume_unwind(Box::new("a job")));
        let tickets = world.deposits(3);
        drop(hold);
        for ticket in tickets {
            assert_eq!(told(|| ticket.wait()).unwrap_err().code(), RefusalCode::StoreUnknown);
        }
        world.is_broken();
        assert_eq!(world.written(), 0);
    }

    /// Those who are told by the thread for that are told by others when it has ended.
    #[test]
    fn a_panic_of_the_thread_that_answers_costs_one_batch_its_answers() {
        let world = World::new();
        let hold = world.hold(|| ());
        let mut tickets = world.deposits(6);
        let mut panics = tickets.remove(0);
        assert!(poll(&mut panics).is_pending());
        drop(hold);
        for ticket in tickets {
            assert_eq!(told(|| ticket.wait()).unwrap_err().code(), RefusalCode::StoreUnknown);
        }
        assert!(told(|| panics.wait()).is_ok());
        // The same again: their answers of before.
        let hold = world.hold(|| ());
        let tickets = world.deposits(6);
        drop(hold);
        assert!(tickets.into_iter().all(|ticket| told(|| ticket.wait()).unwrap().repeated));
        world.ledger.close();
        assert_eq!(world.written(), 6);
    }
}
