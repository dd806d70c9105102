//! Visas against their money and what the log says of them.

use super::replay::{End, Held, Replay};
use super::report::{FindingKind, Report};
use crate::amount::Amount;
use crate::event::EventKind;
use crate::id::Id;
use crate::store::Reader;
use crate::visa::{Visa, VisaState};
use imagxp::Timestamp;
use imagxp::encoding::hex_encode;
use std::collections::{BTreeMap, BTreeSet};

/// What events tell of a visa that its row has to say as well.
pub(super) const TOLD: [&str; 14] = [
    "due",
    "exp",
    "fee",
    "fee_bps",
    "feedback_sha256",
    "given_at",
    "iat",
    "jkt",
    "limits_sha256",
    "reason",
    "redeemed_at",
    "request_jkt",
    "score_millionths",
    "settled_at",
];

/// What the row says of that.
fn told(visa: &Visa) -> BTreeMap<&'static str, String> {
    let time = |at: i64| Timestamp::from_millis(at).to_string();
    let feedback = visa.feedback.as_ref();
    let all = [
        ("due", visa.due_at.map(time)),
        ("exp", Some(time(visa.expires_at))),
        ("fee", visa.settled_at.filter(|_| !visa.released.is_zero()).map(|_| visa.fee.to_string())),
        ("fee_bps", Some(visa.fee_bps.to_string())),
        ("feedback_sha256", feedback.map(|feedback| hex_encode(&feedback.sha256))),
        ("given_at", feedback.map(|feedback| time(feedback.given_at))),
        ("iat", Some(time(visa.issued_at))),
        ("jkt", visa.jkt.map(|key| key.as_str().to_owned())),
        ("limits_sha256", visa.limits_sha256()),
        ("reason", feedback.map(|feedback| feedback.reason.as_str().to_owned())),
        ("redeemed_at", visa.redeemed_at.map(time)),
        ("request_jkt", visa.request_jkt.map(|key| key.as_str().to_owned())),
        ("score_millionths", feedback.map(|feedback| feedback.score.millionths().to_string())),
        ("settled_at", visa.settled_at.map(time)),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// Whether nothing comes after this event.
pub(super) const fn is_settled(kind: EventKind) -> bool {
    use EventKind::{VisaExpired, VisaRefunded, VisaReleased, VisaSplit};
    matches!(kind, VisaReleased | VisaRefunded | VisaSplit | VisaExpired)
}

/// Whether this can happen to a visa after that.
pub(super) const fn may_follow(before: Option<EventKind>, kind: EventKind) -> bool {
    use EventKind::{
        VisaDisputed, VisaExpired, VisaIssued, VisaRedeemed, VisaRefunded, VisaReleased, VisaSplit,
        VisaWithheld,
    };
    matches!(
        (before, kind),
        (None, VisaIssued)
            | (Some(VisaIssued), VisaRedeemed | VisaExpired)
            | (Some(VisaRedeemed), VisaReleased | VisaWithheld)
            | (Some(VisaWithheld), VisaDisputed | VisaRefunded)
            | (Some(VisaDisputed), VisaReleased | VisaRefunded | VisaSplit)
    )
}

/// Checks these visas, which the log has told all of, and forgets them.
pub(super) fn check_all<R: Reader>(
    reader: &mut R,
    replay: &mut Replay,
    names: &BTreeSet<Id>,
    report: &mut Report,
) -> Result<(), R::Error> {
    if names.is_empty() {
        return Ok(());
    }
    for visa in reader.visas_named(names)? {
        check(replay, &visa, report);
    }
    let missing = names.iter().filter(|jti| replay.held.remove(jti).is_some()).count();
    report.expect(missing == 0, FindingKind::Visa, || format!("{missing} visas of the log are missing"));
    Ok(())
}

/// Checks one visa.
fn check(replay: &mut Replay, visa: &Visa, report: &mut Report) {
    report.visas = report.visas.saturating_add(1);
    let jti = visa.jti;
    let Some(held) = replay.held.remove(&jti).filter(Held::is_visa) else {
        report.find(FindingKind::Visa, || format!("visa {jti} has no transfer, or is there twice"));
        return;
    };
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
        && held.told == told(visa)
        && visa.due_at.is_some() == waits
        && visa.settled_at.is_some() != visa.state.is_open();
    report.expect(story, FindingKind::Visa, || {
        format!("visa {jti} is {}, and the log says otherwise", visa.state.as_str())
    });
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
