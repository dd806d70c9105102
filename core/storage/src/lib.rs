#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod backup;
#[cfg(test)]
mod enforced;
pub mod key;
mod ledger;
mod migration;
pub mod operator;
mod period;
mod postgres;
mod reader;
mod rows;
mod sql;
mod sqlite;
mod subtrees;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod sync;
#[cfg(test)]
mod upgrade;
mod value;

pub use imagxp_database::{Error, ErrorKind, PostgresAddress, RedisAddress, Result, SslMode};

pub use ledger::{Address, Clock, Ledger, Options, Reading, Registry, Ticket};
pub use migration::Migrate;
pub use period::Statement;
pub use reader::VisaCount;
pub use sqlite::Durability;
