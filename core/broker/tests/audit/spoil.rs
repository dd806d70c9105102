//! Rows of a sound ledger, and what somebody does to them who can write them all.

use crate::common::{World, id, units};
use crate::rows::Rows;
use imagxp_broker::*;
use std::collections::BTreeSet;

impl Rows {
    /// The log of these rows, as one would write it who can also replace the head.
    pub(crate) fn rewrite_log(&mut self) {
        let mut log = Head::default().log().unwrap();
        for (seq, (entry, leaf)) in self.entries.iter_mut().enumerate() {
            match entry {
                Entry::Transfer(transfer) => transfer.seq = seq as u64,
                Entry::Event(event) => event.seq = seq as u64,
            }
            let appended = log.append(&entry.body(), &mut Vec::new()).unwrap();
            *leaf = Leaf { seq: appended.number, hash: *log.last(), subtrees: appended.subtrees };
        }
        let last_at = self.entries.last().unwrap().0.created_at();
        self.head = Head::of(&log, last_at);
        let transfers =
            self.entries.iter().filter(|(entry, _)| matches!(entry, Entry::Transfer(_))).count() as u64;
        let leaves = self.entries.len() as u64;
        self.counts = LogCounts { transfers, events: leaves - transfers, leaves, ..self.counts };
    }

    pub(crate) fn transfer(&mut self, code: TransferCode, phase: Phase) -> &mut Transfer {
        let found = self.entries.iter_mut().find_map(|(entry, _)| match entry {
            Entry::Transfer(transfer) if (transfer.code, transfer.phase) == (code, phase) => Some(transfer),
            _ => None,
        });
        found.unwrap()
    }

    pub(crate) fn event(&mut self, kind: EventKind) -> &mut Event {
        let found = self.entries.iter_mut().find_map(|(entry, _)| match entry {
            Entry::Event(event) if event.kind == kind => Some(event),
            _ => None,
        });
        found.unwrap()
    }

    pub(crate) fn account(&mut self, kind: Kind) -> &mut Account {
        self.accounts.iter_mut().find(|account| account.kind == kind).unwrap()
    }

    pub(crate) fn visa(&mut self, state: VisaState) -> &mut Visa {
        self.visas.iter_mut().find(|visa| visa.state == state).unwrap()
    }

    /// Adds a payment of one unit, later than everything else.
    pub(crate) fn book(&mut self, debit: &AccountKey, credit: &AccountKey) {
        let mut pay = self.transfer(TransferCode::Deposit, Phase::Single).clone();
        (pay.id, pay.code, pay.amount, pay.reference) = (id(99), TransferCode::Pay, units(1), None);
        (pay.debit, pay.credit) = (debit.id(), credit.id());
        pay.created_at = self.entries.last().unwrap().0.created_at();
        self.entries.push((Entry::Transfer(pay), Leaf::default()));
    }

    pub(crate) fn kinds(&mut self) -> BTreeSet<&'static str> {
        let report = audit::run(self).unwrap();
        assert_eq!(report.is_sound(), report.findings.is_empty());
        report.findings.iter().map(|finding| finding.kind.as_str()).collect()
    }
}

/// The rows of a ledger that is sound.
pub(crate) fn collected(world: &mut World<Memory>) -> Rows {
    world.audit();
    let store = &mut world.store;
    let entries = store.entries(0, 999).unwrap();
    let bookings = entries.iter().filter_map(|(entry, _)| match entry {
        Entry::Transfer(transfer) if transfer.code == TransferCode::Deposit => transfer.reference.as_ref(),
        _ => None,
    });
    let bookings = bookings.map(|name| OnceKey { scope: OnceScope::Deposit, name: format!("USD {name}") });
    Rows {
        head: store.head().unwrap(),
        accounts: store.accounts(None, None, 99).unwrap(),
        once: store.once_named(&bookings.collect()).unwrap(),
        counts: store.log_counts().unwrap(),
        entries,
        ..Rows::default()
    }
}
