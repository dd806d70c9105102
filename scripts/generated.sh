#!/bin/sh
# Files that are generated and in git: the C header, the Swift half of the Swift package, the vectors, the policy schema, the table of
# codes, the lists of symbols, the reference of the broker's API, the tables of the money model,
# a golden text of the command line, the declarations of the fuzz target c_calls, the lock file of fuzz/.
# Without an argument they are compared, with `--update` rewritten. All of them come from the core or from ffi.
set -eu
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = --update ]; then
    UPDATE=1
    export UPDATE
else
    unset UPDATE
fi
# Quiet unless it fails: these tests are counted among the others already.
compare() {
    cargo test --quiet --locked "$@" >"$target/generated.log" 2>&1 || {
        cat "$target/generated.log" >&2
        die "a generated file is out of date (\`make vectors\` rewrites them) or its test fails"
    }
}
if [ -n "${UPDATE:-}" ]; then
    # The schema first: the others are compiled with it.
    compare -p imagxp --lib schema
    compare -p imagxp --test vectors --test policy --test codes
    compare -p imagxp-files --test vectors
    compare -p imagxp-ffi --test header
    # The list of symbols needs the release library.
    compare -p imagxp-ffi --test library
    compare -p imagxp-cli --test cli explain
    compare -p imagxp-broker --test docs
    debug_build imagxp-cli
    scripts/openapi_docs.py
    scripts/c_declarations.py
    packaging/symbols.py
    scripts/swift.sh generate --update
    # The second lock file follows the core's dependencies.
    cargo metadata --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
else
    # The others are among the Rust tests and those of the command line.
    scripts/c_declarations.py --check
    packaging/symbols.py --check
    cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
    scripts/swift.sh generate
    # The service says itself what its API is.
    debug_build imagxp-cli
    scripts/openapi_docs.py --check
fi
