//! Weaves mutants into a copy of the sources: `imagxp-mutants < PLAN.json`; scripts/mutants.py writes the plan and reads the answer.
//!
//! cargo-mutants builds the crate once for each of its mutants. Here each of them stands beside the original, behind the question
//! `crate::woven::on(NUMBER)`, which an environment variable answers when a test runs: one build, and thousands of mutants.

#![forbid(unsafe_code)]

mod edit;
mod plan;
mod weave;

use crate::plan::{Answer, Plan};
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// A mutant that always overflows is a program, and one that every test catches.
const ALLOWED: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]";
/// What each crate asks: which mutant is tried, and, while it is found out which test reaches which of them, that this one was reached.
const SWITCH: &str = include_str!("switch.rs");

fn run() -> io::Result<()> {
    let plan: Plan = serde_json::from_reader(io::stdin().lock())?;
    let mut answer = Answer::default();
    for (file, mutants) in &plan.files {
        let source = std::fs::read_to_string(Path::new(&plan.from).join(file))?;
        let woven = weave::weave(&source, mutants, &plan.constant)
            .map_err(|error| io::Error::other(format!("{file}: {error}")))?;
        answer.add(file, &woven);
        write(&Path::new(&plan.to).join(file), &woven.text)?;
    }
    for library in &plan.libraries {
        let source = std::fs::read_to_string(Path::new(&plan.from).join(library))?;
        let switch = SWITCH.replace("NUMBERS", &plan.numbers.to_string());
        write(&Path::new(&plan.to).join(library), &format!("{ALLOWED}{source}\n{switch}"))?;
    }
    serde_json::to_writer(io::stdout().lock(), &answer)?;
    Ok(())
}

/// Unchanged files keep their time, so that they are not compiled again.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    std::fs::write(path, text)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
