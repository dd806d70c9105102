//! The ledger once more, from its entries.

use super::report::{FindingKind, Report};
use super::visas;
use crate::account::{Account, AccountId};
use crate::actor::Actor;
use crate::amount::Amount;
use crate::clock;
use crate::code::{Phase, TransferCode};
use crate::event::{Event, EventKind};
use crate::id::Id;
use crate::log::{Entry, Head, Leaf};
use crate::transfer::Transfer;
use imagxp::audit::Log;
use imagxp::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the entries so far come to.
#[derive(Default)]
pub(super) struct Replay {
    accounts: BTreeMap<AccountId, Sums>,
    /// What is pending, and visas until the log says how they ended.
    pub(super) held: HashMap<Id, Held>,
    settled: BTreeSet<Id>,
    /// Who has disputed the log's time, and what it was.
    disputes: BTreeMap<u64, (Actor, i64)>,
    log: Log,
    last_at: i64,
}

/// An account's row, and what its entries add up to.
struct Sums {
    row: Account,
    sums: Account,
    flags: (bool, bool),
}

/// A pending transfer and what became of it.
pub(super) struct Held {
    code: TransferCode,
    actor: Actor,
    debit: AccountId,
    credit: AccountId,
    pub(super) amount: Amount,
    pub(super) end: End,
    /// What was taken as a fee for it.
    pub(super) fee: Amount,
    /// The last thing that the log says of the visa.
    pub(super) event: Option<EventKind>,
    /// What else the log says of it.
    pub(super) told: BTreeMap<&'static str, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Posted(Amount),
    Void,
}

impl Held {
    pub(super) fn is_visa(&self) -> bool {
        self.code == TransferCode::Visa
    }

    pub(super) fn is_between(&self, debit: AccountId, credit: AccountId) -> bool {
        (self.debit, self.credit) == (debit, credit)
    }
}

impl Replay {
    pub(super) fn rows(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().map(|sums| &sums.row)
    }

    pub(super) fn account(&mut self, row: Account, report: &mut Report) {
        report.accounts = report.accounts.saturating_add(1);
        let sums = Account {
            debits_pending: Amount::ZERO,
            debits_posted: Amount::ZERO,
            credits_pending: Amount::ZERO,
            credits_posted: Amount::ZERO,
            ..row.clone()
        };
        self.accounts.insert(row.id, Sums { row, sums, flags: (false, false) });
    }

    pub(super) fn entry(&mut self, entry: &Entry, leaf: &Leaf, report: &mut Report) {
        let seq = entry.seq();
        report.expect(seq == self.log.size(), FindingKind::Log, || {
            format!("entry {seq} stands where entry {} belongs", self.log.size())
        });
        let reset = matches!(entry, Entry::Event(event) if event.kind == EventKind::ClockReset);
        report.expect(entry.created_at() >= self.last_at || reset, FindingKind::Log, || {
            format!("entry {seq} is older than the one before it")
        });
        let before = core::mem::replace(&mut self.last_at, entry.created_at());
        let appended = self.log.append(&entry.body(), &mut Vec::new());
        let hashed = appended.as_ref().ok().map(|_| self.log.last()) == Some(&leaf.hash);
        report.expect(hashed, FindingKind::Log, || format!("entry {seq} is not the one that was hashed"));
        let grown = appended.is_ok_and(|appended| appended.subtrees == leaf.subtrees);
        // What does not follow from an entry that was altered is no finding of its own.
        report.expect(grown || !hashed, FindingKind::Log, || {
            format!("the subtrees that end with entry {seq} are not those of the log")
        });
        match entry {
            Entry::Transfer(transfer) => {
                report.transfers = report.transfers.saturating_add(1);
                self.transfer(transfer, report);
            }
            Entry::Event(event) => {
                report.events = report.events.saturating_add(1);
                if event.kind.is_of_broker() {
                    self.broker(event, before, report);
                } else {
                    self.event(event, report);
                }
            }
        }
    }

    /// Who may log what about the broker. The time of the log goes back only when a second operator agrees to a dispute of the time as it
    /// stood.
    fn broker(&mut self, event: &Event, before: i64, report: &mut Report) {
        let body = body_of(event);
        let of_nothing = event.jti.is_none() && event.account.is_none();
        report.expect(of_nothing && tells_the_same(event, &body), FindingKind::Log, || {
            format!("the columns of event {} differ from what was logged", event.seq)
        });
        let by_operator = matches!(event.actor, Actor::Operator(_));
        let legal = match event.kind {
            EventKind::ClockNoted | EventKind::OperatorAdded | EventKind::OperatorRemoved => {
                event.actor == Actor::Clock
            }
            EventKind::ClockDisputed => {
                self.disputes.insert(event.seq, (event.actor.clone(), event.created_at));
                by_operator
            }
            EventKind::ClockReset => {
                let dispute = clock::disputed(&body).and_then(|seq| self.disputes.remove(&seq));
                by_operator && dispute.is_some_and(|(first, at)| first != event.actor && at == before)
            }
            _ => by_operator,
        };
        report.expect(legal, FindingKind::Log, || {
            format!(
                "event {} ({}) is not of those who may log it: an operator, two for the time of the log, or the broker itself",
                event.seq,
                event.kind.as_str()
            )
        });
    }

