#!/bin/sh
# What threads share, tried in many orders of the threads (shuttle); data races by ThreadSanitizer and undefined behaviour by Miri, where there are any.
#
# Usage: scripts/models.sh [ORDERS of each model, default 400] [FOLDER for figures]
set -eu
. "$(dirname "$0")/lib.sh"

orders=${1:-400}
figures=${2:-}
host=$(rustc -vV | sed -n 's/^host: //p')
log=$target/models.log
mkdir -p "$target/models"

# note NAME MEMBERS: a row of the report.
note() {
    [ -z "$figures" ] || printf '{%s, "seed_fault": false, "seed": null, "wrong": []}\n' "$2" >"$figures/$1.json"
}

# checked NAME: of the tests whose output is in the log. That none ran is a failure.
checked() {
    count=$(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
    [ "$count" -gt 0 ] || {
        tail -n 60 "$log" >&2
        die "$1: no test passed"
    }
    note "$1" "\"pass\": true, \"figures\": {\"tests\": $count}"
}

# model ORDERS ARGUMENTS: the models of one package, added to $passed. A build of its own: under this flag every crate is another one.
passed=0
model() {
    each=$1
    shift
    IMAGXP_ORDERS=$each TMPDIR=$temporary CARGO_TARGET_DIR=$target/models RUSTFLAGS="--cfg shuttle" \
        cargo test --quiet --locked "$@" --test-threads "$(nproc)" >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        die "a model does not hold: the log names the order of threads, which shuttle replays"
    }
    passed=$((passed + $(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$log" | tail -n 1)))
}

# The ledger's models open a database for each order of threads, in memory where there is such a place: at most 2 000 of them.
databases=$((orders < 2000 ? orders : 2000))
temporary=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || temporary=/dev/shm
say "models: $orders orders of threads each"
model "$orders" -p imagxp --test models --
model "$databases" --config 'profile.dev.package.libsqlite3-sys.opt-level=2' -p imagxp-storage --lib -- ledger::models::
[ "$passed" -ge 18 ] || die "only $passed models ran"
say "models: $passed passed, six of them seeded faults that were found"

# built NAME COMMAND...: builds for one of the tools below, which want crates of the standard library's that nothing else here does. Where these
# cannot be had, nothing was found. The same tests without the tool are built first: what does not compile there is a mistake of ours.
built() {
    tool=$1
    shift
    plain >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        die "$tool: its tests do not build without it either"
    }
    (
        export CARGO_NET_OFFLINE=false
        "$@"
    ) >"$log" 2>&1 && return 0
    tail -n 20 "$log" >&2
    reason="the standard library cannot be built for it here"
    skip "$tool: $reason"
    note "$(printf '%s' "$tool" | tr '[:upper:]' '[:lower:]')" "\"skipped\": \"$reason\""
    return 1
}

races="no rust-src beside a compiler: the standard library would be without instrumentation, and each lock a false alarm"
plain() { cargo test --quiet --locked -p imagxp --lib --test order --no-run; }

if [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
    races() {
        RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target/tsan RUSTFLAGS="-Zsanitizer=thread" TSAN_OPTIONS="halt_on_error=1" \
            cargo test --quiet --locked -Zbuild-std --target "$host" -p imagxp --lib --test order "$@"
    }
    if built ThreadSanitizer races --no-run; then
        races -- hot:: replay:: copies >"$log" 2>&1 || {
            tail -n 60 "$log" >&2
            die "ThreadSanitizer has found something"
        }
        checked threadsanitizer
    fi
else
    skip "ThreadSanitizer: $races"
    note threadsanitizer "\"skipped\": \"$races\""
fi
if cargo +nightly miri --version >/dev/null 2>&1; then
    if built Miri cargo +nightly miri setup; then
        CARGO_TARGET_DIR=$target/miri MIRIFLAGS="-Zmiri-disable-isolation" \
            cargo +nightly miri test --quiet --locked -p imagxp --lib -- json:: encoding:: time:: replay:: >"$log" 2>&1 || {
            tail -n 60 "$log" >&2
            die "Miri has found something"
        }
        checked miri
    fi
else
    skip "Miri: no nightly compiler here has it"
    note miri '"skipped": "no nightly compiler here has it"'
fi
note models "\"pass\": true, \"figures\": {\"models\": $passed, \"orders_each\": $orders, \"orders_each_ledger\": $databases}"
say "$passed passed, 0 failed"
