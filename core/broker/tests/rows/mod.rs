//! Rows that a test can spoil, as a reader sees them.

use imagxp_broker::memory::Contradiction;
use imagxp_broker::*;
use std::collections::BTreeSet;

/// The rows, as somebody has changed them behind the broker's back.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) head: Head,
    pub(crate) accounts: Vec<Account>,
    pub(crate) entries: Vec<(Entry, Leaf)>,
    pub(crate) visas: Vec<Visa>,
    pub(crate) once: Vec<Once>,
    pub(crate) counts: LogCounts,
    pub(crate) leaves: Vec<Leaf>,
    /// How many leaves were read.
    pub(crate) read: usize,
}

impl Reader for Rows {
    type Error = Contradiction;

    fn head(&mut self) -> Result<Head, Contradiction> {
        Ok(self.head.clone())
    }

    fn accounts(
        &mut self,
        _: Option<&Owner>,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, Contradiction> {
        let later = self.accounts.iter().filter(|account| after.is_none_or(|after| account.id > after));
        Ok(later.take(limit).cloned().collect())
    }

    fn visas(
        &mut self,
        _: &VisaFilter,
        before: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Visa>, Contradiction> {
        let earlier = self.visas.iter().filter(|visa| before.is_none_or(|before| visa.jti < before));
        Ok(earlier.take(limit).cloned().collect())
    }

    fn entries(&mut self, from: u64, limit: usize) -> Result<Vec<(Entry, Leaf)>, Contradiction> {
        Ok(self.entries.iter().filter(|(entry, _)| entry.seq() >= from).take(limit).cloned().collect())
    }

    fn transfer(&mut self, _: Id) -> Result<Option<Transfer>, Contradiction> {
        Ok(None)
    }

    fn accounts_named(&mut self, _: &BTreeSet<AccountId>) -> Result<Vec<Account>, Contradiction> {
        Ok(Vec::new())
    }

    fn statement(&mut self, _: &Owner, _: Option<u64>, _: usize) -> Result<Vec<Transfer>, Contradiction> {
        Ok(Vec::new())
    }

    fn visa(&mut self, _: Id) -> Result<Option<Visa>, Contradiction> {
        Ok(None)
    }

    fn events(&mut self, _: Id, _: usize) -> Result<Vec<Event>, Contradiction> {
        Ok(Vec::new())
    }

    fn leaves(&mut self, _: u64, _: usize) -> Result<Vec<Leaf>, Contradiction> {
        Ok(Vec::new())
    }

    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Leaf>, Contradiction> {
        let found: Vec<Leaf> =
            numbers.iter().filter_map(|seq| self.leaves.get(usize::try_from(*seq).ok()?).cloned()).collect();
        self.read += found.len();
        Ok(found)
    }

    fn due(&mut self, _: i64, _: Option<DueVisa>, _: usize) -> Result<Vec<DueVisa>, Contradiction> {
        Ok(Vec::new())
    }

    fn log_counts(&mut self) -> Result<LogCounts, Contradiction> {
        Ok(self.counts)
    }

    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Visa>, Contradiction> {
        Ok(self.visas.iter().filter(|visa| names.contains(&visa.jti)).cloned().collect())
    }

    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Once>, Contradiction> {
        Ok(self.once.iter().filter(|once| names.contains(&once.key)).cloned().collect())
    }

    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<(Id, u64)>, Contradiction> {
        let transfers = self.entries.iter().filter_map(|(entry, _)| match entry {
            Entry::Transfer(transfer) => Some((transfer.id, transfer.seq)),
            Entry::Event(_) => None,
        });
        Ok(transfers.filter(|(id, _)| ids.contains(id)).collect())
    }
}
