//! Writes `Imagxp.swift` and `ImagxpFFI.h` from the compiled library: `imagxp-swift-generate LIBRARY CONFIGURATION FOLDER`.
//!
//! `scripts/swift.sh generate` compares them with those in git. A program of its own: the compiler needs longer for `uniffi_bindgen` than for all
//! of ours, and nobody else needs it.

use std::env;
use std::process::ExitCode;
use uniffi_bindgen::bindings::{SwiftBindingsOptions, generate_swift_bindings};

fn main() -> ExitCode {
    let arguments: Result<Vec<String>, _> =
        env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    let Ok([library, configuration, folder]) = arguments.as_deref() else {
        eprintln!("usage: imagxp-swift-generate LIBRARY CONFIGURATION FOLDER");
        return ExitCode::from(2);
    };
    let options = SwiftBindingsOptions {
        generate_swift_sources: true,
        generate_headers: true,
        source: library.into(),
        out_dir: folder.into(),
        config: Some(configuration.into()),
        ..SwiftBindingsOptions::default()
    };
    match generate_swift_bindings(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
