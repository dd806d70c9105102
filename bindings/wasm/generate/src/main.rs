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
    edit(&folder.join("imagxp.js"), &folder.join("imagxp.d.ts"))?;
    // The name under which every loader imports it; the types of its raw exports are nobody's business.
    let io = |error: std::io::Error| error.to_string();
    fs::rename(folder.join("imagxp_bg.wasm"), folder.join("imagxp.wasm")).map_err(io)?;
    fs::remove_file(folder.join("imagxp_bg.wasm.d.ts")).map_err(io)
}

/// What is other than wasm-bindgen writes it. Each place must be there as often as is expected: another version is looked at anew.
fn edit(script: &Path, types: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let mut text = fs::read_to_string(script).map_err(io)?;
    let classes = text.matches("\nexport class ").count();

    // Every call into the instance passes through `guarded`, which makes an error of a trap and replaces the instance after it.
    text = replaced(&text, "wasm = instance.exports;", "wasm = guarded(instance.exports);", 1)?;
    text = replaced(&text, "wasm = wasmInstance.exports;", "wasm = guarded(wasmInstance.exports);", 1)?;
    text.insert_str(0, "import { guarded } from '../dist/instance.js';\n");

    // What lived in an instance that is gone must not be freed in the one that took its place.
    let free = "const ptr = this.__destroy_into_raw();\n";
    let stale =
        "        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) return;\n";
    text = replaced(&text, free, &format!("{free}{stale}"), classes)?;

    // Nothing is compiled at run time: platforms at the edge forbid it, and look for code that would.
    let bytes = "module = new WebAssembly.Module(module);";
    text = replaced(&text, bytes, "throw new TypeError('a compiled WebAssembly.Module is needed');", 1)?;
    text = without(&text, "async function __wbg_load(", "function initSync(")?;
    text = without(&text, "let __wbg_init_promise;", "export { initSync")?;
    text = replaced(&text, "export { initSync, __wbg_init as default };", "export { initSync };", 1)?;
    fs::write(script, text).map_err(io)?;

    let mut text = fs::read_to_string(types).map_err(io)?;
    let tail = text.find("/**\n * If `module_or_path`").ok_or("the types have no default export")?;
    text.truncate(tail);
    // Of the raw exports only the memory is anybody's business, and which others there are depends on the compiler.
    text = without(&text, "export interface InitOutput {", "export type SyncInitInput")?;
    let memory = "export interface InitOutput {\n  readonly memory: WebAssembly.Memory;\n}\n\nexport type SyncInitInput";
    text = replaced(&text, "export type SyncInitInput", memory, 1)?;
    fs::write(types, format!("{}\n", text.trim_end())).map_err(io)
}

fn replaced(text: &str, old: &str, new: &str, times: usize) -> Result<String, String> {
    match text.matches(old).count() {
        found if found == times && found > 0 => Ok(text.replace(old, new)),
        found => Err(format!(
            "wasm-bindgen writes other JavaScript than it did: `{old}` {found} times, not {times}"
        )),
    }
}

/// The text without what stands from `start` up to `end`.
fn without(text: &str, start: &str, end: &str) -> Result<String, String> {
    let cut = text.split_once(start).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    cut.map(|(before, after)| format!("{before}{end}{after}")).ok_or_else(|| {
        format!("wasm-bindgen writes other JavaScript than it did: no `{start}` before `{end}`")
    })
}
