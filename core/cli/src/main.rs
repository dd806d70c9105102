//! `imagxp`: keys, manifests, signed requests and verdicts on the command line.
//!
//! The core decides; this program reads files, arguments, the clock and the entropy source, and prints. Nothing else in the
//! workspace's pure part touches those.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod context;
mod error;
mod grade;
mod head;
mod input;
mod key_file;
mod output;
mod passphrase;
mod policy_file;
mod random;
mod request_file;
mod shell;
mod survey;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    args::run().into()
}
