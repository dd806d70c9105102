//! What happens around the ledger and belongs into its log: who operates the broker, and which log was accepted.

use crate::actor::Actor;
use crate::command::Act;
use crate::event::{Event, EventKind};
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};
use crate::text::{Memo, Owner, Reference};
use imagxp::encoding::hex_encode;

/// The beginning of a log: how many entries, and the root of their tree (RFC 6962).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// How many entries.
    pub size: u64,
    /// The root.
    pub root: [u8; 32],
}

/// An operator accepts the log as it is, although it does not contain what was seen of it (`log.accepted`).
///
/// Refusals: `actor.denied`, `log.continues` when nothing is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptLog {
    /// Why.
    pub memo: Memo,
    /// What the log does not contain.
    pub missing: Option<Beginning>,
}

impl Act for AcceptLog {
    fn keys(&self, _: &Loaded, _: &mut Keys) {}

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        let missing = self.missing.ok_or(RefusalCode::LogContinues)?;
        let details = vec![
            ("memo", self.memo.as_str().into()),
            ("missing_root", hex_encode(&missing.root).into()),
            ("missing_size", missing.size.to_string().into()),
        ];
        note(ledger, EventKind::LogAccepted, details)
    }
}

/// Somebody has become an operator of the broker (`operator.added`), or is none any more (`operator.removed`). The broker itself.
///
/// Refusal: `actor.denied`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteOperator {
    /// The operator's name.
    pub name: Owner,
    /// What they may do; nothing any more when absent.
    pub role: Option<Reference>,
}

impl Act for NoteOperator {
    fn keys(&self, _: &Loaded, _: &mut Keys) {}

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        if *ledger.actor != Actor::Clock {
            return Err(RefusalCode::ActorDenied.into());
        }
        let mut details = vec![("operator", self.name.as_str().into())];
        details.extend(self.role.as_ref().map(|role| ("role", role.as_str().into())));
        let kind = if self.role.is_some() { EventKind::OperatorAdded } else { EventKind::OperatorRemoved };
        note(ledger, kind, details)
    }
}

fn note(
    ledger: &mut Ledger<'_>,
    kind: EventKind,
    details: Vec<(&'static str, imagxp::json::Value<'_>)>,
) -> Result<Outcome, Refusal> {
    let at = ledger.logged_at();
    ledger.event(Event::new(kind, None, None, ledger.actor, at, details));
    Ok(Outcome::default())
}
