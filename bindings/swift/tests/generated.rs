//! `Sources/Imagxp/Generated/Imagxp.swift` and `Sources/ImagxpFFI/ImagxpFFI.h` are what uniffi makes of the sources.
//!
//! `UPDATE=1 cargo test -p imagxp-swift` rewrites them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use uniffi_bindgen::bindings::{SwiftBindingsOptions, generate_swift_bindings};

/// What is generated: its name there, and its place here.
const FILES: [(&str, &str); 2] = [
    ("Imagxp.swift", "Sources/Imagxp/Generated/Imagxp.swift"),
    ("ImagxpFFI.h", "Sources/ImagxpFFI/ImagxpFFI.h"),
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library that holds the metadata, built as a user would.
fn library() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--package", "imagxp-swift", "--message-format", "json"])
        .current_dir(package())
        .output()
        .expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let is_library =
        |part: &&str| part.ends_with("/libimagxp_swift.so") || part.ends_with("/libimagxp_swift.dylib");
    PathBuf::from(messages.split('"').rfind(is_library).expect("a shared library"))
}

fn generate(out_dir: &Path) {
    let path = |path: &Path| path.to_str().expect("text").into();
    let options = SwiftBindingsOptions {
        generate_swift_sources: true,
        generate_headers: true,
        source: path(&library()),
        out_dir: path(out_dir),
        config: Some(path(&package().join("uniffi.toml"))),
        ..SwiftBindingsOptions::default()
    };
    generate_swift_bindings(options).expect("the bindings");
}

#[test]
fn is_generated_from_the_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    generate(folder.path());
    for (name, place) in FILES {
        // uniffi's templates leave blanks at the ends of lines, which no editor and no reviewer wants.
        let text = fs::read_to_string(folder.path().join(name)).expect(name);
        let generated: String = text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        let place = package().join(place);
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
            fs::write(&place, &generated).expect("to write");
        }
        let kept = fs::read_to_string(&place).unwrap_or_default();
        assert!(
            kept == generated,
            "{} is out of date: run UPDATE=1 cargo test -p imagxp-swift",
            place.display()
        );
    }
}
