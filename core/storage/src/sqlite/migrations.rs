//! The steps of the tables in SQLite.

use crate::migration::Migration;
use crate::subtrees;

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("0001.sql"), fill: None },
    Migration { version: 2, sql: include_str!("0002.sql"), fill: None },
    Migration { version: 3, sql: include_str!("0003.sql"), fill: None },
    Migration { version: 4, sql: include_str!("0004.sql"), fill: Some(subtrees::fill) },
    Migration { version: 5, sql: include_str!("0005.sql"), fill: None },
    Migration { version: 6, sql: include_str!("0006.sql"), fill: None },
    Migration { version: 7, sql: include_str!("0007.sql"), fill: None },
];
