//! The seeds of the fuzz target `audit_log` are logs: lines follow each other in them, and still do when a body was changed.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, reason = "tests may panic")]

#[path = "../../../fuzz/src/log.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets reach it")]
mod log;

use std::path::Path;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/audit_log");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_second_line_of_a_log_is_followed() {
    let followed: Vec<u64> = seeds().iter().map(|seed| log::read(seed)).collect();
    assert!(followed.iter().filter(|&&lines| lines > 1).count() >= 3, "{followed:?}");
}

/// A fuzzer changes a byte, and does not compute the hash of what it has made.
#[test]
fn a_changed_line_is_followed_by_what_is_chained_when_it_is_read() {
    let changed: Vec<(bool, u64)> = seeds()
        .into_iter()
        .filter(|seed| log::read(seed) > 2)
        .map(|mut seed| {
            let at = seed.windows(2).position(|two| two == b"\"a").expect("a body with an `a`");
            seed[at + 1] = b'b';
            (seed.starts_with(b"+"), log::read(&seed))
        })
        .collect();
    assert!(changed.iter().any(|&(chained, followed)| chained && followed > 2), "{changed:?}");
    // As every line was before there were such.
    assert!(changed.iter().any(|&(chained, followed)| !chained && followed < 3), "{changed:?}");
}
