//! What the integration tests share. Each test file compiles its own copy, so not all of it is used everywhere.
#![allow(dead_code, reason = "each integration test uses a part of this")]

pub(crate) mod memory;
pub(crate) mod skip;
pub(crate) mod world;

use std::path::{Path, PathBuf};

/// Finds a file or folder of the shared third-party test vectors, which are not part of this repository.
///
/// Looks in `$IMAGXP_VECTORS`, else in `../../../shared/vectors` beside the repository. Where it is missing, a run on
/// CI fails; anywhere else the caller returns at once, after this has said SKIPPED (`skip.rs`: a skipped test must
/// not look passed).
///
/// # Panics
///
/// When the vectors are missing and the environment variable `CI` is `true`.
pub(crate) fn vectors(name: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("IMAGXP_VECTORS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
    };
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    skip::missing(&format!("test vectors `{}` not found; set IMAGXP_VECTORS", path.display()));
    None
}
