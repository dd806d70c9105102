//! Whether the invariants of BROKER §1 hold, from the rows alone: `imagxp broker ledger audit`, and the start of a server.
//!
//! [`run`] reads everything and believes nothing: balances are added up again from the transfers, the log is hashed again from the rows.
//! [`balances`] reads the accounts only, which takes no longer when there are a million transfers.

mod names;
mod replay;
mod report;
mod sums;
mod visas;

pub use report::{Finding, FindingKind, Report, Totals, Wide};

use crate::account::AccountId;
use crate::id::Id;
use crate::store::Reader;
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

/// Checks everything: [`balances`], every balance against its transfers, shapes, resolutions, ids, references of deposits, visas against
/// their money and what the log says of them, the log, and that there is no row beside it.
///
/// The reader's calls have to see one state of the store. It streams: in memory are the accounts, what is pending and a page of entries.
/// Error: the reader's; what is wrong with the ledger is in the report.
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
        names::check(reader, &page, &mut report)?;
        let settled = replay.take_settled();
        visas::check_all(reader, &mut replay, &settled, &mut report)?;
    }
    replay.finish(&mut report);
    let open: Vec<Id> = replay.open_visas().collect();
    for page in open.chunks(PAGE) {
        let page = page.iter().copied().collect();
        visas::check_all(reader, &mut replay, &page, &mut report)?;
    }
    let counts = reader.log_counts()?;
    report.expect(
        (counts.transfers, counts.events, counts.leaves)
            == (report.transfers, report.events, report.head.size),
        FindingKind::Log,
        || "there are transfers, events or leaves that are not in the log".to_owned(),
    );
    let visas = report.visas;
    report.expect(counts.visas == visas, FindingKind::Visa, || {
        format!("there are {} visas, the log knows {visas} of them", counts.visas)
    });
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
