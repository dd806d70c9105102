//! Statements: what moved in an account between two times. What came since is added up where it is; only what is asked for is read.

use crate::reader::SqlReader;
use crate::rows;
use crate::sql::{Sql, reading};
use crate::value::{damaged, limit, number};
use core::ops::Range;
use imagxp_broker::{Account, AccountId, Amount, Owner, Transfer};
use imagxp_database::{Error, ErrorKind, Result};

/// How many transfers of a period are read at once.
const PAGE: usize = 500;
/// How many entries of the log are added up at once: whoever gives up is noticed in between.
const ADDED: u64 = 1 << 20;

/// What moved in an owner's account between two times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The account as it stands now, after everything.
    pub account: Account,
    /// What could be spent when the period began: posted credits less posted debits, in units; negative for `OUTSIDE` only.
    pub opening: i128,
    /// The same when the period ended.
    pub closing: i128,
    /// The account's transfers of the period in their order; opening, these and closing add up.
    pub transfers: Vec<Transfer>,
}

impl SqlReader<'_> {
    /// An account's transfers of a period, at most `count`, with the balance before and after. `None` when there is no such account, or it
    /// is somebody else's. `go_on` is asked before each page, and before each part of what is added up.
    pub(crate) fn period(
        &mut self,
        owner: Option<&Owner>,
        account: AccountId,
        from_ms: i64,
        until_ms: i64,
        count: usize,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Statement>> {
        reading(self.0, |sql| {
            let select = format!("SELECT {} FROM account WHERE id = $1", rows::ACCOUNT);
            let Some(mut row) = sql.first(&select, &[account.into()])? else { return Ok(None) };
            let row = rows::account(&mut row)?;
            if owner.is_some() && row.owner.as_ref() != owner {
                return Ok(None);
            }
            let stretches = stretches(sql)?;
            // Nothing was in it when the period ended: then nothing need be added up. Where the log's time was put back, an account may
            // have been opened later than its transfers say.
            if stretches.len() == 1 && until_ms <= row.created_at {
                return Ok(Some(Statement { account: row, opening: 0, closing: 0, transfers: Vec::new() }));
            }
            // From now backwards: a balance is what it is now less what came since.
            let mut closing = signed(row.credits_posted)?.saturating_sub(signed(row.debits_posted)?);
            let mut transfers = Vec::new();
            for stretch in stretches.into_iter().rev() {
                let after = first_at(sql, stretch.clone(), until_ms)?;
                let first = first_at(sql, stretch.start..after, from_ms)?;
                let since = posted(sql, account, after..stretch.end, go_on)?;
                closing = closing.checked_sub(since).ok_or_else(too_large)?;
                newest(sql, account, first..after, count, &mut transfers, go_on)?;
            }
            let mut moved = 0_i128;
            for transfer in &transfers {
                moved = moved.checked_add(effect(transfer, account)?).ok_or_else(too_large)?;
            }
            let opening = closing.checked_sub(moved).ok_or_else(too_large)?;
            transfers.reverse();
            Ok(Some(Statement { account: row, opening, closing, transfers }))
        })
    }
}

/// The parts of the log in which times do not go back: it has one, and one more for each time that two operators put its time back.
fn stretches(sql: &mut dyn Sql) -> Result<Vec<Range<u64>>> {
    let head = sql.first("SELECT size FROM head", &[])?;
    let size = head.ok_or_else(|| damaged("the head of the log is missing"))?.count()?;
    let mut stretches = Vec::new();
    let mut start = 0;
    for mut row in sql.query("SELECT seq FROM event WHERE kind = 'clock.reset' ORDER BY seq", &[])? {
        let reset = row.count()?;
        stretches.push(start..reset);
        start = reset;
    }
    stretches.push(start..size);
    Ok(stretches)
}

