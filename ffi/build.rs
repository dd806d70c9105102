//! Gives the shared library its SONAME: the ABI number, which `imagxp_abi_version` returns and tests/library.rs compares.

/// Counts up when a function disappears or changes its meaning; adding one does not count.
const ABI: u32 = 1;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=IMAGXP_ABI={ABI}");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match os.as_str() {
        "linux" | "freebsd" | "netbsd" | "openbsd" | "android" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libimagxp.so.{ABI}");
        }
        "macos" | "ios" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libimagxp.{ABI}.dylib")
        }
        _ => {}
    }
}
