#!/bin/sh
# What everything costs, and what others take for the same work: builds all workers, measures, prints a table, writes target/bench/report.json.
#
# Usage: scripts/bench.sh [PART...]   with the parts: core peers aws_lc c python node nginx ledger run plots; without, all of them
# Nothing that is built here is shipped. The peers are crates and packages of their own: tests/bench/peers, .../python, .../node.
set -eu
. "$(dirname "$0")/lib.sh"

bench=$root/tests/bench
quiet="--quiet --locked"

core() {
    # shellcheck disable=SC2086 # a list of words
    cargo build $quiet --release -p imagxp-bench
    # shellcheck disable=SC2086
    cargo build $quiet --release -p imagxp-ffi
    # Alone: it has fewer of the core's features.
    # shellcheck disable=SC2086
    cargo build $quiet --release -p imagxp-verifier
}

# With the other back end: a build of its own, since features are shared by all that one build makes.
aws_lc() {
    # shellcheck disable=SC2086
    cargo build $quiet --release -p imagxp-bench --features aws-lc
    mkdir -p "$target/bench"
    mv "$target/release/imagxp-bench" "$target/bench/imagxp-bench-aws-lc"
    core
}

peers() {
    # shellcheck disable=SC2086
    (cd "$bench/peers" && CARGO_TARGET_DIR=$target/bench-peers CARGO_NET_OFFLINE=false cargo build $quiet --release) ||
        skip "the peers in Rust do not build here (they need OpenSSL's headers: libssl-dev)"
}

c() {
    have gcc || { skip "gcc is missing"; return 0; }
    mkdir -p "$target/bench-c"
    gcc -O2 -Wall -Wextra -Werror -I"$root/include" "$bench/c/worker.c" -o "$target/bench-c/worker" -L"$target/release" -limagxp \
        -Wl,-rpath,"$target/bench-c"
    ln -sf "$target/release/libimagxp.so" "$target/bench-c/libimagxp.so.1"
}

python() {
    scripts/setup.sh rust crates python
    wheels=$target/bench-python
    rm -rf "$wheels"
    mkdir -p "$wheels"
    "$venv/bin/maturin" build --quiet --release --locked --interpreter "$venv/bin/python" --manifest-path bindings/python/Cargo.toml \
        --out "$wheels"
    python3 -m venv "$wheels/venv"
    "$wheels/venv/bin/pip" install --quiet --no-index --no-deps "$wheels"/*.whl
    python3 -m venv "$wheels/peers"
    "$wheels/peers/bin/pip" install --quiet --requirement "$bench/python/requirements.txt"
}

node() {
    scripts/node.sh bench
    (cd "$bench/node" && npm ci --ignore-scripts --no-audit --no-fund >"$target/npm-bench.log" 2>&1) || skip "npm could not install the peers in Node"
}

nginx() {
    rm -f "$target/bench/nginx.json"
    have nginx || [ -x /usr/sbin/nginx ] || { skip "nginx is missing (scripts/nginx.sh setup)"; return 0; }
    scripts/nginx.sh bench
}

ledger() {
    mkdir -p "$target/bench"
    scripts/bench_ledger.sh | tee "$target/bench/ledger.txt"
}

# shellcheck disable=SC2086 # a list of words, or nothing
run() { python3 "$bench/run.py" ${BENCH_ARGUMENTS:-}; }

plots() { python3 "$bench/plots.py"; }

[ $# -gt 0 ] || set -- core peers aws_lc c python node nginx ledger run plots
for part in "$@"; do
    case $part in
    core | peers | aws_lc | c | python | node | nginx | ledger | run | plots) "$part" ;;
    *) die "there is no part $part" ;;
    esac
done
