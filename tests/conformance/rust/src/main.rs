//! The Rust conformance runner (DESIGN §6): one JSON line in, one JSON line out, through the crate's public API.

mod address;
mod agent;
mod answer;
mod audit;
mod discovery;
mod evidence;
mod key_file;
mod operations;

use serde_json::json;
use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    // The generator's table goes with the last publisher: one that stays spares every case making it anew.
    let _standing =
        operations::publisher(&json!({ "policy": { "version": 1, "origins": ["https://example.org"] } }));
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        writeln!(output, "{}", operations::answer_line(&line))?;
        output.flush()?;
    }
    Ok(())
}
