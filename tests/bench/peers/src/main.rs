//! The worker of `run.py` for peers written in Rust: raw signatures of ECDSA P-256 over a claim of 290 bytes, and two whole verifiers.

// One conversation for both workers; the peers are not all asked by name.
mod message;
mod raw;
mod token;
#[path = "../../src/worker.rs"]
#[allow(dead_code)]
mod worker;

fn main() {
    let mut rows = worker::Rows::default();
    raw::add(&mut rows);
    token::add(&mut rows);
    message::add(&mut rows);
    rows.serve();
}
