//! The broker's signing keys (BROKER §3: published 24 h before first use, kept until the last visa they signed has expired). The private
//! halves are sealed under a passphrase that is not in the database.

use crate::sql::Sql;
use crate::value::Row;
use imagxp_database::Result;

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name in the JWKS.
    pub kid: String,
    /// `ES256`.
    pub algorithm: String,
    /// The public half, a JWK.
    pub public_jwk: String,
    /// Where the private half is: `sealed`, or for example the name of a key in a KMS; never the key itself.
    pub location: String,
    /// Since when it is in the JWKS, in milliseconds since 1970.
    pub published_at: i64,
    /// From when on it signs.
    pub active_at: i64,
    /// Since when it signs no more.
    pub retired_at: Option<i64>,
    /// When the last token that it signed expires; until then it stays in the JWKS.
    pub last_expiry: Option<i64>,
    /// The private half, encrypted; gone with a key that was dropped.
    pub sealed: Option<String>,
    /// Since when nothing that it signed counts.
    pub dropped_at: Option<i64>,
    /// Why.
    pub dropped_for: Option<String>,
}

const COLUMNS: &str = "kid, algorithm, public_jwk, location, published_at, active_at, retired_at, last_expiry, sealed, \
     dropped_at, dropped_for";

/// Adds a key, or changes when it counts.
pub(crate) fn put(sql: &mut dyn Sql, key: &SigningKey) -> Result<()> {
    sql.execute(
        &format!(
            "INSERT INTO signing_key ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (kid) DO UPDATE SET active_at = excluded.active_at, retired_at = excluded.retired_at, \
             last_expiry = excluded.last_expiry, sealed = excluded.sealed, dropped_at = excluded.dropped_at, \
             dropped_for = excluded.dropped_for"
        ),
        &[
            key.kid.as_str().into(),
            key.algorithm.as_str().into(),
            key.public_jwk.as_str().into(),
            key.location.as_str().into(),
            key.published_at.into(),
            key.active_at.into(),
            key.retired_at.into(),
            key.last_expiry.into(),
            key.sealed.as_deref().into(),
            key.dropped_at.into(),
            key.dropped_for.as_deref().into(),
        ],
    )?;
    Ok(())
}

pub(crate) fn forget(sql: &mut dyn Sql, kid: &str) -> Result<()> {
    sql.execute("DELETE FROM signing_key WHERE kid = $1", &[kid.into()]).map(drop)
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
        sealed: row.optional_text()?,
        dropped_at: row.optional_int()?,
        dropped_for: row.optional_text()?,
    })
}
