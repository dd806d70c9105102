//! Writes `imagxp.js`, `imagxp.d.ts` and `imagxp.wasm` from the compiled module: `imagxp-wasm-generate MODULE FOLDER`.
//!
//! This is `wasm-bindgen --target web` in the version of the crate that the module was compiled with: both are in one `Cargo.lock`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: imagxp-wasm-generate MODULE FOLDER");
        return ExitCode::from(2);
    };
    match generate(&module, &folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn generate(module: &Path, folder: &Path) -> Result<(), String> {
    let made = Bindgen::new().input_path(module).out_name("imagxp").web(true).and_then(|bindgen| {
        bindgen
            .typescript(true)
            .reset_state_function(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(folder)
    });
    made.map_err(|error| format!("{error:#}"))?;
    guard(&folder.join("imagxp.js"))?;
    // The name under which every loader imports it; the types of its raw exports are nobody's business.
    let io = |error: std::io::Error| error.to_string();
    fs::rename(folder.join("imagxp_bg.wasm"), folder.join("imagxp.wasm")).map_err(io)?;
    fs::remove_file(folder.join("imagxp_bg.wasm.d.ts")).map_err(io)
}

/// Lets every call into the instance pass through `guarded`, which makes an error of a trap and replaces the instance after it.
fn guard(file: &Path) -> Result<(), String> {
    const EXPORTS: &str = "wasm = instance.exports;";
    const AGAIN: &str = "wasm = wasmInstance.exports;";
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let found = (text.matches(EXPORTS).count(), text.matches(AGAIN).count());
    if found != (1, 1) {
        return Err(format!("wasm-bindgen writes other JavaScript than it did: {found:?}"));
    }
    let guarded = |line: &str, exports: &str| line.replace(exports, &format!("guarded({exports})"));
    let text = text
        .replace(EXPORTS, &guarded(EXPORTS, "instance.exports"))
        .replace(AGAIN, &guarded(AGAIN, "wasmInstance.exports"));
    let text = format!("import {{ guarded }} from '../dist/instance.js';\n{text}");
    fs::write(file, text).map_err(|error| error.to_string())
}
