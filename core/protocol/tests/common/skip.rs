//! A test that cannot run says so where somebody reads it. The tests of other crates use it, too.
#![allow(dead_code, reason = "not each test binary skips")]

use std::io::Write as _;

/// Says that a test did not run, and why: as a line of the file that `IMAGXP_SKIPPED` names, which `scripts/test.sh` counts, else on the screen.
/// Test runners keep back what a test prints that has passed, and to them this one has.
pub(crate) fn skipped(reason: &str) {
    let named = std::env::var_os("IMAGXP_SKIPPED").filter(|path| !path.is_empty());
    let Some(path) = named else {
        println!("SKIPPED: {reason}");
        return;
    };
    let line = format!("{}\n", reason.replace('\n', " "));
    // In one write: other tests append to it meanwhile.
    let written = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(written.is_ok(), "{}: {written:?}", path.display());
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
