//! Whether the invariants of BROKER §1 hold, from the rows alone: `imagxp ledger audit`, and the start of a server.
//!
//! [`run`] reads everything and believes nothing: balances are added up again from the transfers, the log is hashed again from the rows.
//! [`balances`] reads the accounts only, which takes no longer when there are a million transfers.

mod replay;
mod report;
mod sums;
mod visas;

pub use report::{Finding, FindingKind, Report, Totals, Wide};

use crate::account::AccountId;
use crate::id::Id;
use crate::store::{Reader, VisaFilter};
use replay::Replay;

/// How many rows are read at once.
const PAGE: usize = 4096;

/// Checks the accounts: none but `OUTSIDE` is negative, debits equal credits per asset, pending and posted.
///
/// The reader's calls have to see one state of the store. Error: the reader's; what is wrong with the ledger is in the report.
pub fn balances<R: Reader>(reader: &mut R) -> Result<Report, R::Error> {
    let mut report = Report { head: reader.head()?, ..Report::default() };
    let mut replay = Replay::default();
    read_accounts(reader, &mut replay, &mut report)?;
    sums::check(&replay, &mut report);
    Ok(report)
}

/// Checks everything: [`balances`], every balance against its transfers, shapes, resolutions, ids, visas against their money, and the log.
///
/// The reader's calls have to see one state of the store. Memory: about 100 bytes for each transfer. Error: the reader's; what is
/// wrong with the ledger is in the report.
pub fn run<R: Reader>(reader: &mut R) -> Result<Report, R::Error> {
    let mut report = Report { head: reader.head()?, ..Report::default() };
    let mut replay = Replay::default();
    read_accounts(reader, &mut replay, &mut report)?;
    sums::check(&replay, &mut report);
    let mut from = 0;
    loop {
        let page = reader.entries(from, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = last.seq().saturating_add(1);
        for (entry, leaf) in &page {
            replay.entry(entry, leaf, &mut report);
        }
    }
    replay.finish(&mut report);
    let mut before: Option<Id> = None;
    loop {
        let page = reader.visas(&VisaFilter::default(), before, PAGE)?;
        let Some(last) = page.last() else { break };
        before = Some(last.jti);
        for visa in &page {
            visas::check(&mut replay, visa, &mut report);
        }
    }
    visas::finish(&replay, &mut report);
    Ok(report)
}

fn read_accounts<R: Reader>(
    reader: &mut R,
    replay: &mut Replay,
    report: &mut Report,
) -> Result<(), R::Error> {
    let mut after: Option<AccountId> = None;
    loop {
        let page = reader.accounts(None, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for account in page {
            replay.account(account, report);
        }
    }
}
