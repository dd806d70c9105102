//! ffi/build.rs without its linker flags, which are for a shared library. The number does not matter to a fuzz target.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=IMAGXP_ABI=0");
}
