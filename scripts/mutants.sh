#!/bin/sh
# Mutation testing: sees that cargo-mutants is there, which lists the mutants, and leaves the rest to scripts/mutants.py (its arguments, its help).
set -eu
. "$(dirname "$0")/lib.sh"

tools=$target/tools
if [ ! -x "$tools/bin/cargo-mutants" ]; then
    say "mutants: cargo install cargo-mutants"
    CARGO_NET_OFFLINE=false CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --debug cargo-mutants --root "$tools"
    rm -rf "$tools/build"
fi
PATH=$tools/bin:$PATH exec nice -n 15 python3 scripts/mutants.py "$@"
