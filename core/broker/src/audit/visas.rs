//! Visas against their money and what the log says of them.

use super::replay::{End, Replay};
use super::report::{FindingKind, Report};
use crate::amount::Amount;
use crate::event::EventKind;
use crate::visa::{Visa, VisaState};

/// Checks one visa.
pub(super) fn check(replay: &mut Replay, visa: &Visa, report: &mut Report) {
    report.visas = report.visas.saturating_add(1);
    let jti = visa.jti;
    let Some(held) = replay.held.get_mut(&jti).filter(|held| held.is_visa() && !held.seen) else {
        report.find(FindingKind::Visa, || format!("visa {jti} has no transfer, or is there twice"));
        return;
    };
    held.seen = true;
    let end = match visa.state {
        VisaState::Issued | VisaState::Redeemed | VisaState::Withheld | VisaState::Disputed => End::Open,
        VisaState::Released => End::Posted(visa.amount),
        VisaState::Split => End::Posted(visa.released),
        VisaState::Refunded | VisaState::Expired => End::Void,
    };
    let released = if let End::Posted(amount) = end { amount } else { Amount::ZERO };
    let money = held.end == end
        && held.amount == visa.amount
        && held.is_between(visa.debit().id(), visa.credit().id())
        && visa.released == released
        && visa.fee == held.fee
        && visa.fee == released.basis_points(visa.fee_bps);
    report.expect(money, FindingKind::Visa, || {
        format!("visa {jti} is {}, and its money says otherwise", visa.state.as_str())
    });
    let waits = matches!(visa.state, VisaState::Issued | VisaState::Redeemed | VisaState::Withheld);
    let story = held.event == Some(event_of(visa.state))
        && visa.due_at.is_some() == waits
        && visa.settled_at.is_some() != visa.state.is_open();
    report.expect(story, FindingKind::Visa, || {
        format!("visa {jti} is {}, and the log says otherwise", visa.state.as_str())
    });
}

/// Checks that no visa is missing.
pub(super) fn finish(replay: &Replay, report: &mut Report) {
    let missing = replay.held.values().filter(|held| held.is_visa() && !held.seen).count();
    report.expect(missing == 0, FindingKind::Visa, || format!("{missing} visas of the log are missing"));
}

const fn event_of(state: VisaState) -> EventKind {
    match state {
        VisaState::Issued => EventKind::VisaIssued,
        VisaState::Redeemed => EventKind::VisaRedeemed,
        VisaState::Withheld => EventKind::VisaWithheld,
        VisaState::Disputed => EventKind::VisaDisputed,
        VisaState::Released => EventKind::VisaReleased,
        VisaState::Refunded => EventKind::VisaRefunded,
        VisaState::Split => EventKind::VisaSplit,
        VisaState::Expired => EventKind::VisaExpired,
    }
}