    fn transfer(&mut self, transfer: &Transfer, report: &mut Report) {
        let id = transfer.id;
        report.expect(!transfer.amount.is_zero(), FindingKind::Transfer, || {
            format!("transfer {id} moves nothing")
        });
        let shape = match (self.accounts.get(&transfer.debit), self.accounts.get(&transfer.credit)) {
            (Some(debit), Some(credit)) => {
                let checked = transfer.code.check(transfer.phase, &debit.row, &credit.row);
                checked.is_ok() && debit.row.asset == transfer.asset && !debit.flags.1 && !credit.flags.1
            }
            _ => false,
        };
        report.expect(shape, FindingKind::Transfer, || {
            format!("transfer {id} is between accounts that it cannot be between")
        });
        if transfer.phase.resolves() != transfer.pending_id.is_some() {
            report.find(FindingKind::Resolution, || format!("transfer {id} ends nothing, or should not"));
            return;
        }
        match transfer.pending_id {
            Some(pending) => self.resolve(pending, transfer, report),
            None if transfer.phase == Phase::Pending => {
                self.held.insert(
                    id,
                    Held {
                        code: transfer.code,
                        actor: transfer.actor.clone(),
                        debit: transfer.debit,
                        credit: transfer.credit,
                        amount: transfer.amount,
                        end: End::Open,
                        fee: Amount::ZERO,
                        event: None,
                        told: BTreeMap::new(),
                    },
                );
                self.add(
                    transfer,
                    |debit, credit| {
                        debit.debits_pending = debit.debits_pending.checked_add(transfer.amount).ok()?;
                        credit.credits_pending = credit.credits_pending.checked_add(transfer.amount).ok()?;
                        Some(())
                    },
                    report,
                );
            }
            None => {
                if transfer.code == TransferCode::Fee {
                    let jti = transfer.reference.as_ref().and_then(|text| Id::parse(text.as_str()).ok());
                    let held = jti.and_then(|jti| self.held.get_mut(&jti)).filter(|held| held.is_visa());
                    let fee = held.and_then(|held| {
                        held.fee = held.fee.checked_add(transfer.amount).ok()?;
                        Some(())
                    });
                    report.expect(fee.is_some(), FindingKind::Transfer, || format!("fee {id} is of no visa"));
                }
                self.add(
                    transfer,
                    |debit, credit| {
                        debit.debits_posted = debit.debits_posted.checked_add(transfer.amount).ok()?;
                        credit.credits_posted = credit.credits_posted.checked_add(transfer.amount).ok()?;
                        Some(())
                    },
                    report,
                );
            }
        }
    }

    fn resolve(&mut self, pending: Id, transfer: &Transfer, report: &mut Report) {
        let id = transfer.id;
        let Some(held) = self.held.get_mut(&pending) else {
            report.find(FindingKind::Resolution, || format!("transfer {id} ends one that is not pending"));
            return;
        };
        let posts = transfer.phase == Phase::Post;
        let fits = if posts { transfer.amount <= held.amount } else { transfer.amount == held.amount };
        let same = held.is_between(transfer.debit, transfer.credit) && held.code == transfer.code;
        let second = !held.code.needs_second() || !posts || held.actor != transfer.actor;
        if held.end != End::Open || !fits || !same || !second {
            report.find(FindingKind::Resolution, || {
                format!("transfer {id} ends {pending} twice, with too much, between others or by the one who asked for it")
            });
            return;
        }
        held.end = if posts { End::Posted(transfer.amount) } else { End::Void };
        let amount = held.amount;
        if !held.is_visa() {
            self.held.remove(&pending);
        }
        self.add(
            transfer,
            |debit, credit| {
                debit.debits_pending = debit.debits_pending.checked_sub(amount)?;
                credit.credits_pending = credit.credits_pending.checked_sub(amount)?;
                if posts {
                    debit.debits_posted = debit.debits_posted.checked_add(transfer.amount).ok()?;
                    credit.credits_posted = credit.credits_posted.checked_add(transfer.amount).ok()?;
                }
                Some(())
            },
            report,
        );
    }

