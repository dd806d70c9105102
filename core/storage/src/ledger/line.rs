//! What waits: jobs for the thread that decides, and what it has decided for the thread that writes.

#[cfg(all(test, shuttle))]
mod gap;

use super::queue::Job;
use crate::sync::{Condvar, Mutex, MutexGuard};
use imagxp_broker::{Changes, Outcome, Refusal, RefusalCode, Request};
use imagxp_database::Error;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

/// While something is being written, this many jobs are waited for before they are decided: for each alone the thread would be woken.
const FEW: usize = 8;

pub(super) type Answer = oneshot::Sender<Result<Outcome, Refusal>>;

/// Requests, and whoever waits for what comes of each.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) requests: Vec<Request>,
    pub(super) answers: Vec<Answer>,
}

/// Requests that were decided together or on top of each other, and are written in one transaction.
pub(super) struct Decided {
    pub(super) waiting: Waiting,
    pub(super) results: Vec<Result<Outcome, Refusal>>,
    pub(super) changes: Arc<Changes>,
}

/// What was not written, why, and what had been decided on top of it.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) batch: Decided,
    pub(super) later: Option<Decided>,
}

/// What the thread that decides has to do.
pub(super) enum Next {
    Jobs(Vec<Job>),
    Failed(Box<Failed>),
    End,
}

/// What waits between callers, the thread that decides and the thread that writes.
pub(super) struct Line {
    state: Mutex<State>,
    /// Rung for the thread that decides.
    decides: Condvar,
    /// Rung for the thread that writes.
    writes: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    /// The most jobs that wait.
    most: usize,
    /// The most requests of one transaction.
    batch: usize,
    /// Nobody sends any more.
    closed: bool,
    /// A thread has ended, nothing more happens.
    ended: bool,
    decided: Option<Decided>,
    writing: Option<Arc<Changes>>,
    failed: Option<(Decided, Error)>,
    decider: Sleep,
    writer_sleeps: bool,
}

/// What the thread that decides sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// Something to do.
    Next,
    /// The end of what is being written.
    Settled,
}

impl State {
    /// Room for requests in the batch that is written next.
    fn room(&self) -> usize {
        self.batch.saturating_sub(self.decided.as_ref().map_or(0, |decided| decided.results.len()))
    }

    /// Whether jobs are to be decided now.
    fn is_ready(&self) -> bool {
        let soon = self.writing.is_none() || self.decided.is_none() || self.closed;
        !self.jobs.is_empty() && self.room() > 0 && (soon || self.jobs.len() >= FEW)
    }

    /// Whether nothing is decided that is not durable.
    fn is_settled(&self) -> bool {
        self.decided.is_none() && self.writing.is_none()
    }

    fn wakes_decider(&self) -> bool {
        let stops = self.ended || self.failed.is_some();
        match self.decider {
            Sleep::Awake => false,
            Sleep::Next => stops || self.is_ready() || (self.closed && self.is_settled()),
            Sleep::Settled => stops || self.is_settled(),
        }
    }
}

