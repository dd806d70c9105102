#!/bin/sh
# What takes too long for every change: run it before a release. Needs the network for advisories.
set -eu
. "$(dirname "$0")/lib.sh"

scripts/setup.sh tools rust crates python extension
IMAGXP_SOAK=1
export IMAGXP_SOAK
say "== a million mutated requests, a million numbers"
cargo test --release --locked -p imagxp -- --nocapture
say "== advisories"
if cargo deny --version >/dev/null 2>&1; then
    CARGO_NET_OFFLINE=false cargo deny --locked check
else
    skip "cargo-deny is not installed: cargo install cargo-deny --locked"
fi
say "== fuzzing"
scripts/fuzz.sh -s "${FUZZ_SECONDS:-300}"
