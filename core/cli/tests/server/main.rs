//! The broker's service as a process of its own, asked over sockets.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, clippy::expect_used, reason = "tests")]

mod hostile;
mod party;
mod service;
mod shell;
mod sign_in;
mod verify;