/// The first entry of a stretch that is not older than this; the stretch's end when all are. Looks at a few entries, by halves.
fn first_at(sql: &mut dyn Sql, stretch: Range<u64>, at_ms: i64) -> Result<u64> {
    let time = "SELECT created_at FROM transfer WHERE seq = $1 UNION ALL SELECT created_at FROM event WHERE seq = $1";
    let Range { mut start, mut end } = stretch;
    while start < end {
        let middle = start + (end - start) / 2;
        let entry = sql.first(time, &[number(middle)])?;
        if entry.ok_or_else(|| damaged("an entry of the log is missing"))?.int()? < at_ms {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(start)
}

/// What the entries of a part of the log did to an account's posted balance.
fn posted(
    sql: &mut dyn Sql,
    account: AccountId,
    entries: Range<u64>,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<i128> {
    let mut sum = 0_i128;
    let mut from = entries.start;
    while from < entries.end {
        go_on()?;
        let until = from.saturating_add(ADDED).min(entries.end);
        for select in sql.posted_of_account() {
            let row = sql.first(select, &[account.into(), number(from), number(until)])?;
            let mut row = row.ok_or_else(|| damaged("nothing can be added up"))?;
            let (debits, credits) = (signed(row.amount()?)?, signed(row.amount()?)?);
            sum = sum.checked_add(credits).and_then(|sum| sum.checked_sub(debits)).ok_or_else(too_large)?;
        }
        from = until;
    }
    Ok(sum)
}

/// Adds an account's transfers of a part of the log, the newest first. Error: `storage.config` when there are more than `count` by then.
fn newest(
    sql: &mut dyn Sql,
    account: AccountId,
    entries: Range<u64>,
    count: usize,
    found: &mut Vec<Transfer>,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let mut before = entries.end;
    while before > entries.start {
        go_on()?;
        let mut page: Vec<Transfer> = Vec::new();
        for select in sql.of_account() {
            let select = select.replace("COLUMNS", rows::TRANSFER);
            for mut row in sql.query(&select, &[account.into(), number(before), limit(PAGE)])? {
                page.push(rows::transfer(&mut row)?);
            }
        }
        page.sort_unstable_by_key(|transfer| core::cmp::Reverse(transfer.seq));
        page.truncate(PAGE);
        before = match page.last() {
            Some(last) if page.len() == PAGE => last.seq,
            _ => 0,
        };
        found.extend(page.into_iter().take_while(|transfer| transfer.seq >= entries.start));
        if found.len() > count {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the period has more than {count} transfers; ask for a shorter one"),
            ));
        }
    }
    Ok(())
}

/// What a transfer does to an account's posted balance.
fn effect(transfer: &Transfer, account: AccountId) -> Result<i128> {
    use imagxp_broker::Phase::{Pending, Post, Single, Void};
    let amount = match transfer.phase {
        Pending | Void => 0,
        Single | Post => signed(transfer.amount)?,
    };
    Ok(if transfer.debit == account { -amount } else { amount })
}

fn signed(amount: Amount) -> Result<i128> {
    i128::try_from(amount.units()).map_err(|_| too_large())
}

fn too_large() -> Error {
    damaged("an amount is too large for a statement")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Address, Ledger, Options, open_writer};
    use crate::support;
    use core::cell::Cell;
    use imagxp_broker::{AccountKey, Actor, Asset, Deposit, Pay, Reference, Request};
    use tempfile::TempDir;

    const NOW: i64 = 1_790_000_000_000;
    const DAY: i64 = 86_400_000;

    fn owner(name: &str) -> Owner {
        Owner::parse(name).unwrap()
    }

    fn deposit(number: u128, at_ms: i64) -> Request {
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: owner("a"),
            // More than 64 bits: so is the sum.
            amount: Amount::from_units(u128::from(u64::MAX) * 3 + number),
            reference: Reference::parse(&format!("d{number}")).unwrap(),
            memo: None,
        };
        Request::new(deposit, Actor::Operator(owner("o")), at_ms)
    }

    /// Of an account at which much has happened since, an old period costs a few questions and its own transfers.
    #[test]
    fn what_came_since_a_period_is_not_read() {
        let folder = TempDir::new().unwrap();
        let mut addresses = vec![Address::Sqlite(folder.path().join("ledger.db"))];
        let server = support::Postgres::shared();
        addresses.extend(server.iter().map(|server| Address::parse(&server.database()).unwrap()));
        for address in addresses {
            let ledger = Ledger::open(&address, Options::default(), NOW).unwrap();
            let units = |number: u128| (u128::from(u64::MAX) * 3 + number).cast_signed();
            let mut since = 0;
            for hundred in 0..60 {
                // As many as the queue takes.
                let tickets: Vec<_> = (hundred * 100..hundred * 100 + 100)
                    .map(|number| {
                        let day = if number < 10 { 0 } else { 1 };
                        since += if number < 10 { 0 } else { units(number) };
                        ledger.submit(deposit(number, NOW + day * DAY)).unwrap()
                    })
                    .collect();
                tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
            }
            let pay = Pay {
                id: None,
                asset: Asset::USD,
                from: owner("a"),
                to: owner("b"),
                amount: Amount::from_units(77),
                reference: None,
                memo: None,
            };
            ledger.submit_and_wait(Request::new(pay, Actor::Party(owner("a")), NOW + 2 * DAY)).unwrap();
            ledger.close();
            let account = AccountKey::available(Asset::USD, owner("a")).id();
            let mut writer = open_writer(&address, &Options::default(), NOW).unwrap();
            let mut reader = SqlReader(writer.sql().unwrap());
            let asked = Cell::new(0);
            let count = || {
                asked.set(asked.get() + 1);
                Ok(())
            };
            let old = reader.period(None, account, 0, NOW + DAY, 100, &count).unwrap().unwrap();
            assert_eq!(old.transfers.len(), 10, "{address:?}");
            assert_eq!((old.opening, old.closing), (0, (0..10).map(units).sum()));
            // One page, and one part of what came since.
            assert_eq!(asked.take(), 2, "{address:?}");
            let new = reader.period(None, account, NOW + 2 * DAY, i64::MAX, 100, &count).unwrap().unwrap();
            assert_eq!((new.opening, new.closing), (old.closing + since, old.closing + since - 77));
            assert_eq!(asked.take(), 1, "{address:?}");
            let all = reader.period(None, account, 0, NOW + 2 * DAY, 10_000, &count).unwrap().unwrap();
            assert_eq!((all.opening, all.closing, all.transfers.len()), (0, new.opening, 6_000));
        }
    }
}
