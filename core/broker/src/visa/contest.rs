//! What the publisher says to bad feedback.

use super::VisaState;
use super::settle::{must_be, note, wrong_state};
use crate::command::Act;
use crate::event::EventKind;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};
use crate::text::Memo;

/// The publisher contests that the money is withheld: an operator decides. Within 72 h of the feedback.
///
/// Refusals: `visa.not_found`, `visa.not_yours`, `visa.state`, `contest.closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Which visa.
    pub jti: Id,
    /// What the publisher says.
    pub statement: Memo,
}

impl Act for Contest {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        keys.visas.insert(self.jti);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        let mut visa = ledger.visa(self.jti)?;
        must_be(ledger.actor, &visa.publisher)?;
        match visa.state {
            VisaState::Withheld if !visa.is_due(ledger.now_ms) => {}
            // Only what was withheld for 72 h is refunded without a dispute.
            VisaState::Withheld => return Err(RefusalCode::ContestClosed.into()),
            VisaState::Refunded if visa.contest.is_none() => return Err(RefusalCode::ContestClosed.into()),
            _ => return Err(wrong_state(&visa)),
        }
        visa.state = VisaState::Disputed;
        visa.due_at = None;
        visa.contest = Some(self.statement.clone());
        let details = vec![("statement", self.statement.as_str().into())];
        note(ledger, &visa, EventKind::VisaDisputed, details);
        ledger.put_visa(visa.clone());
        Ok(Outcome { visa: Some(visa), ..Outcome::default() })
    }
}
