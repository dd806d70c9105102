//! The time of the log: noted while nothing else happens, put right by operators when a clock was wrong (BROKER §1).
//!
//! Times never go back along the log, so an entry that a clock years ahead has written would shut right clocks out for years. Hence no
//! command is taken by a clock that is far from the last entry; who says that such a clock is right is an operator, and that the log's own
//! time was wrong, two of them.

use crate::actor::Actor;
use crate::command::Act;
use crate::event::{Event, EventKind};
use crate::ledger::Ledger;
use crate::log::Head;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::{CLOCK_AHEAD_MS, CLOCK_SKEW_MS, DISPUTE_MS, NOTE_EVERY_MS};
use crate::store::{Keys, Loaded};
use crate::text::Memo;
use imagxp::{Timestamp, json};

/// How far a clock may be behind the last entry and still be called right by one operator, in milliseconds.
const BEHIND_MS: i64 = 60_000;

impl Head {
    /// Refuses a clock that is more than seven days ahead of the last entry or more than two behind it: what it would write could not be
    /// taken back. Nothing is refused while the log is empty. Refusal: `clock.wrong`.
    pub fn check_clock(&self, now_ms: i64) -> Result<(), Refusal> {
        let message = if self.size == 0 {
            return Ok(());
        } else if now_ms.saturating_sub(self.last_at) > CLOCK_AHEAD_MS {
            "the clock is more than seven days ahead of the log's last entry; an operator has to say that it is right"
        } else if self.last_at.saturating_sub(now_ms) > CLOCK_SKEW_MS {
            "the clock is more than two days behind the log's last entry; when it is right, two operators put the log's time back"
        } else {
            return Ok(());
        };
        Err(Refusal::new(RefusalCode::ClockWrong, message))
    }
}

/// Notes the time when the log had no entry for a day: so that a broker with nothing to do still knows, after a restart, about when it is.
///
/// The broker itself; nothing happens when the last entry is younger. Refusals: `actor.denied`, `clock.wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteTime;

impl Act for NoteTime {
    fn keys(&self, _: &Loaded, _: &mut Keys) {}

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        if *ledger.actor != Actor::Clock {
            return Err(RefusalCode::ActorDenied.into());
        }
        let (now, head) = (ledger.now_ms, ledger.head);
        if head.size == 0 || now.saturating_sub(head.last_at) < NOTE_EVERY_MS {
            return Ok(Outcome::default());
        }
        ledger.event(Event::new(EventKind::ClockNoted, None, None, ledger.actor, now, Vec::new()));
        Ok(Outcome::default())
    }
}

/// An operator says that the clock of this command is right.
///
/// When the log's last entry is older, that is noted (`clock.trusted`) and commands are taken again. When it is younger, the log's time was
/// wrong: the first operator disputes it (`clock.disputed`), and a second one, who names that entry within a day, puts it back
/// (`clock.reset`). No entry is changed; from there on the log goes on with the right time.
///
/// Refusals: `actor.denied`, `admin.second_needed` to the first operator, `clock.dispute` when the entry is no dispute of the log's time as
/// it stands, or too old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustClock {
    /// Why.
    pub memo: Memo,
    /// The number of the entry by which another operator has disputed the log's time.
    pub dispute: Option<u64>,
}

impl Act for TrustClock {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        keys.events.extend(self.dispute);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        let (now, last_at) = (ledger.now_ms, ledger.head.last_at);
        let mut details = vec![("memo", self.memo.as_str().into())];
        let (kind, at) = match self.dispute {
            Some(seq) => {
                let dispute = ledger.logged_event(seq)?;
                let said = dispute.filter(|event| event.kind == EventKind::ClockDisputed).and_then(said);
                // The log's time has not changed since: so it counts once.
                let stands = dispute.is_some_and(|event| event.created_at == last_at) && now < last_at;
                let (Some(dispute), Some(said), true) = (dispute, said, stands) else {
                    return Err(RefusalCode::ClockDispute.into());
                };
                if dispute.actor == *ledger.actor {
                    return Err(RefusalCode::AdminSecondNeeded.into());
                }
                if !(0..=DISPUTE_MS).contains(&now.saturating_sub(said)) {
                    let message = "the clock says another time than the dispute, or a day has passed since";
                    return Err(Refusal::new(RefusalCode::ClockDispute, message));
                }
                details.push(("dispute", seq.to_string().into()));
                (EventKind::ClockReset, now)
            }
            None if last_at.saturating_sub(now) > BEHIND_MS => {
                details.push(("clock", Timestamp::from_millis(now).to_string().into()));
                (EventKind::ClockDisputed, last_at)
            }
            None => (EventKind::ClockTrusted, ledger.logged_at()),
        };
        ledger.event(Event::new(kind, None, None, ledger.actor, at, details));
        Ok(Outcome::default())
    }
}

/// What time it was by the clock of a dispute.
fn said(dispute: &Event) -> Option<i64> {
    let body = json::parse_object(dispute.body.as_bytes(), &json::Limits::CLAIM).ok()?;
    Timestamp::parse(body.get("clock").and_then(json::Value::as_str)?).map(Timestamp::as_millis)
}

/// The number of the dispute that a `clock.reset` agrees to.
pub(crate) fn disputed(body: &json::Object<'_>) -> Option<u64> {
    body.get("dispute").and_then(json::Value::as_str)?.parse().ok()
}
