//! A worker's half of the conversation with `run.py`: `NAME COUNT` comes in, the nanoseconds of one operation go out.
//!
//! Time is the processor time of the process: what other programs take does not count, and what its own other threads take does.

use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Does what a row is about so many times, and says how long that took; what has to be made ready before is not counted.
pub type Row = Box<dyn FnMut(usize) -> Duration>;

/// Rows by name; each is made when it is first asked for.
#[derive(Default)]
pub struct Rows(BTreeMap<String, Box<dyn Fn() -> Row>>);

impl Rows {
    /// Adds a row.
    pub fn add(&mut self, name: impl Into<String>, make: impl Fn() -> Row + 'static) {
        let name = name.into();
        assert!(self.0.insert(name.clone(), Box::new(make)).is_none(), "{name} twice");
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Makes a row.
    pub fn make(&self, name: &str) -> Option<Row> {
        self.0.get(name).map(|make| make())
    }

    /// Answers standard input until it ends: one line per round. An empty line before the first says that the worker is there.
    pub fn serve(&self) {
        let mut made: BTreeMap<String, Row> = BTreeMap::new();
        let mut out = std::io::stdout();
        writeln!(out, "{}", self.names().collect::<Vec<_>>().join(" ")).unwrap();
        for line in std::io::stdin().lock().lines() {
            let line = line.unwrap();
            let (name, count) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} is not NAME COUNT"));
            let count: usize = count.parse().unwrap();
            let row = made
                .entry(name.to_owned())
                .or_insert_with(|| self.make(name).unwrap_or_else(|| panic!("there is no row {name}")));
            let took = row(count);
            writeln!(out, "{:.1}", took.as_secs_f64() * 1e9 / count as f64).unwrap();
        }
    }
}

/// What `timed` does.
static MODE: AtomicU8 = AtomicU8::new(TIME);
const TIME: u8 = 0;
const COUNT: u8 = 1;
const IDLE: u8 = 2;

/// From now on `timed` reads no clock (which would end the program under valgrind, where rustix finds no vDSO).
pub fn count() {
    MODE.store(COUNT, Ordering::Relaxed);
}

/// From now on `timed` does nothing: what callgrind counts then is subtracted from what it counts otherwise.
pub fn idle() {
    MODE.store(IDLE, Ordering::Relaxed);
}

/// The processor time of `act`.
pub fn timed(act: impl FnOnce()) -> Duration {
    match MODE.load(Ordering::Relaxed) {
        TIME => {}
        COUNT => {
            act();
            return Duration::ZERO;
        }
        _ => return Duration::ZERO,
    }
    let before = cpu(ClockId::ProcessCPUTime);
    act();
    cpu(ClockId::ProcessCPUTime) - before
}

/// The processor time that the process, or the thread, has had so far.
pub fn cpu(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap()
}
