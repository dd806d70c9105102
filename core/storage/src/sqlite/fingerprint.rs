//! What the tables, indexes and triggers are, in a word.

use crate::sql::Sql;
use imagxp::encoding::hex_encode;
use imagxp_database::Result;
use sha2::{Digest, Sha256};

/// A hash of their definitions. What ANALYZE keeps is nobody's alteration.
pub(super) fn of(sql: &mut dyn Sql) -> Result<String> {
    let mut hash = Sha256::new();
    for mut row in sql.query(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite$_stat%' ESCAPE '$' ORDER BY type, name",
        &[],
    )? {
        for _ in 0..4 {
            hash.update(row.optional_text()?.unwrap_or_default());
            hash.update([0]);
        }
    }
    Ok(hex_encode(&<[u8; 32]>::from(hash.finalize())))
}
