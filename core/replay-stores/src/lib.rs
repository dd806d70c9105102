#![doc = include_str!("../README.md")]
//!
//! Both stores keep what [`imagxp::replay::MemoryReplayStore`] keeps: entries in buckets of a minute by expiry, never a live one evicted, a share
//! per agent, and what has been forgotten, so that a clock that steps back reopens nothing. Time is measured by the database's clock from
//! the moment of an insertion on. A process whose clock is behind prolongs nothing that others rely on; one that is more than 30 s ahead has
//! minutes forgotten early, by as much: the others then refuse the oldest requests of their window, as if time had passed, and admit none twice.
//!
//! Each store has threads of its own, which hold the connections and send what waits together. An answer comes within the time limit or is
//! [`imagxp::replay::Insert::Error`]: a dead database refuses requests, and never holds them up. After a fork the child has its own threads
//! and connections.
#![forbid(unsafe_code)]

mod front;
mod kept;
mod postgres;
mod redis;
mod shared;

pub use front::{Options, SharedReplayStore};
pub use imagxp_database::{Error, ErrorKind, PostgresAddress, RedisAddress, Result};
