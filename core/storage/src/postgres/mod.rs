//! The ledger on PostgreSQL: the head row locked first, arrays instead of single rows, constraints and triggers that hold what must hold
//! (BROKER §1).

mod connection;
mod fingerprint;
mod numeric;
mod store;
mod value;

pub(crate) use connection::Postgres;
