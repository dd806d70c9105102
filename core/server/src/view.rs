//! Rows as the API shows them: amounts as decimal strings, times as RFC 3339.

use crate::problem::Problem;
use imagxp::Timestamp;
use imagxp_broker::{Account, Amount, Asset, Event, Kind, Rules, Transfer, Visa};
use serde::Serialize;
use utoipa::ToSchema;

/// A visa.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VisaView {
    /// Its name.
    jti: String,
    /// Who bought it.
    agent: String,
    /// For whom.
    publisher: String,
    /// In which asset.
    asset: String,
    /// For how much.
    amount: String,
    /// The fee that is taken of what is released, in hundredths of a percent.
    fee_bps: u16,
    /// The key that it is bound to.
    jkt: Option<String>,
    /// The purposes it is limited to.
    purposes: Option<Vec<&'static str>>,
    /// `ISSUED`, `REDEEMED`, `WITHHELD`, `DISPUTED`, `RELEASED`, `REFUNDED`, `SPLIT` or `EXPIRED`.
    state: &'static str,
    issued_at: String,
    expires_at: String,
    /// When time changes the state by itself.
    due_at: Option<String>,
    redeemed_at: Option<String>,
    /// When the money was released, refunded or divided.
    settled_at: Option<String>,
    /// What the agent said.
    feedback: Option<FeedbackView>,
    /// What the publisher said against it.
    contest: Option<String>,
    /// What was posted to the publisher, before the fee.
    released: String,
    /// What was taken of that as a fee.
    fee: String,
}

/// What an agent said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackView {
    /// From 0 to 1.
    #[schema(example = "0.9")]
    score: String,
    reason: &'static str,
    /// SHA-256 of the signed object, hexadecimal.
    sha256: String,
    given_at: String,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountView {
    id: String,
    asset: String,
    /// `OUTSIDE`, `AVAILABLE`, `LOCKED`, `TREASURY` or `REWARDS`.
    kind: &'static str,
    owner: Option<String>,
    reference: Option<String>,
    /// Posted credits less posted debits.
    balance: String,
    /// The balance less what pending transfers would take: what can be spent.
    available: String,
    debits_pending: String,
    debits_posted: String,
    credits_pending: String,
    credits_posted: String,
    frozen: bool,
    closed: bool,
    created_at: String,
}

/// A transfer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransferView {
    id: String,
    asset: String,
    /// `DEPOSIT`, `WITHDRAW`, `PAY`, `FEE`, `VISA`, `LOCK`, `UNLOCK`, `SLASH` or `CORRECTION`.
    code: &'static str,
    /// `single`, `pending`, `post` or `void`.
    phase: &'static str,
    /// The pending transfer that this one ends.
    pending_id: Option<String>,
    /// The account that is debited.
    debit: String,
    /// The account that is credited.
    credit: String,
    amount: String,
    reference: Option<String>,
    memo: Option<String>,
    actor: String,
    /// Its number in the log.
    seq: u64,
    created_at: String,
}

/// An event of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    kind: &'static str,
    /// Its number in the log.
    seq: u64,
    jti: Option<String>,
    account: Option<String>,
    actor: String,
    time: String,
    /// All of it, as the log holds it.
    #[schema(value_type = Object)]
    body: serde_json::Value,
}

pub(crate) fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

fn scale(rules: &Rules, asset: Asset) -> u8 {
    // An asset that is no longer configured still has its rows; they are shown in base units rather than not at all.
    rules.assets.scale(asset).unwrap_or(0)
}

pub(crate) fn money(rules: &Rules, asset: Asset, amount: Amount) -> String {
    amount.to_decimal(scale(rules, asset))
}

/// A difference, with a sign when it is negative.
pub(crate) fn difference(rules: &Rules, asset: Asset, plus: Amount, minus: Amount) -> String {
    match plus.checked_sub(minus) {
        Some(rest) => money(rules, asset, rest),
        None => format!("-{}", money(rules, asset, minus.checked_sub(plus).unwrap_or(Amount::ZERO))),
    }
}

/// Units that may be negative.
pub(crate) fn signed(rules: &Rules, asset: Asset, units: i128) -> String {
    let text = money(rules, asset, Amount::from_units(units.unsigned_abs()));
    if units < 0 { format!("-{text}") } else { text }
}

