//! Operators, and the tokens they act with (BROKER §3). Of a token only its SHA-256 is kept: a copy of the database opens nothing.

use crate::sql::Sql;
use crate::value::Row;
use imagxp_database::Result;
use sha2::{Digest, Sha256};

/// One of the broker's people, or the webhook of a payment provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name: what [`imagxp_broker::Actor::Operator`] carries.
    pub name: String,
    /// What they may do, in the server's words.
    pub role: String,
    /// When they were added, in milliseconds since 1970.
    pub created_at: i64,
    /// Since when none of their tokens counts.
    pub disabled_at: Option<i64>,
}

/// A token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// Whose.
    pub operator: String,
    /// What it is for, in their words.
    pub label: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// From when on it does not count.
    pub expires_at: Option<i64>,
    /// Since when it does not count.
    pub revoked_at: Option<i64>,
}

/// The hash under which a token is kept. Tokens are long and random, so that one round of SHA-256 suffices.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

pub(crate) fn put(sql: &mut dyn Sql, operator: &Operator) -> Result<bool> {
    let changed = sql.execute(
        "INSERT INTO operator (name, role, created_at, disabled_at) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE \
         SET role = excluded.role, created_at = excluded.created_at, disabled_at = excluded.disabled_at \
         WHERE operator.disabled_at IS NOT NULL",
        &[
            operator.name.as_str().into(),
            operator.role.as_str().into(),
            operator.created_at.into(),
            operator.disabled_at.into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Ends an operator and, should the name be given again, their tokens.
pub(crate) fn disable(sql: &mut dyn Sql, name: &str, now_ms: i64) -> Result<bool> {
    let changed = sql.execute(
        "UPDATE operator SET disabled_at = $1 WHERE name = $2 AND disabled_at IS NULL",
        &[now_ms.into(), name.into()],
    )?;
    sql.execute(
        "UPDATE token SET revoked_at = $1 WHERE operator = $2 AND revoked_at IS NULL",
        &[now_ms.into(), name.into()],
    )?;
    Ok(changed == 1)
}

pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Operator>> {
    sql.query("SELECT name, role, created_at, disabled_at FROM operator ORDER BY name", &[])?
        .iter_mut()
        .map(read_operator)
        .collect()
}

pub(crate) fn put_token(sql: &mut dyn Sql, token: &Token) -> Result<bool> {
    let changed = sql.execute(
        "INSERT INTO token (hash, operator, label, created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (hash) DO NOTHING",
        &[
            token.hash.as_slice().into(),
            token.operator.as_str().into(),
            token.label.as_str().into(),
            token.created_at.into(),
            token.expires_at.into(),
            token.revoked_at.into(),
        ],
    )?;
    Ok(changed == 1)
}

pub(crate) fn tokens(sql: &mut dyn Sql, operator: Option<&str>) -> Result<Vec<Token>> {
    let columns = "SELECT hash, operator, label, created_at, expires_at, revoked_at FROM token";
    let rows = match operator {
        Some(name) => {
            sql.query(&format!("{columns} WHERE operator = $1 ORDER BY created_at"), &[name.into()])
        }
        None => sql.query(&format!("{columns} ORDER BY operator, created_at"), &[]),
    };
    rows?.iter_mut().map(read_token).collect()
}

fn read_operator(row: &mut Row) -> Result<Operator> {
    Ok(Operator {
        name: row.text()?,
        role: row.text()?,
        created_at: row.int()?,
        disabled_at: row.optional_int()?,
    })
}

fn read_token(row: &mut Row) -> Result<Token> {
    Ok(Token {
        hash: row.hash()?,
        operator: row.text()?,
        label: row.text()?,
        created_at: row.int()?,
        expires_at: row.optional_int()?,
        revoked_at: row.optional_int()?,
    })
}
