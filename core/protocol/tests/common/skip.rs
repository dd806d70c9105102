//! A test that cannot run says so where somebody reads it. The tests of other crates use it, too.
#![allow(dead_code, reason = "not each test binary skips")]

use std::io::Write as _;

/// Says that a test did not run, and why: as a line of the file that `IMAGXP_SKIPPED` names, which `scripts/test.sh` and `scripts/soak.sh` take from
/// the tests that have passed, else on the screen. Test runners keep back what a test prints that has passed, and to them this one has.
pub(crate) fn skipped(reason: &str) {
    let named = std::env::var_os("IMAGXP_SKIPPED").filter(|path| !path.is_empty());
    let Some(path) = named else {
        println!("SKIPPED: {reason}");
        return;
    };
    let line = format!("{}: {}\n", test(), reason.replace('\n', " "));
    // In one write: other tests append to it meanwhile.
    let written = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(written.is_ok(), "{}: {written:?}", path.display());
}

/// The test that asks: each counts once, however often it says so. It has a thread of its name, or a process of its own.
fn test() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    let program = program.rsplit_once('-').map_or(&*program, |(name, _hash)| name);
    let thread = std::thread::current();
    match thread.name().filter(|name| *name != "main") {
        Some(name) => format!("{program}::{name}"),
        None => format!("{program}, process {}", std::process::id()),
    }
}

/// On CI (`CI=true`) a failure, as there everything must be there; elsewhere the test is skipped.
///
/// # Panics
///
/// On CI.
pub(crate) fn missing(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    skipped(reason);
}
