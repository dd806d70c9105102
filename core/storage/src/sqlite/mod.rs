//! The ledger in a SQLite file: WAL, `synchronous=FULL`, one writer thread, readers on connections of their own (BROKER §1).

mod connection;
mod fingerprint;
mod functions;
mod migrations;
mod newest;
mod store;
mod value;

pub use connection::Durability;
pub(crate) use connection::Sqlite;
