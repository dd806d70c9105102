//! Work that waits, away from the thread that runs JavaScript: threads of our own, so that a slow site takes none of the four of
//! libuv's pool, which files and names of the whole process wait for.

use crate::boundary;
use crate::lane::{Lane, Turn};
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use napi::{Env, JsValue, Result};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// As many at once; what comes after waits for its turn.
const MAX_THREADS: usize = 64;
/// An idle thread ends after this long.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

static QUEUE: Mutex<Queue> = Mutex::new(Queue { jobs: VecDeque::new(), threads: 0, idle: 0 });
static WAKE: Condvar = Condvar::new();

struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

/// Does `work` on a thread of its own and settles a promise with what `finish` makes of the result, back on the thread of JavaScript.
pub(crate) fn run<T, V>(
    env: &Env,
    work: impl FnOnce() -> T + Send + 'static,
    finish: impl FnOnce(T) -> Result<V> + Send + 'static,
) -> Result<PromiseRaw<'static, V>>
where
    T: Send + 'static,
    V: ToNapiValue + 'static,
{
    let (turn, promise) = prepare(env, |_| work(), finish)?;
    start(Box::new(move || turn(true)));
    Ok(promise)
}

/// The same in a lane: `work` is told whether it has its turn there. If not, it is done on the thread of JavaScript, and must not wait.
pub(crate) fn run_in<T, V>(
    lane: &'static Lane,
    env: &Env,
    work: impl FnOnce(bool) -> T + Send + 'static,
    finish: impl FnOnce(T) -> Result<V> + Send + 'static,
) -> Result<PromiseRaw<'static, V>>
where
    T: Send + 'static,
    V: ToNapiValue + 'static,
{
    let (turn, promise) = prepare(env, work, finish)?;
    lane.enter(turn);
    Ok(promise)
}

fn prepare<T, V>(
    env: &Env,
    work: impl FnOnce(bool) -> T + Send + 'static,
    finish: impl FnOnce(T) -> Result<V> + Send + 'static,
) -> Result<(Turn, PromiseRaw<'static, V>)>
where
    T: Send + 'static,
    V: ToNapiValue + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
    let promise = PromiseRaw::new(env.raw(), promise.raw());
    let turn = move |has_turn| {
        let done = boundary::catch(|| work(has_turn));
        deferred.resolve(move |_| finish(done.map_err(|panicked| panicked.raise())?));
    };
    Ok((Box::new(turn), promise))
}

pub(crate) fn start(job: Job) {
    let mut queue = lock();
    queue.jobs.push_back(job);
    if queue.idle >= queue.jobs.len() || queue.threads >= MAX_THREADS {
        WAKE.notify_one();
        return;
    }
    let started = thread::Builder::new().name("imagxp".to_owned()).spawn(serve);
    if started.is_ok() {
        queue.threads += 1;
    } else if queue.threads == 0 {
        // A process without threads to spare still gets its answer, late.
        let job = queue.jobs.pop_back();
        drop(queue);
        if let Some(job) = job {
            job();
        }
    }
}

fn serve() {
    let mut queue = lock();
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            drop(queue);
            job();
            queue = lock();
            continue;
        }
        queue.idle += 1;
        let (woken, wait) = WAKE.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        if wait.timed_out() && queue.jobs.is_empty() {
            queue.threads -= 1;
            return;
        }
    }
}

/// No code panics between changes that belong together.
fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}
