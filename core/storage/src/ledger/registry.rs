//! What all servers of a broker share beside the money: operators and their tokens, signing keys, sessions that were ended, a few values.

use super::{Ledger, Reading};
use crate::key::{self, SigningKey};
use crate::operator::{self, Operator, Token};
use crate::sql::{Sql, writing};
use crate::value::Value;
use core::fmt;
use imagxp_database::Result;

/// The registry in one transaction. While it is changed nobody else, in whatever process, changes it.
pub struct Registry<'a>(&'a mut dyn Sql);

impl Ledger {
    /// Changes the registry in one transaction, alone over all processes; nothing is changed when `work` fails. Blocks, and holds up the
    /// ledger's writes: what takes its time is done before.
    pub fn register<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Registry<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write(move |sql| {
            writing(sql, |sql| {
                sql.execute("UPDATE registry_lock SET id = id", &[])?;
                work(&mut Registry(sql))
            })
        })
    }
}

impl Reading {
    /// Reads the registry. All of it is of one moment inside of [`Reading::consistent`].
    pub fn registry(&mut self) -> Result<Registry<'_>> {
        Ok(Registry(self.sql()?))
    }
}

impl Registry<'_> {
    /// Adds an operator, or one of that name again who was ended. `false` when the name is taken.
    pub fn add_operator(&mut self, operator: &Operator) -> Result<bool> {
        operator::put(self.0, operator)
    }

    /// Ends an operator and all their tokens. `false` when there is no such operator, or they were ended before.
    pub fn disable_operator(&mut self, name: &str, now_ms: i64) -> Result<bool> {
        operator::disable(self.0, name, now_ms)
    }

    /// Adds a token of an operator who exists. `false` when it is there.
    pub fn add_token(&mut self, token: &Token) -> Result<bool> {
        operator::put_token(self.0, token)
    }

    /// Every operator, by name.
    pub fn operators(&mut self) -> Result<Vec<Operator>> {
        operator::all(self.0)
    }

    /// The tokens of one operator or of all, the oldest first.
    pub fn tokens(&mut self, operator: Option<&str>) -> Result<Vec<Token>> {
        operator::tokens(self.0, operator)
    }

    /// Every signing key that is kept, in the order in which they sign.
    pub fn keys(&mut self) -> Result<Vec<SigningKey>> {
        key::all(self.0)
    }

    /// Adds a signing key, or changes when it counts.
    pub fn put_key(&mut self, key: &SigningKey) -> Result<()> {
        key::put(self.0, key)
    }

    /// Deletes a signing key.
    pub fn forget_key(&mut self, kid: &str) -> Result<()> {
        key::forget(self.0, kid)
    }

    /// Ends a session (its SHA-256) that would have lived until `expires_at`, and forgets those that have ended by themselves.
    pub fn end_session(&mut self, session: &[u8; 32], expires_at: i64, now_ms: i64) -> Result<()> {
        self.0.execute("DELETE FROM session_end WHERE expires_at < $1", &[now_ms.into()])?;
        self.0.execute(
            "INSERT INTO session_end (session, expires_at) VALUES ($1, $2) ON CONFLICT (session) DO NOTHING",
            &[session.as_slice().into(), expires_at.into()],
        )?;
        Ok(())
    }

    /// The sessions that were ended, and until when each would have lived.
    pub fn ended_sessions(&mut self) -> Result<Vec<([u8; 32], i64)>> {
        let rows = self.0.query("SELECT session, expires_at FROM session_end ORDER BY session", &[]);
        rows?.iter_mut().map(|row| Ok((row.hash()?, row.int()?))).collect()
    }

    /// A value that all share.
    pub fn shared(&mut self, name: &str) -> Result<Option<String>> {
        let row = self.0.first("SELECT value FROM shared WHERE name = $1", &[name.into()])?;
        row.map(|mut row| row.text()).transpose()
    }

    /// Sets a value that all share.
    pub fn share(&mut self, name: &str, value: &str) -> Result<()> {
        let parameters: [Value; 2] = [name.into(), value.into()];
        self.0.execute(
            "INSERT INTO shared (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &parameters,
        )?;
        Ok(())
    }
}

impl fmt::Debug for Registry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}