impl Line {
    pub(super) fn new(most: usize, batch: usize) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            most,
            batch,
            closed: false,
            ended: false,
            decided: None,
            writing: None,
            failed: None,
            decider: Sleep::Awake,
            writer_sleeps: false,
        };
        Self { state: Mutex::new(state), decides: Condvar::new(), writes: Condvar::new() }
    }

    /// Refusal: `store.busy` when it is full or closed.
    pub(super) fn send(&self, job: Job) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.ended {
            return Err(Refusal::new(RefusalCode::StoreBusy, "the ledger has stopped"));
        }
        if state.closed {
            return Err(Refusal::new(RefusalCode::StoreBusy, "the ledger is closed"));
        }
        if state.jobs.len() >= state.most {
            return Err(RefusalCode::StoreBusy.into());
        }
        state.jobs.push_back(job);
        self.wake_decider(state);
        Ok(())
    }

    /// From here on nobody sends; what was sent is done.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake_decider(state);
    }

    /// Nothing more happens: whoever waits is told that nobody knows.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let jobs = std::mem::take(&mut state.jobs);
        let decided = (state.decided.take(), state.failed.take());
        state.writing = None;
        drop(state);
        self.decides.notify_all();
        self.writes.notify_all();
        drop((jobs, decided));
    }

    /// For the thread that decides: waits until there is something to do.
    pub(super) fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            if let Some((batch, error)) = state.failed.take() {
                let later = state.decided.take();
                return Next::Failed(Box::new(Failed { error, batch, later }));
            }
            if state.ended || (state.closed && state.jobs.is_empty() && state.is_settled()) {
                return Next::End;
            }
            if state.is_ready() {
                let count = state.room().min(state.jobs.len());
                return Next::Jobs(state.jobs.drain(..count).collect());
            }
            state = self.sleep(state, Sleep::Next);
        }
    }

    /// For the thread that decides: waits until nothing is decided that is not durable, or something was not written.
    pub(super) fn settle(&self) -> Option<Box<Failed>> {
        let mut state = self.lock();
        loop {
            if let Some((batch, error)) = state.failed.take() {
                let later = state.decided.take();
                return Some(Box::new(Failed { error, batch, later }));
            }
            if state.ended || state.is_settled() {
                return None;
            }
            state = self.sleep(state, Sleep::Settled);
        }
    }

    /// What is decided and not known to be durable, in the order in which it is written.
    pub(super) fn ahead(&self) -> Vec<Arc<Changes>> {
        let state = self.lock();
        let decided = state.decided.as_ref().map(|decided| &decided.changes);
        state.writing.iter().chain(decided).cloned().collect()
    }

    /// Adds to what is written next. The batch comes back when what it was decided on was not written.
    pub(super) fn put(&self, batch: Decided) -> Result<(), Decided> {
        let mut state = self.lock();
        if state.failed.is_some() || state.ended {
            return Err(batch);
        }
        match &mut state.decided {
            Some(decided) => {
                decided.waiting.requests.extend(batch.waiting.requests);
                decided.waiting.answers.extend(batch.waiting.answers);
                decided.results.extend(batch.results);
                let later = Arc::unwrap_or_clone(batch.changes);
                Arc::make_mut(&mut decided.changes).append(later);
            }
            none => *none = Some(batch),
        }
        if std::mem::take(&mut state.writer_sleeps) {
            drop(state);
            self.writes.notify_one();
        }
        Ok(())
    }

    /// For the thread that writes: the next batch; the one before is durable.
    pub(super) fn take(&self) -> Option<Decided> {
        let mut state = self.lock();
        state.writing = None;
        loop {
            if state.ended {
                return None;
            }
            if state.failed.is_none()
                && let Some(batch) = state.decided.take()
            {
                state.writing = Some(Arc::clone(&batch.changes));
                self.wake_decider(state);
                return Some(batch);
            }
            if state.wakes_decider() {
                state.decider = Sleep::Awake;
                self.decides.notify_one();
            }
            state.writer_sleeps = true;
            state = self.writes.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the thread that writes: the batch was not written. Nothing that was decided on top of it is, before it has been decided anew.
    pub(super) fn fail(&self, batch: Decided, error: Error) {
        let mut state = self.lock();
        state.writing = None;
        state.failed = Some((batch, error));
        self.wake_decider(state);
    }

    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, what: Sleep) -> MutexGuard<'a, State> {
        state.decider = what;
        let mut state = self.decides.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.decider = Sleep::Awake;
        state
    }

    fn wake_decider(&self, mut state: MutexGuard<'_, State>) {
        if state.wakes_decider() {
            state.decider = Sleep::Awake;
            drop(state);
            self.decides.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imagxp_broker::{Actor, Head, NoteTime};
    use imagxp_database::ErrorKind;
    use std::thread;

    /// Requests whose number is told by their time.
    fn decided(times: &[i64]) -> Decided {
        let mut waiting = Waiting::default();
        for time in times {
            waiting.requests.push(Request::new(NoteTime, Actor::Clock, *time));
            waiting.answers.push(oneshot::channel().0);
        }
        let size = u64::try_from(times[times.len() - 1]).unwrap();
        let changes = Changes { head: Head { size, ..Head::default() }, ..Changes::default() };
        let results = times.iter().map(|_| Ok(Outcome::default())).collect();
        Decided { waiting, results, changes: Arc::new(changes) }
    }

    fn times(batch: &Decided) -> Vec<i64> {
        assert_eq!(batch.waiting.answers.len(), batch.results.len());
        batch.waiting.requests.iter().map(|request| request.now_ms).collect()
    }

    fn job() -> Job {
        Job::Request(Box::new(Request::new(NoteTime, Actor::Clock, 0)), oneshot::channel().0)
    }

    fn failed(next: Next) -> Box<Failed> {
        match next {
            Next::Failed(failed) => failed,
            Next::Jobs(jobs) => panic!("{} jobs", jobs.len()),
            Next::End => panic!("the end"),
        }
    }

    #[test]
    fn what_was_decided_on_what_was_not_written_is_not_written() {
        let line = Line::new(10, 10);
        assert!(line.put(decided(&[1, 2])).is_ok());
        let first = line.take().unwrap();
        assert_eq!(times(&first), [1, 2]);
        // Two parts become one batch, and what is being written comes before them.
        assert!(line.put(decided(&[3])).is_ok() && line.put(decided(&[4, 5])).is_ok());
        assert_eq!(line.ahead().iter().map(|changes| changes.head.size).collect::<Vec<_>>(), [2, 5]);
        line.fail(first, Error::new(ErrorKind::Failed, "the disk is full"));
        // Nothing is put on top of it, and the thread that writes gets nothing, before it was taken back.
        let Err(refused) = line.put(decided(&[6])) else { panic!("it was decided on what is not there") };
        assert_eq!(times(&refused), [6]);
        thread::scope(|scope| {
            let writes = scope.spawn(|| line.take().map(|batch| times(&batch)));
            let failed = failed(line.next());
            assert_eq!((times(&failed.batch), failed.error.kind()), (vec![1, 2], ErrorKind::Failed));
            assert_eq!(failed.later.as_ref().map(times), Some(vec![3, 4, 5]));
            assert!(line.settle().is_none() && line.ahead().is_empty());
            assert!(line.put(decided(&[7])).is_ok());
            assert_eq!(writes.join().unwrap(), Some(vec![7]));
        });
    }

    #[test]
    fn jobs_wait_for_room_and_for_company() {
        let line = Line::new(FEW + 2, 3);
        let jobs = |line: &Line| match line.next() {
            Next::Jobs(jobs) => jobs.len(),
            _ => 0,
        };
        for _ in 0..FEW + 2 {
            line.send(job()).unwrap();
        }
        assert_eq!(line.send(job()).unwrap_err().code(), RefusalCode::StoreBusy);
        // No more at once than one transaction takes.
        assert_eq!(jobs(&line), 3);
        assert!(line.put(decided(&[1, 2, 3])).is_ok());
        thread::scope(|scope| {
            let decides = scope.spawn(|| jobs(&line));
            // There is room again when the batch is being written.
            let _ = line.take().unwrap();
            assert_eq!(decides.join().unwrap(), 3);
        });
        line.close();
        assert_eq!(line.send(job()).unwrap_err().code(), RefusalCode::StoreBusy);
        assert_eq!((jobs(&line), jobs(&line)), (3, 1));
        thread::scope(|scope| {
            // The end comes when the last batch is durable.
            let decides = scope.spawn(|| matches!(line.next(), Next::End));
            let writes = scope.spawn(|| line.take().is_none());
            assert!(decides.join().unwrap());
            line.end();
            assert!(writes.join().unwrap());
        });
    }
}
