#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod parameters;
mod postgres;
mod redis;
mod tls;

pub use error::{Error, ErrorKind, Result};
pub use postgres::PostgresAddress;
pub use redis::RedisAddress;
pub use tls::SslMode;
