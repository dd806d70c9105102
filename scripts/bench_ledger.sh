#!/bin/sh
# The ledger row of the bars: transfers and visas per second with 64 clients on SQLite FULL and PostgreSQL, against one commit per transfer on
# the same disk in the same interleaved run, and what a transfer costs at ten thousand rows and at a million.
#
# Usage: scripts/bench_ledger.sh [SECONDS of each round] [ROWS of the large ledger]
# The databases are private and temporary, in $TMPDIR, or in $IMAGXP_BENCH_DIR to measure another disk.
set -eu
. "$(dirname "$0")/lib.sh"

scripts/services.sh setup
cargo bench --quiet --locked -p imagxp-storage --bench ledger -- "$@"
