//! The clock of the thread that writes: PostgreSQL's or the system's, watched beside one that nobody sets.

use crate::sql::Sql;
use imagxp_broker::{Head, Refusal, RefusalCode};
use imagxp_database::Result;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which clock counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// What each request says: for tests, and programs that have a clock of their own.
    #[default]
    Given,
    /// The database server's with PostgreSQL, one for all processes; else the system's. When it leaps by more than five minutes against the
    /// clock that counts since the machine started, nothing is written (`clock.wrong`) until it is back, or has gone on steadily for ten
    /// minutes.
    System,
}

/// How far the clock may leap between two looks at it, in milliseconds.
const LEAP_MS: i64 = 5 * 60_000;
/// How long a clock that has leapt must go on steadily before it is believed, in milliseconds.
const HOLD_MS: i64 = 10 * 60_000;
/// How often the clock is looked at, in milliseconds; in between the steady one is counted on.
const LOOK_MS: i64 = 1_000;

/// Two clocks at one moment, in milliseconds: the one that counts, and the one that nobody sets.
#[derive(Clone, Copy, Debug)]
struct Moment {
    wall: i64,
    steady: i64,
}

impl Moment {
    /// This moment, by a clock that may be a network away. The steady one is looked at after the answer: what is counted on from here is then
    /// behind the clock that was asked by as long as the answer was on its way, and neither ahead of it nor ahead of the next answer.
    fn now(ask: impl FnOnce() -> Result<i64>) -> Result<Self> {
        let wall = ask()?;
        Ok(Self { wall, steady: steady_ms() })
    }

    /// What the clock that counts should say at a later moment.
    const fn wall_at(self, steady: i64) -> i64 {
        self.wall.saturating_add(steady.saturating_sub(self.steady))
    }

    const fn agrees(self, later: Self) -> bool {
        self.wall_at(later.steady).abs_diff(later.wall) <= LEAP_MS.unsigned_abs()
    }
}

/// What is known of the clock.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// When it was last believed.
    trusted: Option<Moment>,
    /// When it was first seen where it has leapt to.
    leapt: Option<Moment>,
}

impl Watched {
    /// What time it is, in milliseconds since 1970; the log's head tells a clock that has just been met from one that cannot be right.
    ///
    /// `Ok(Err(…))`: the clock's time, and why nothing may be written by it (`clock.wrong`). Error: the database's.
    pub(super) fn look(&mut self, sql: &mut dyn Sql) -> Result<Reading> {
        let steady = steady_ms();
        if let (Some(trusted), None) = (self.trusted, self.leapt)
            && steady.saturating_sub(trusted.steady) < LOOK_MS
        {
            return Ok(Reading { now_ms: trusted.wall_at(steady), refusal: None });
        }
        let now = Moment::now(|| sql.clock(wall_ms()))?;
        let row = sql.first("SELECT size, last_at FROM head", &[])?;
        let head = match row {
            Some(mut row) => Head { size: row.count()?, last_at: row.int()?, ..Head::default() },
            None => Head::default(),
        };
        Ok(Reading { now_ms: now.wall, refusal: self.judge(now, &head).err() })
    }

    /// An operator has said that it is right.
    pub(super) fn trust(&mut self, wall: i64) {
        (self.trusted, self.leapt) = (Some(Moment { wall, steady: steady_ms() }), None);
    }

    fn judge(&mut self, now: Moment, head: &Head) -> std::result::Result<(), Refusal> {
        // Before anything else: a clock that cannot be right is no measure for the next one.
        head.check_clock(now.wall)?;
        let believed = match (self.trusted, self.leapt) {
            (None, _) => true,
            (Some(trusted), _) if trusted.agrees(now) => true,
            (_, Some(leapt)) if leapt.agrees(now) => now.steady.saturating_sub(leapt.steady) >= HOLD_MS,
            _ => {
                self.leapt = Some(now);
                false
            }
        };
        if believed {
            (self.trusted, self.leapt) = (Some(now), None);
            return Ok(());
        }
        let message =
            "the clock has leapt; it is believed when it is back, or has gone on steadily for ten minutes";
        Err(Refusal::new(RefusalCode::ClockWrong, message))
    }
}

