#!/bin/sh
# What takes too long for every change: run it before a release. Needs the network for advisories.
#
# Usage: scripts/soak.sh               all campaigns, in hours; the figures of an earlier run are deleted first
#        scripts/soak.sh CAMPAIGN...   these, beside the figures of the others: an evening can be divided
# A campaign that fails stops no other. Each builds what it runs, and leaves its figures in target/soak/NAME.json and what it said in
# target/soak/logs/NAME.log, where tests/faults/campaigns.py reads what it has not written itself; tests/faults/report.py puts them together, and
# names the one that left none.
set -eu
. "$(dirname "$0")/lib.sh"

soak=$target/soak
campaigns="python3 tests/faults/campaigns.py"
all=$($campaigns list)

# A million mutated requests, 200 000 valid ones, a million numbers.
mutation() {
    IMAGXP_MUTATIONS=1000000 IMAGXP_VALID=200000 \
        cargo test --release --locked -p imagxp --test mutation --test jcs_suite -- --include-ignored --nocapture
}

# A million signatures with tables, by p256 and by AWS-LC.
hot_signatures() {
    IMAGXP_SIGNATURES=1000000 cargo test --release --locked -p imagxp --lib hot::tests::tables_agree -- --nocapture hot::tests::a_wrong_table_is_found
}

# 40 days of wrong clocks, five million forged nonces, a million live ones, allocations of the core that fail, inputs that double.
endurance() {
    IMAGXP_FIGURES=$soak IMAGXP_CLOCK_DAYS=40 IMAGXP_FLOOD=5000000 IMAGXP_SPREADS=3 IMAGXP_EXHAUSTION=100000 \
        cargo test --release --locked -p imagxp --test endurance -- --nocapture
}

# Every allocation behind the C ABI fails once.
exhaustion_c() { tests/c/run.sh exhausted; }

doubling() {
    scripts/doubling.py --figures "$soak/doubling.json"
    scripts/doubling.py --seed-fault
}

# What threads share, in 20 000 orders of the threads each.
models() { scripts/models.sh 20000 "$soak"; }

broken_files() { IMAGXP_MUTATIONS=10000 cargo test --locked -p imagxp-cli --test cli broken_files -- --nocapture a_program_that_breaks_is_found; }

# On a quiet machine: 100 000 records a second or more.
audit_throughput() { SOAK=1 cargo test --release --locked -p imagxp-files --test audit_crash throughput -- --nocapture; }

# A million and a half commands of a broker against a naive reference.
broker_model() { IMAGXP_MODEL_OPS=1500000 cargo test --release --locked -p imagxp-broker --test model -- --nocapture; }

# Kills, power cuts, full disks, failing writes, wrong clocks.
faults() { scripts/faults.sh long; }

# Ten minutes of load and 200 slow clients.
nginx() {
    scripts/nginx.sh soak 600
    scripts/nginx.sh soak 20 --seed-fault
    scripts/nginx.sh soak 10 --seed-fault-key
}

# A million verdicts in Python leave nothing behind; wheels.
memory_python() {
    # A test of its own has an hour; what watches for one that hangs (scripts/lib.sh) waits for longer.
    (cd bindings/python && IMAGXP_CALLS=1000000 "$venv/bin/python" -m pytest -o faulthandler_timeout=3700 --quiet --capture=no \
        -p no:cacheprovider tests/test_memory.py)
    scripts/wheels.sh
}

memory_node() { scripts/node.sh soak; }

# Two builds are the same, and a difference would be seen: a build that fails has compared nothing.
reproducible() {
    scripts/reproducible.sh --all
    said=$(scripts/reproducible.sh --seed-fault) && die "a changed source made the same library"
    printf '%s\n' "$said" | grep -q '^libimagxp\.so differs between two builds$' || die "two builds were not compared"
}

