//! The real binary, as a shell would run it: every command, every exit code, good and bad input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod audit;
mod canonicalize;
mod codes;
mod discover;
mod explain;
mod fetch;
mod help;
mod hyphen;
mod key;
mod keygen;
mod manifest;
mod mutation;
mod policy;
mod rotate;
mod sandbox;
mod sealed;
mod serve;
mod sign;
#[path = "../../../protocol/tests/common/skip.rs"]
mod skip;
mod streams;
#[path = "../../../fetch/tests/agent/town.rs"]
#[allow(dead_code, reason = "the little world of the agent's own tests; not all of it is needed here")]
mod town;
mod vectors;
mod verify;
mod verify_fetch;
mod visa;
