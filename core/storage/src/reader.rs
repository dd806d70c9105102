//! What is read beside the ledger's own work: written once, for both databases (BROKER §3).

use crate::rows;
use crate::sql::{Sql, reading};
use crate::value::{Value, damaged, limit, number};
use imagxp_broker::{
    Account, AccountId, Amount, Asset, DueVisa, Entry, Event, Head, Id, Leaf, LogCounts, Once, OnceKey,
    Owner, Transfer, Visa, VisaFilter, VisaState,
};
use imagxp_database::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// A connection that reads. Every method that has an owner among its arguments shows that owner's rows only.
pub(crate) struct SqlReader<'a>(pub(crate) &'a mut dyn Sql);

/// How many visas there are in a state, and what they are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisaCount {
    /// The state.
    pub state: VisaState,
    /// The asset.
    pub asset: Asset,
    /// How many.
    pub count: u64,
    /// The sum of their amounts.
    pub amount: Amount,
}

impl imagxp_broker::Reader for SqlReader<'_> {
    type Error = Error;

    fn head(&mut self) -> Result<Head> {
        let row = self.0.first("SELECT size, nodes, last, last_at FROM head", &[])?;
        rows::head(&mut row.ok_or_else(|| damaged("the head of the log is missing"))?)
    }

    fn accounts(
        &mut self,
        owner: Option<&Owner>,
        after: Option<AccountId>,
        count: usize,
    ) -> Result<Vec<Account>> {
        let after = after.map_or(Value::Bytes(Vec::new()), Value::from);
        let rows = match owner {
            Some(owner) => self.0.query(
                &format!(
                    "SELECT {} FROM account WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3",
                    rows::ACCOUNT
                ),
                &[owner.as_str().into(), after, limit(count)],
            ),
            None => self.0.query(
                &format!("SELECT {} FROM account WHERE id > $1 ORDER BY id LIMIT $2", rows::ACCOUNT),
                &[after, limit(count)],
            ),
        };
        rows?.iter_mut().map(rows::account).collect()
    }

    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Account>> {
        self.0.accounts_named(ids)?.iter_mut().map(rows::account).collect()
    }

    fn transfer(&mut self, id: Id) -> Result<Option<Transfer>> {
        let row =
            self.0.first(&format!("SELECT {} FROM transfer WHERE id = $1", rows::TRANSFER), &[id.into()])?;
        row.map(|mut row| rows::transfer(&mut row)).transpose()
    }

    fn statement(&mut self, owner: &Owner, before: Option<u64>, count: usize) -> Result<Vec<Transfer>> {
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        reading(self.0, |sql| {
            let mut found = BTreeMap::new();
            for select in sql.of_owner() {
                let select = select.replace("COLUMNS", rows::TRANSFER);
                for mut row in sql.query(&select, &[owner.as_str().into(), before.into(), limit(count)])? {
                    let transfer = rows::transfer(&mut row)?;
                    found.insert(transfer.seq, transfer);
                }
            }
            Ok(found.into_values().rev().take(count).collect())
        })
    }

    fn visa(&mut self, jti: Id) -> Result<Option<Visa>> {
        let row = self.0.first(&format!("SELECT {} FROM visa WHERE jti = $1", rows::VISA), &[jti.into()])?;
        row.map(|mut row| rows::visa(&mut row)).transpose()
    }

    fn visas(&mut self, filter: &VisaFilter, before: Option<Id>, count: usize) -> Result<Vec<Visa>> {
        // Seventeen bytes sort after every id.
        let before = before.map_or(Value::Bytes(vec![0xff; 17]), Value::from);
        let mut found = BTreeMap::new();
        let sides: &[&str] = if filter.party.is_some() { &["agent", "publisher"] } else { &["-"] };
        for side in sides {
            let mut parameters = vec![before.clone(), limit(count)];
            let mut sql = format!("SELECT {} FROM visa WHERE jti < $1", rows::VISA);
            let mut and = String::new();
            if let Some(party) = &filter.party {
                parameters.push(party.as_str().into());
                and = format!("{and} AND {side} = ${}", parameters.len());
            }
            if let Some(state) = filter.state {
                parameters.push(state.as_str().into());
                and = format!("{and} AND state = ${}", parameters.len());
            }
            // Parameters are named in order: the limit is the second.
            sql = format!("{sql} AND $2 > 0{and} ORDER BY jti DESC LIMIT $2");
            for mut row in self.0.query(&sql, &parameters)? {
                let visa = rows::visa(&mut row)?;
                found.insert(visa.jti, visa);
            }
        }
        Ok(found.into_values().rev().take(count).collect())
    }

    fn events(&mut self, jti: Id, count: usize) -> Result<Vec<Event>> {
        let sql = format!("SELECT {} FROM event WHERE jti = $1 ORDER BY seq LIMIT $2", rows::EVENT);
        self.0.query(&sql, &[jti.into(), limit(count)])?.iter_mut().map(rows::event).collect()
    }

    fn entries(&mut self, from: u64, count: usize) -> Result<Vec<(Entry, Leaf)>> {
        reading(self.0, |sql| {
            let until = number(from.saturating_add(count as u64));
            let parameters = [number(from), until];
            let between = "WHERE seq >= $1 AND seq < $2 ORDER BY seq";
            let leaves = sql.query(&format!("SELECT {} FROM leaf {between}", rows::LEAF), &parameters)?;
            let transfers =
                sql.query(&format!("SELECT {} FROM transfer {between}", rows::TRANSFER), &parameters)?;
            let events = sql.query(&format!("SELECT {} FROM event {between}", rows::EVENT), &parameters)?;
            let mut found = BTreeMap::new();
            for mut row in transfers {
                let transfer = rows::transfer(&mut row)?;
                found.insert(transfer.seq, Entry::Transfer(transfer));
            }
            for mut row in events {
                let event = rows::event(&mut row)?;
                if found.insert(event.seq, Entry::Event(event)).is_some() {
                    return Err(damaged("two entries of the log have one number"));
                }
            }
            let mut entries = Vec::with_capacity(leaves.len());
            for mut row in leaves {
                let leaf = rows::leaf(&mut row)?;
                let entry =
                    found.remove(&leaf.seq).ok_or_else(|| damaged("an entry of the log is missing"))?;
                entries.push((entry, leaf));
            }
            if !found.is_empty() {
                return Err(damaged("the log has an entry without a leaf"));
            }
            Ok(entries)
        })
    }

    fn leaves(&mut self, from: u64, count: usize) -> Result<Vec<Leaf>> {
        let sql = format!("SELECT {} FROM leaf WHERE seq >= $1 ORDER BY seq LIMIT $2", rows::LEAF);
        self.0.query(&sql, &[number(from), limit(count)])?.iter_mut().map(rows::leaf).collect()
    }

    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Leaf>> {
        self.0.leaves_named(numbers)?.iter_mut().map(rows::leaf).collect()
    }

    fn due(&mut self, now_ms: i64, after: Option<DueVisa>, count: usize) -> Result<Vec<DueVisa>> {
        let sql = "SELECT due_at, jti FROM visa WHERE due_at <= $1 AND due_at >= $2 AND (due_at > $2 OR jti > $3) \
                   ORDER BY due_at, jti LIMIT $4";
        let (at, jti) =
            after.map_or((i64::MIN, Value::Bytes(Vec::new())), |due| (due.due_at, due.jti.into()));
        let rows = self.0.query(sql, &[now_ms.into(), at.into(), jti, limit(count)])?;
        rows.into_iter().map(|mut row| Ok(DueVisa { due_at: row.int()?, jti: row.id()? })).collect()
    }

    fn log_counts(&mut self) -> Result<LogCounts> {
        let row = self.0.first(
            "SELECT (SELECT count(*) FROM transfer), (SELECT count(*) FROM event), (SELECT count(*) FROM leaf), \
             (SELECT count(*) FROM visa)",
            &[],
        )?;
        let mut row = row.ok_or_else(|| damaged("nothing can be counted"))?;
        Ok(LogCounts {
            transfers: row.count()?,
            events: row.count()?,
            leaves: row.count()?,
            visas: row.count()?,
        })
    }

    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Visa>> {
        self.0.visas_named(names)?.iter_mut().map(rows::visa).collect()
    }

    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Once>> {
        self.0.once_named(names)?.iter_mut().map(rows::once).collect()
    }

    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<(Id, u64)>> {
        let rows = self.0.transfers_named(ids)?;
        rows.into_iter().map(|mut row| Ok((row.id()?, row.count()?))).collect()
    }
}

