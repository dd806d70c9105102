//! The Rust conformance runner (DESIGN §6): one JSON line in, one JSON line out, through the crate's public API.

mod address;
mod agent;
mod answer;
mod audit;
mod discovery;
mod evidence;
mod key_file;
mod operations;

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
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
