#!/bin/sh
# Builds what is shipped: libimagxp.so and .a, the command line, and the Python extension (into .venv).
set -eu
. "$(dirname "$0")/lib.sh"

scripts/setup.sh rust crates extension
offline_when_fetched
# Two calls: cargo unites the features of what it builds together, and the library must not grow by what the command line needs.
cargo build --locked --release -p imagxp-ffi
cargo build --locked --release -p imagxp-cli
ls -l "$target/release/libimagxp.so" "$target/release/libimagxp.a" "$target/release/imagxp"