    /// Changes what both accounts come to, and checks that neither was overdrawn at that moment.
    fn add(
        &mut self,
        transfer: &Transfer,
        change: impl FnOnce(&mut Account, &mut Account) -> Option<()>,
        report: &mut Report,
    ) {
        let ids = (transfer.debit, transfer.credit);
        // Accounts that are missing, or one and the same, have been reported with the transfer's shape.
        if ids.0 == ids.1 {
            return;
        }
        let Some(mut debit) = self.accounts.remove(&ids.0) else { return };
        if let Some(credit) = self.accounts.get_mut(&ids.1) {
            let changed = change(&mut debit.sums, &mut credit.sums).is_some();
            let sound = changed && debit.sums.is_sound() && credit.sums.is_sound();
            report.expect(sound, FindingKind::Overdrawn, || {
                format!("transfer {} takes what was not there, or is beyond counting", transfer.id)
            });
        }
        self.accounts.insert(ids.0, debit);
    }

    fn event(&mut self, event: &Event, report: &mut Report) {
        let body = body_of(event);
        report.expect(tells_the_same(event, &body), FindingKind::Log, || {
            format!("the columns of event {} differ from what was logged", event.seq)
        });
        let account = event.account.and_then(|id| self.accounts.get_mut(&id));
        let held = event.jti.and_then(|jti| self.held.get_mut(&jti)).filter(|held| held.is_visa());
        let known = match (event.kind, account, held) {
            (EventKind::AccountFrozen, Some(account), None) => {
                account.flags.0 = true;
                true
            }
            (EventKind::AccountUnfrozen, Some(account), None) => {
                account.flags.0 = false;
                true
            }
            (EventKind::AccountClosed, Some(account), None) => {
                account.flags.1 = true;
                let sums = &account.sums;
                (sums.debits_pending, sums.credits_pending, sums.debits_posted)
                    == (Amount::ZERO, Amount::ZERO, sums.credits_posted)
            }
            (kind, None, Some(held)) => {
                let before = held.event.replace(kind);
                held.told.remove("due");
                for name in visas::TOLD {
                    let text = match body.get(name) {
                        Some(json::Value::String(text)) => text.clone().into_owned(),
                        Some(json::Value::Number(number)) => number.text().to_owned(),
                        _ => continue,
                    };
                    held.told.insert(name, text);
                }
                if visas::is_settled(kind) {
                    self.settled.extend(event.jti);
                }
                visas::may_follow(before, kind)
            }
            _ => false,
        };
        report.expect(known, FindingKind::Log, || {
            format!("event {} is of an account or visa that it cannot be of", event.seq)
        });
    }

    /// The visas that the log has settled since the last time.
    pub(super) fn take_settled(&mut self) -> BTreeSet<Id> {
        core::mem::take(&mut self.settled)
    }

    /// The visas that wait for something.
    pub(super) fn open_visas(&self) -> impl Iterator<Item = Id> {
        self.held.iter().filter(|(_, held)| held.is_visa()).map(|(jti, _)| *jti)
    }

    /// Compares every account and the head with what the entries come to.
    pub(super) fn finish(&self, report: &mut Report) {
        for Sums { row, sums, flags } in self.accounts.values() {
            let same = row == sums && (row.frozen, row.closed) == *flags && row.version <= report.head.size;
            report.expect(same, FindingKind::Account, || {
                format!("account {} is not the sum of its transfers and events", row.id)
            });
        }
        let head = Head::of(&self.log, self.last_at);
        report.expect(head == report.head, FindingKind::Log, || {
            "the head is not that of the log's entries".to_owned()
        });
    }
}

fn body_of(event: &Event) -> json::Object<'_> {
    let limits = json::Limits { max_string: 4096, ..json::Limits::CLAIM };
    json::parse_object(event.body.as_bytes(), &limits).unwrap_or_default()
}

/// Whether an event's columns are what its body says.
fn tells_the_same(event: &Event, object: &json::Object<'_>) -> bool {
    let text = |name: &str| object.get(name).and_then(json::Value::as_str);
    let time = imagxp::Timestamp::from_millis(event.created_at).to_string();
    json::object_to_canonical(object) == event.body.as_bytes()
        && text("type") == Some(event.kind.as_str())
        && text("actor").and_then(|actor| Actor::parse(actor).ok()).as_ref() == Some(&event.actor)
        && text("jti") == event.jti.map(|jti| jti.to_string()).as_deref()
        && text("account") == event.account.map(|account| account.to_string()).as_deref()
        && text("time") == Some(time.as_str())
}
