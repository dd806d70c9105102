#!/bin/sh
# What takes too long for every change: run it before a release. Needs the network for advisories.
set -eu
. "$(dirname "$0")/lib.sh"

scripts/setup.sh tools rust crates python extension node services
# Each campaign leaves its figures here; tests/faults/report.py puts them together at the end, and names the campaign that left none.
rm -rf "$target/soak"
mkdir -p "$target/soak"
say "== a million mutated requests, 200 000 valid ones, a million numbers"
IMAGXP_MUTATIONS=1000000 IMAGXP_VALID=200000 \
    cargo test --release --locked -p imagxp --test mutation --test jcs_suite -- --include-ignored --nocapture
say "== a million signatures with tables, by p256 and by AWS-LC"
IMAGXP_SIGNATURES=1000000 cargo test --release --locked -p imagxp --features aws-lc --lib hot::tests::tables_agree -- --nocapture
printf '{"pass": true, "seed_fault": false, "seed": 0, "figures": {"signatures": 1000000}, "wrong": []}\n' >"$target/soak/hot-signatures.json"
say "== 40 days of wrong clocks, five million forged nonces, a million live ones, every allocation failing once, inputs that double"
IMAGXP_FIGURES=$target/soak IMAGXP_CLOCK_DAYS=40 IMAGXP_FLOOD=5000000 IMAGXP_SPREADS=3 IMAGXP_EXHAUSTION=100000 \
    cargo test --release --locked -p imagxp --test endurance -- --nocapture
if [ -x "$target/c/c11/exhausted" ]; then "$target/c/c11/exhausted" --all; else skip "tests/c/run.sh has not been run: no exhausted"; fi
scripts/doubling.py --figures "$target/soak/doubling.json"
scripts/doubling.py --seed-fault
say "== what threads share, in 20 000 orders of the threads each"
scripts/models.sh 20000 "$target/soak"
say "== 20 000 broken files for the command line"
IMAGXP_MUTATIONS=20000 cargo test --locked -p imagxp-cli broken_files -- --nocapture
say "== the audit log's throughput on a quiet machine: 100 000 records a second or more"
SOAK=1 cargo test --release --locked -p imagxp-files --test audit_crash throughput -- --nocapture
say "== a million and a half commands of a broker against a naive reference"
IMAGXP_MODEL_OPS=1500000 cargo test --release --locked -p imagxp-broker --test model -- --nocapture
say "== the broker under faults: kills, power cuts, full disks, failing writes"
scripts/faults.sh long
say "== nginx: ten minutes of load and 200 slow clients"
scripts/nginx.sh setup
scripts/nginx.sh soak 600
say "== a million verdicts in Python leave nothing behind; wheels"
(cd bindings/python && IMAGXP_CALLS=1000000 "$venv/bin/python" -m pytest --quiet -p no:cacheprovider tests/test_memory.py)
scripts/wheels.sh
say "== a million verifications in Node: memory flat"
scripts/node.sh soak
say "== two builds are the same, and a difference would be seen"
scripts/reproducible.sh
if scripts/reproducible.sh --seed-fault >/dev/null; then die "a changed source made the same library"; fi
say "== 10 000 seeded worlds of broker, publishers, agents and a thief"
cargo run --quiet --release --locked -p imagxp-simulation -- --seeds 10000 --figures "$target/soak/simulation.json"
say "== 100 000 requests before three verifiers; every server graded, the slow case too"
cargo build --quiet --release --locked -p imagxp-conformance
"$venv/bin/python" tests/differential/compare.py --release --count 100000 --figures "$target/soak/differential.json"
scripts/nginx.sh build
scripts/node.sh build
"$venv/bin/python" tests/conformance/cross.py --count 20000 rust c python
"$venv/bin/python" tests/grade/run.py --slow --figures "$target/soak/grade.json"
say "== advisories"
if cargo deny --version >/dev/null 2>&1; then
    CARGO_NET_OFFLINE=false cargo deny --locked check
else
    skip "cargo-deny is not installed: cargo install cargo-deny --locked"
fi
say "== fuzzing"
scripts/fuzz.sh -s "${FUZZ_SECONDS:-300}" -f "$target/soak/fuzz.json"
scripts/fuzz_bindings.sh -s "${FUZZ_SECONDS:-300}" -f "$target/soak"
say "== branches without a test, and mutants that no test notices: hours"
failed=
have llvm-cov-19 || apt_install llvm-19
scripts/coverage.py --seed-fault || failed="$failed coverage-control"
scripts/coverage.py --figures "$target/soak/coverage.json" || failed="$failed coverage"
scripts/mutants.sh --figures "$target/soak/mutants.json" || failed="$failed mutants"
scripts/mutants.sh --seed-fault replay || failed="$failed mutants-control"
say "== the report: target/soak/report.json"
"$venv/bin/python" tests/faults/report.py --all
[ -z "$failed" ] || die "these did not hold:$failed"
