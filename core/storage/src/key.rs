//! The broker's signing keys, as far as everybody may know them (BROKER §3: published 24 h before first use, kept until the last visa they
//! signed has expired). The private halves are elsewhere.

use crate::error::Result;
use crate::sql::Sql;
use crate::value::Row;

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name in the JWKS.
    pub kid: String,
    /// `ES256`.
    pub algorithm: String,
    /// The public half, a JWK.
    pub public_jwk: String,
    /// Where the private half is, for example a file name or the name of a key in a KMS: never the key itself.
    pub location: String,
    /// Since when it is in the JWKS, in milliseconds since 1970.
    pub published_at: i64,
    /// From when on it signs.
    pub active_at: i64,
    /// Since when it signs no more.
    pub retired_at: Option<i64>,
    /// When the last token that it signed expires; until then it stays in the JWKS.
    pub last_expiry: Option<i64>,
}

const COLUMNS: &str =
    "kid, algorithm, public_jwk, location, published_at, active_at, retired_at, last_expiry";

pub(crate) fn put(sql: &mut dyn Sql, key: &SigningKey) -> Result<bool> {
    let changed = sql.execute(
        &format!("INSERT INTO signing_key ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kid) DO NOTHING"),
        &[
            key.kid.as_str().into(),
            key.algorithm.as_str().into(),
            key.public_jwk.as_str().into(),
            key.location.as_str().into(),
            key.published_at.into(),
            key.active_at.into(),
            key.retired_at.into(),
            key.last_expiry.into(),
        ],
    )?;
    Ok(changed == 1)
}

pub(crate) fn retire(sql: &mut dyn Sql, kid: &str, now_ms: i64, last_expiry: i64) -> Result<bool> {
    let changed = sql.execute(
        "UPDATE signing_key SET retired_at = $1, last_expiry = $2 WHERE kid = $3 AND retired_at IS NULL",
        &[now_ms.into(), last_expiry.into(), kid.into()],
    )?;
    Ok(changed == 1)
}

pub(crate) fn forget(sql: &mut dyn Sql, now_ms: i64) -> Result<u64> {
    sql.execute("DELETE FROM signing_key WHERE retired_at IS NOT NULL AND last_expiry < $1", &[now_ms.into()])
}

pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<SigningKey>> {
    let rows = sql.query(&format!("SELECT {COLUMNS} FROM signing_key ORDER BY active_at, kid"), &[]);
    rows?.iter_mut().map(read).collect()
}

fn read(row: &mut Row) -> Result<SigningKey> {
    Ok(SigningKey {
        kid: row.text()?,
        algorithm: row.text()?,
        public_jwk: row.text()?,
        location: row.text()?,
        published_at: row.int()?,
        active_at: row.int()?,
        retired_at: row.optional_int()?,
        last_expiry: row.optional_int()?,
    })
}
