#!/bin/sh
# Files that are generated and in git: the C header, the vectors, the policy schema, the fuzz declarations, the surface table.
# Without an argument they are compared, with `--update` rewritten. All of them come from the core or from ffi.
set -eu
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = --update ]; then
    UPDATE=1
    export UPDATE
else
    unset UPDATE
fi
cargo test --quiet --locked -p imagxp --test vectors --test policy
cargo test --quiet --locked -p imagxp-ffi --test header
if [ -n "${UPDATE:-}" ]; then
    scripts/c_declarations.py
else
    scripts/c_declarations.py --check
fi
