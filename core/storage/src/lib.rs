#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
pub mod replay;

pub use error::{Error, ErrorKind, Result};
