//! What is kept beside the money: operators, tokens, signing keys, leases; and forgetting what no longer counts. All of it blocks.

use super::{Ledger, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::key::{self, SigningKey};
use crate::operator::{self, Operator, Token};
use crate::reader::SqlReader;
use crate::sql::writing;
use crate::value::limit;
use imagxp_broker::Reader as _;
use imagxp_broker::audit::{self, Report};

impl Ledger {
    /// Checks everything: every balance against its transfers, every visa against its money and its terms, every entry against the log
    /// (BROKER §1): for the start of a server. Reads one state, beside the work, and streams: in memory are the accounts, what is pending and a
    /// page of entries. What is wrong is in the report; error: the database's, and `storage.damaged` for rows that cannot be read.
    pub fn audit_full(&self) -> Result<Report> {
        self.read()?.consistent(audit::run)
    }

    /// Checks the accounts only: quick whatever the number of transfers.
    pub fn audit_balances(&self) -> Result<Report> {
        self.read()?.consistent(audit::balances)
    }

    /// Adds an operator. `false` when the name is taken.
    pub fn add_operator(&self, operator: Operator) -> Result<bool> {
        self.write(move |sql| operator::put(sql, &operator))
    }

    /// Ends an operator: none of their tokens counts any more. `false` when there is no such operator, or they were ended before.
    pub fn disable_operator(&self, name: &str, now_ms: i64) -> Result<bool> {
        let name = name.to_owned();
        self.write(move |sql| operator::disable(sql, &name, now_ms))
    }

    /// Adds a token of an operator who exists. `false` when it is there.
    pub fn add_token(&self, token: Token) -> Result<bool> {
        self.write(move |sql| operator::put_token(sql, &token))
    }

    /// Ends a token. `false` when there is no such token, or it was ended before.
    pub fn revoke_token(&self, hash: [u8; 32], now_ms: i64) -> Result<bool> {
        self.write(move |sql| operator::revoke_token(sql, &hash, now_ms))
    }

    /// Adds a signing key. `false` when the `kid` is taken.
    pub fn add_key(&self, key: SigningKey) -> Result<bool> {
        self.write(move |sql| key::put(sql, &key))
    }

    /// A key signs no more; it stays published until `last_expiry` has passed. `false` when it was retired before.
    pub fn retire_key(&self, kid: &str, now_ms: i64, last_expiry: i64) -> Result<bool> {
        let kid = kid.to_owned();
        self.write(move |sql| key::retire(sql, &kid, now_ms, last_expiry))
    }

    /// Deletes retired keys whose last token has expired. Returns how many.
    pub fn forget_keys(&self, now_ms: i64) -> Result<u64> {
        self.write(move |sql| key::forget(sql, now_ms))
    }

    /// Takes or prolongs the lease of a job: `true` when `holder` has it for the next `ttl_ms`. One holder at a time, over all processes; with
    /// PostgreSQL its clock counts. What is done under a lease must be harmless when done twice: a process may sleep longer than its lease.
    pub fn lease(&self, job: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> Result<bool> {
        let (job, holder) = (job.to_owned(), holder.to_owned());
        self.write(move |sql| {
            let now = sql.clock(now_ms)?;
            let changed = sql.execute(
                "INSERT INTO lease AS old (job, holder, expires_at) VALUES ($1, $2, $3) ON CONFLICT (job) DO UPDATE \
                 SET holder = excluded.holder, expires_at = excluded.expires_at \
                 WHERE old.holder = excluded.holder OR old.expires_at <= $4",
                &[job.into(), holder.into(), now.saturating_add(ttl_ms).into(), now.into()],
            )?;
            Ok(changed == 1)
        })
    }

    /// Gives a lease back.
    pub fn release(&self, job: &str, holder: &str) -> Result<()> {
        let (job, holder) = (job.to_owned(), holder.to_owned());
        self.write(move |sql| {
            sql.execute("DELETE FROM lease WHERE job = $1 AND holder = $2", &[job.into(), holder.into()])
                .map(drop)
        })
    }

    /// Deletes up to `most` idempotency records and names that have expired. Returns how many; less than `most` when there are no more.
    /// Nothing is deleted by a clock that is far from the log's last entry.
    pub fn sweep(&self, now_ms: i64, most: usize) -> Result<usize> {
        self.write(move |sql| {
            writing(sql, |sql| {
                if SqlReader(sql).head()?.check_clock(now_ms).is_err() {
                    return Ok(0);
                }
                let mut gone = sql.execute(
                    "DELETE FROM idempotency WHERE (actor, key) IN \
                     (SELECT actor, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
                    &[now_ms.into(), limit(most)],
                )?;
                let left = most.saturating_sub(usize::try_from(gone).unwrap_or(most));
                gone += sql.execute(
                    "DELETE FROM once WHERE (scope, name) IN \
                     (SELECT scope, name FROM once WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
                    &[now_ms.into(), limit(left)],
                )?;
                usize::try_from(gone).map_err(|_| Error::new(ErrorKind::Failed, "too many rows"))
            })
        })
    }
}

impl Reading {
    /// Who acts with the token of this hash ([`operator::token_hash`]), when it counts now.
    pub fn operator_by_token(&mut self, hash: &[u8; 32], now_ms: i64) -> Result<Option<Operator>> {
        operator::by_token(self.sql()?, hash, now_ms)
    }

    /// Every operator, by name.
    pub fn operators(&mut self) -> Result<Vec<Operator>> {
        operator::all(self.sql()?)
    }

    /// The tokens of one operator or of all, the oldest first.
    pub fn tokens(&mut self, operator: Option<&str>) -> Result<Vec<Token>> {
        operator::tokens(self.sql()?, operator)
    }

    /// Every signing key that is kept, in the order in which they sign.
    pub fn keys(&mut self) -> Result<Vec<SigningKey>> {
        key::all(self.sql()?)
    }
}
