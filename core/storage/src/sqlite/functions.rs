//! What SQLite lacks for amounts of 16 bytes, most significant first.

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};

/// `imagxp_covers(c, d, p)`: whether `c >= d + p`. A program without it can read the tables, and write no balances.
/// `imagxp_sum(a)`: the sum; `NULL` adds nothing, and more than 16 bytes hold is an error.
pub(super) fn add(connection: &Connection) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("imagxp_covers", 3, flags, |context| {
        let units = |at: usize| context.get::<[u8; 16]>(at).map(u128::from_be_bytes);
        let taken = units(1)?.checked_add(units(2)?);
        Ok(taken.is_some_and(|taken| units(0).is_ok_and(|brought| brought >= taken)))
    })?;
    connection.create_aggregate_function("imagxp_sum", 1, flags, Sum)
}

struct Sum;

impl Aggregate<u128, [u8; 16]> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<u128> {
        Ok(0)
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut u128) -> Result<()> {
        let added = context.get::<Option<[u8; 16]>>(0)?.map_or(0, u128::from_be_bytes);
        *sum =
            sum.checked_add(added).ok_or_else(|| Error::UserFunctionError("the sum is too large".into()))?;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<u128>) -> Result<[u8; 16]> {
        Ok(sum.unwrap_or(0).to_be_bytes())
    }
}
