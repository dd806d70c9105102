//! Where the money of a visa goes, and what the log says of it.

use super::{Visa, VisaState};
use crate::account::AccountKey;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::code::{Phase, TransferCode};
use crate::draft::Draft;
use crate::event::{Event, EventKind};
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};
use crate::text::{Owner, Reference};
use imagxp::Timestamp;
use imagxp::json::Value;

/// Names the visa, its transfer and, when they are known, its accounts.
pub(super) fn keys(jti: Id, loaded: &Loaded, keys: &mut Keys) {
    keys.visas.insert(jti);
    keys.transfers.insert(jti);
    if let Some(visa) = loaded.visas.get(&jti) {
        keys.accounts.extend(visa.accounts());
    }
}

/// Refuses all but this owner: `visa.not_yours`.
pub(super) fn must_be(actor: &Actor, owner: &Owner) -> Result<(), Refusal> {
    match actor {
        Actor::Party(name) if name == owner => Ok(()),
        _ => Err(RefusalCode::VisaNotYours.into()),
    }
}

/// The refusal of what this state does not allow.
pub(super) fn wrong_state(visa: &Visa) -> Refusal {
    Refusal::new(RefusalCode::VisaState, format!("the visa is {}", visa.state.as_str()))
}

/// Notes an event of a visa.
pub(super) fn note(
    ledger: &mut Ledger<'_>,
    visa: &Visa,
    kind: EventKind,
    details: Vec<(&'static str, Value<'_>)>,
) {
    let mut all = vec![
        ("agent", visa.agent.as_str().into()),
        ("amount", visa.amount.to_string().into()),
        ("asset", visa.asset.as_str().into()),
        ("publisher", visa.publisher.as_str().into()),
    ];
    if let Some(due) = visa.due_at {
        all.push(("due", time(due)));
    }
    all.extend(details);
    ledger.event(Event::new(kind, Some(visa.jti), None, ledger.actor, ledger.logged_at(), all));
}

/// A time as the log tells it.
pub(super) fn time(at_ms: i64) -> Value<'static> {
    Timestamp::from_millis(at_ms).to_string().into()
}

/// Where the money goes.
#[derive(Clone, Copy)]
pub(super) enum Settlement {
    /// All to the publisher.
    Release,
    /// All back to the agent: nobody was content, or nobody came.
    Refund,
    /// All back to the agent, since the visa was never presented.
    Expire,
    /// So much to the publisher, the rest back to the agent.
    Split(Amount),
}

/// Settles an open visa: post and fee, or void, in one batch.
pub(super) fn settle(
    ledger: &mut Ledger<'_>,
    mut visa: Visa,
    settlement: Settlement,
    details: Vec<(&'static str, Value<'_>)>,
) -> Result<Outcome, Refusal> {
    let (state, kind, post) = match settlement {
        Settlement::Release => (VisaState::Released, EventKind::VisaReleased, Some(visa.amount)),
        Settlement::Refund => (VisaState::Refunded, EventKind::VisaRefunded, None),
        Settlement::Expire => (VisaState::Expired, EventKind::VisaExpired, None),
        Settlement::Split(amount) => (VisaState::Split, EventKind::VisaSplit, Some(amount)),
    };
    ledger.resolve(visa.jti, TransferCode::Visa, &visa.debit(), &visa.credit(), post)?;
    visa.state = state;
    visa.due_at = None;
    visa.settled_at = Some(ledger.now_ms);
    visa.released = post.unwrap_or(Amount::ZERO);
    visa.fee = visa.released.basis_points(visa.fee_bps);
    if !visa.fee.is_zero() {
        ledger.make(Draft {
            id: None,
            code: TransferCode::Fee,
            phase: Phase::Single,
            debit: visa.credit(),
            credit: AccountKey::treasury(visa.asset),
            amount: visa.fee,
            reference: Some(Reference::parse(&visa.jti.to_string())?),
            memo: None,
        })?;
    }
    let mut all = details;
    all.push(("settled_at", time(ledger.now_ms)));
    if post.is_some() {
        all.push(("released", visa.released.to_string().into()));
        all.push(("fee", visa.fee.to_string().into()));
    }
    note(ledger, &visa, kind, all);
    ledger.put_visa(visa.clone());
    Ok(Outcome { visa: Some(visa), ..Outcome::default() })
}