impl SqlReader<'_> {
    /// Visas by state and asset, with what they are worth: the money by state.
    pub(crate) fn counts(&mut self) -> Result<Vec<VisaCount>> {
        let mut counts: Vec<VisaCount> = Vec::new();
        // SQLite cannot add amounts: grouped by amount, there are few of them.
        let sql = "SELECT state, asset, amount, count(*) FROM visa GROUP BY state, asset, amount ORDER BY state, asset";
        for mut row in self.0.query(sql, &[])? {
            let state = row.parsed("a visa is in no state", VisaState::from_name)?;
            let (asset, amount, count) = (rows::asset(&mut row)?, row.amount()?, row.count()?);
            let sum = Amount::from_units(amount.units().saturating_mul(count.into()));
            match counts.last_mut() {
                Some(last) if last.state == state && last.asset == asset => {
                    last.count += count;
                    last.amount = Amount::from_units(last.amount.units().saturating_add(sum.units()));
                }
                _ => counts.push(VisaCount { state, asset, count, amount: sum }),
            }
        }
        Ok(counts)
    }

    /// The events from this number on, of one owner's visas or of all: what a watcher has missed.
    pub(crate) fn events_from(
        &mut self,
        party: Option<&Owner>,
        from: u64,
        count: usize,
    ) -> Result<Vec<Event>> {
        let columns = rows::EVENT.split(", ").map(|name| format!("e.{name}")).collect::<Vec<_>>().join(", ");
        let rows = match party {
            None => self.0.query(
                &format!("SELECT {columns} FROM event e WHERE seq >= $1 ORDER BY seq LIMIT $2"),
                &[number(from), limit(count)],
            ),
            Some(party) => self.0.query(
                &format!(
                    "SELECT {columns} FROM event e LEFT JOIN visa v ON v.jti = e.jti LEFT JOIN account a ON a.id = e.account \
                     WHERE e.seq >= $1 AND (v.agent = $2 OR v.publisher = $2 OR a.owner = $2) ORDER BY e.seq LIMIT $3"
                ),
                &[number(from), party.as_str().into(), limit(count)],
            ),
        };
        rows?.iter_mut().map(rows::event).collect()
    }
}
