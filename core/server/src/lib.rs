#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(unused_qualifications, reason = "utoipa writes whole paths into the code that it makes")]

mod accept;
mod admin;
mod app;
mod assets;
mod auth;
mod background;
mod bank;
mod body;
mod checks;
mod clock;
pub mod config;
mod dashboard;
mod discovery;
mod error;
mod events;
mod folder;
mod forward;
mod gate;
mod intake;
pub mod kept;
mod keys;
pub mod ledger;
mod listen;
mod log;
mod money;
mod mutation;
mod network;
mod nonces;
mod openapi;
pub mod operators;
mod page;
mod problem;
mod random;
mod registry;
mod request_id;
pub mod restored;
mod revoked;
mod roster;
mod routes;
mod run;
mod session;
mod stall;
mod telemetry;
mod time;
mod tokens;
mod verdicts;
mod view;
mod visas;

pub use error::SetupError;
pub use registry::Registry;
pub use run::{Addresses, check, run};