# Ten thousand worlds; each seeded fault is found in the first ones.
simulation() {
    cargo run --quiet --release --locked -p imagxp-simulation -- --seeds 10000 --figures "$soak/simulation.json"
    cargo run --quiet --release --locked -p imagxp-simulation -- --seeds 40 --seed-faults
}

# 100 000 requests before three verifiers.
differential() {
    cargo build --quiet --release --locked -p imagxp-conformance
    "$venv/bin/python" tests/differential/compare.py --release --count 100000 --figures "$soak/differential.json"
    "$venv/bin/python" tests/differential/compare.py --release --count 500 --show 0 --seed-fault
}

# The runners that tests/conformance/run starts.
cross() {
    debug_build imagxp-conformance
    tests/c/run.sh conformance
    "$venv/bin/python" tests/conformance/cross.py --count 20000 rust c python
    "$venv/bin/python" tests/conformance/cross.py --count 100 --seed-fault rust c python
}

# Every server, the slow case too.
grade() {
    debug_build imagxp-cli
    scripts/nginx.sh build
    scripts/node.sh build
    "$venv/bin/python" tests/grade/run.py --slow --figures "$soak/grade.json"
}

# Licences, bans and sources by cargo-deny itself, and known holes in dependencies where the database of them can be fetched.
advisories() {
    cargo_tool cargo-deny
    PATH=$target/tools/bin:$PATH
    deny_by_tool bans licenses sources
    if ! CARGO_NET_OFFLINE=false cargo deny fetch db >"$target/advisories.log" 2>&1; then
        cat "$target/advisories.log"
        skip "advisories: the database of RustSec cannot be fetched here"
        return 0
    fi
    export CARGO_NET_OFFLINE=false
    deny_by_tool advisories
}

fuzz() {
    scripts/node.sh build
    scripts/nginx.sh build asan
    scripts/fuzz.sh -s "${FUZZ_SECONDS:-300}" -f "$soak/fuzz.json"
    scripts/fuzz_bindings.sh -s "${FUZZ_SECONDS:-300}" -f "$soak"
}

# Branches without a test: more of them than the ratchet allows.
coverage() {
    have llvm-cov-19 || apt_install llvm-19
    scripts/coverage.py --seed-fault
    scripts/coverage.py --figures "$soak/coverage.json"
}

# Changes that no test notices: an hour.
mutants() {
    scripts/mutants.sh --figures "$soak/mutants.json"
    scripts/mutants.sh --seed-fault replay
}

# campaign NAME
campaign() {
    say "== $1"
    begin=$(date +%s)
    status=0
    # `set -e` does not reach into a condition: each campaign is a process.
    skipped=$soak/logs/$1.skipped
    rm -f "$skipped"
    IMAGXP_SKIPPED=$skipped scripts/soak.sh --run "$1" >"$soak/logs/$1.log" 2>&1 || status=$?
    said_skipped "$skipped" >>"$soak/logs/$1.log"
    took=$(($(date +%s) - begin))
    $campaigns row "$1" "$status" "$took" || tail -n 40 "$soak/logs/$1.log"
    grep '^SKIPPED' "$soak/logs/$1.log" || true
    say "-- $took s: $1 ended with $status"
}

if [ "${1:-}" = --run ]; then
    "$(printf '%s' "$2" | tr - _)"
    exit
fi

for name in "$@"; do
    case " $all " in
    *" $name "*) ;;
    *) die "there is no campaign $name; there are: $all" ;;
    esac
done
scripts/setup.sh tools rust crates python extension node services nginx
if [ $# = 0 ]; then
    rm -rf "$soak"
    # shellcheck disable=SC2086 # a list of words
    set -- $all
    complete=yes
fi
mkdir -p "$soak/logs"
# Whatever is committed meanwhile: of this are the rows.
IMAGXP_COMMIT=$($campaigns commit)
export IMAGXP_COMMIT
for name in "$@"; do
    $campaigns clear "$name"
    campaign "$name"
done
say "== the report: target/soak/report.json"
"$venv/bin/python" tests/faults/report.py ${complete:+--all}
