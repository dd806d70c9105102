#!/bin/sh
# Mutation testing: sees that cargo-mutants is there, which lists the mutants, and leaves the rest to scripts/mutants.py (its arguments, its help).
set -eu
. "$(dirname "$0")/lib.sh"

cargo_tool cargo-mutants
PATH=$target/tools/bin:$PATH exec nice -n 15 python3 scripts/mutants.py "$@"
