//! Audits, the leases of jobs, and forgetting what no longer counts. All of it blocks.

use super::Ledger;
use crate::reader::SqlReader;
use crate::sql::writing;
use crate::value::limit;
use imagxp_broker::Reader as _;
use imagxp_broker::audit::{self, Report};
use imagxp_database::{Error, ErrorKind, Result};

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

    /// Deletes up to `most` idempotency records that have expired, and as many names: neither waits for the other to be gone. Returns how many
    /// in all; less than `most` when there are no more.
    /// Nothing is deleted by a clock that is far from the log's last entry.
    pub fn sweep(&self, now_ms: i64, most: usize) -> Result<usize> {
        self.write(move |sql| {
            writing(sql, |sql| {
                if SqlReader(sql).head()?.check_clock(now_ms).is_err() {
                    return Ok(0);
                }
                // The condition stands outside as well: what was used again meanwhile is another row by then, and PostgreSQL asks only that again.
                let mut gone = sql.execute(
                    "DELETE FROM idempotency WHERE expires_at <= $1 AND (actor, key) IN \
                     (SELECT actor, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
                    &[now_ms.into(), limit(most)],
                )?;
                gone += sql.execute(
                    "DELETE FROM once WHERE expires_at <= $1 AND (scope, name) IN \
                     (SELECT scope, name FROM once WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
                    &[now_ms.into(), limit(most)],
                )?;
                usize::try_from(gone).map_err(|_| Error::new(ErrorKind::Failed, "too many rows"))
            })
        })
    }
}
