#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod atomic;
pub mod audit;
pub mod dotenv;
mod fault;
pub mod key_file;
pub mod rotation;
pub mod spend;
