#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod admin;
mod app;
mod auth;
mod body;
mod clock;
pub mod config;
mod dashboard;
mod discovery;
mod error;
mod events;
mod forward;
mod gate;
pub mod keys;
mod listen;
mod network;
pub mod operators;
mod openapi;
mod problem;
mod random;
mod request_id;
mod routes;
mod run;
mod session;
mod stall;
mod telemetry;
mod tokens;
mod verdicts;

pub use error::SetupError;
pub use run::{Addresses, run};
