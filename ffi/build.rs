//! Gives the shared libraries, the whole one and the verifier, their SONAME with the ABI number, which `imagxp_abi_version` returns and
//! tests/library.rs compares.

/// Counts up when a function disappears or changes its meaning; adding one does not count.
const ABI: u32 = 1;

fn main() {
    println!("cargo:rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    println!("cargo:rustc-env=IMAGXP_ABI={ABI}");
    // The verifier is a package of its own; the build script is the same.
    let verifier = std::env::var("CARGO_PKG_NAME").is_ok_and(|package| package == "imagxp-verifier");
    let name = if verifier { "libimagxp_verifier" } else { "libimagxp" };
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match os.as_str() {
        "linux" | "freebsd" | "netbsd" | "openbsd" | "android" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{name}.so.{ABI}");
        }
        "macos" | "ios" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/{name}.{ABI}.dylib")
        }
        _ => {}
    }
}