impl VisaView {
    pub(crate) fn new(rules: &Rules, visa: &Visa) -> Self {
        Self {
            jti: visa.jti.to_string(),
            agent: visa.agent.to_string(),
            publisher: visa.publisher.to_string(),
            asset: visa.asset.as_str().to_owned(),
            amount: money(rules, visa.asset, visa.amount),
            fee_bps: visa.fee_bps,
            jkt: visa.jkt.as_ref().map(ToString::to_string),
            purposes: visa
                .purposes
                .as_ref()
                .map(|purposes| purposes.iter().map(|purpose| purpose.as_str()).collect()),
            state: visa.state.as_str(),
            issued_at: time(visa.issued_at),
            expires_at: time(visa.expires_at),
            due_at: visa.due_at.map(time),
            redeemed_at: visa.redeemed_at.map(time),
            settled_at: visa.settled_at.map(time),
            feedback: visa.feedback.as_ref().map(|feedback| FeedbackView {
                score: feedback.score.to_string(),
                reason: feedback.reason.as_str(),
                sha256: imagxp::encoding::hex_encode(&feedback.sha256),
                given_at: time(feedback.given_at),
            }),
            contest: visa.contest.as_ref().map(ToString::to_string),
            released: money(rules, visa.asset, visa.released),
            fee: money(rules, visa.asset, visa.fee),
        }
    }
}

impl AccountView {
    pub(crate) fn new(rules: &Rules, account: &Account) -> Self {
        let show = |amount| money(rules, account.asset, amount);
        let taken = account.debits_posted.checked_add(account.debits_pending).unwrap_or(Amount::MAX);
        Self {
            id: account.id.to_string(),
            asset: account.asset.as_str().to_owned(),
            kind: account.kind.as_str(),
            owner: account.owner.as_ref().map(ToString::to_string),
            reference: account.reference.as_ref().map(ToString::to_string),
            balance: difference(rules, account.asset, account.credits_posted, account.debits_posted),
            available: if account.kind == Kind::Outside {
                difference(rules, account.asset, account.credits_posted, account.debits_posted)
            } else {
                difference(rules, account.asset, account.credits_posted, taken)
            },
            debits_pending: show(account.debits_pending),
            debits_posted: show(account.debits_posted),
            credits_pending: show(account.credits_pending),
            credits_posted: show(account.credits_posted),
            frozen: account.frozen,
            closed: account.closed,
            created_at: time(account.created_at),
        }
    }
}

impl TransferView {
    pub(crate) fn new(rules: &Rules, transfer: &Transfer) -> Self {
        Self {
            id: transfer.id.to_string(),
            asset: transfer.asset.as_str().to_owned(),
            code: transfer.code.as_str(),
            phase: transfer.phase.as_str(),
            pending_id: transfer.pending_id.map(|id| id.to_string()),
            debit: transfer.debit.to_string(),
            credit: transfer.credit.to_string(),
            amount: money(rules, transfer.asset, transfer.amount),
            reference: transfer.reference.as_ref().map(ToString::to_string),
            memo: transfer.memo.as_ref().map(ToString::to_string),
            actor: transfer.actor.to_string(),
            seq: transfer.seq,
            created_at: time(transfer.created_at),
        }
    }

    /// The first transfer of an outcome: the one that was asked for.
    pub(crate) fn first(rules: &Rules, outcome: &imagxp_broker::Outcome) -> Result<Self, Problem> {
        let transfer = outcome.transfers.first();
        transfer
            .map(|transfer| Self::new(rules, transfer))
            .ok_or_else(|| Problem::internal("an accepted command made no transfer"))
    }
}

impl EventView {
    pub(crate) fn new(event: &Event) -> Self {
        Self {
            kind: event.kind.as_str(),
            seq: event.seq,
            jti: event.jti.map(|jti| jti.to_string()),
            account: event.account.map(|account| account.to_string()),
            actor: event.actor.to_string(),
            time: time(event.created_at),
            body: serde_json::from_str(&event.body).unwrap_or(serde_json::Value::Null),
        }
    }
}
