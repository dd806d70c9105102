#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod atomic;
mod fault;
pub mod spend;
