#!/bin/sh
# Type-checks the core for wasm32-unknown-unknown: there it can have no files, sockets, threads or clock.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/wasm_toolchain.sh"

if wasm_toolchain; then
    wasm_cargo_run check --package imagxp
else
    skip "the core was not checked for $wasm"
fi
