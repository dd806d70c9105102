//! The broker's service as a process of its own, asked over sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

#[path = "../../../storage/tests/support/mod.rs"]
mod support;

mod batch;
mod bond;
mod client;
mod command;
mod deal;
mod ending;
mod evidence;
mod hostile;
mod matrix;
mod older;
mod once;
mod operator;
mod party;
mod registry;
mod replay;
mod rewound;
mod scale;
mod service;
mod session;
mod shell;
mod sign_in;
mod start;
mod time;
mod token;
mod trial;
mod triangle;
mod verify;
