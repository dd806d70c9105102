//! On macOS an extension module says to the linker that the interpreter will bring what is missing, whoever compiles it.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