/// What a look at the clock came to.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
    /// Why nothing may be written by it.
    pub(super) refusal: Option<Refusal>,
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Counts on also while the machine sleeps.
#[cfg(target_os = "linux")]
fn steady_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// Elsewhere the clock that stands still while the machine sleeps: then a sleep is a leap, and waits for ten minutes.
#[cfg(not(target_os = "linux"))]
fn steady_ms() -> i64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    i64::try_from(BEGUN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn head(last_at: i64) -> Head {
        Head { size: 1, last_at, ..Head::default() }
    }

    /// Each step: seconds on the steady clock, milliseconds that the wall clock is off, whether it is believed.
    fn believes(steps: &[(i64, i64, bool)]) {
        let mut watch = Watched::default();
        for (at, off, expected) in steps {
            let now = Moment { wall: NOW + at * 1000 + off, steady: at * 1000 };
            assert_eq!(watch.judge(now, &head(NOW)).is_ok(), *expected, "{at} s, {off} ms of {steps:?}");
        }
    }

    /// The clock that is asked is the steady one and some years, and it is a slow one.
    #[test]
    fn the_way_to_the_clock_puts_nobody_ahead_of_it() {
        let way = || std::thread::sleep(std::time::Duration::from_millis(30));
        let ask = || {
            way();
            let wall = NOW + steady_ms();
            way();
            Ok(wall)
        };
        for _ in 0..3 {
            let moment = Moment::now(ask).unwrap();
            let counted = moment.wall_at(steady_ms());
            assert!(counted <= NOW + steady_ms(), "{moment:?}");
            assert!(Moment::now(ask).unwrap().wall >= counted, "time has gone back");
        }
    }

    #[test]
    fn a_leap_is_held_until_the_clock_is_back_or_steady() {
        // Slewing and small steps are nobody's business; idle hours neither.
        believes(&[(0, 0, true), (1, 290_000, true), (2, 0, true), (90_000, -200_000, true)]);
        // A step of an hour, either way, and back.
        believes(&[(0, 0, true), (10, HOUR, false), (500, HOUR, false), (501, 0, true)]);
        believes(&[(0, 0, true), (10, -HOUR, false), (501, -HOUR, false), (520, 1000, true)]);
        // One that stays is believed after ten minutes; one that leaps again begins anew.
        believes(&[
            (0, 0, true),
            (10, HOUR, false),
            (609, HOUR, false),
            (610, HOUR, true),
            (611, HOUR, true),
        ]);
        believes(&[
            (0, 0, true),
            (10, HOUR, false),
            (600, 2 * HOUR, false),
            (1199, 2 * HOUR, false),
            (1200, 2 * HOUR, true),
        ]);
        // A machine that was stopped over a week-end without its clocks.
        believes(&[(0, 0, true), (1, 64 * HOUR, false), (602, 64 * HOUR, true)]);
    }

    #[test]
    fn what_cannot_be_right_is_no_measure() {
        // Years ahead or behind when it is first met: never believed however steady, and the right one is believed at once.
        let year = 365 * 24 * HOUR;
        for off in [73 * year, -50 * year, 8 * 24 * HOUR, -49 * HOUR] {
            believes(&[(0, off, false), (700, off, false), (1_400, off, false), (1_401, 0, true)]);
        }
        believes(&[(0, 0, true), (1, 73 * year, false), (1_000, 73 * year, false), (1_001, 0, true)]);
        // Nothing was ever written.
        assert!(Watched::default().judge(Moment { wall: NOW, steady: 0 }, &Head::default()).is_ok());
    }
}
