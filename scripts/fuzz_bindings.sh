#!/bin/sh
# Fuzzes what is not Rust: Python's entry points (atheris), Node's (a generator of our own), and nginx's intake of request heads by raw socket.
#
# Usage: scripts/fuzz_bindings.sh [-s SECONDS each, default 5] [-f FOLDER for figures] [python|node|nginx...]
# First each of them must notice a seeded fault. The bindings are those that scripts/setup.sh and scripts/node.sh have built.
set -eu
. "$(dirname "$0")/lib.sh"

seconds=5
figures=
while getopts s:f: option; do
    case $option in
    s) seconds=$OPTARG ;;
    f) figures=$OPTARG ;;
    *) die "usage: scripts/fuzz_bindings.sh [-s SECONDS] [-f FOLDER] [python|node|nginx...]" ;;
    esac
done
shift $((OPTIND - 1))
logs=$target/fuzz/logs
mkdir -p "$logs"

# note NAME MEMBERS: a row of the report.
note() {
    [ -z "$figures" ] || printf '{%s, "seed_fault": false, "seed": 0, "wrong": []}\n' "$2" >"$figures/fuzz-$1.json"
}

# fails NAME: shows the end of its log.
fails() {
    tail -n 40 "$logs/$1.log" >&2
    say "0 passed, 1 failed"
    die "fuzzing by $1 failed"
}

fuzz_python() {
    atheris=$target/atheris
    if [ ! -d "$atheris/atheris" ] && ! "$venv/bin/pip" install --quiet --no-deps --target "$atheris" atheris==3.0.0 >"$target/pip.log" 2>&1; then
        skip "atheris cannot be installed for this Python"
        note python '"skipped": "atheris cannot be installed for this Python"'
        return 0
    fi
    corpus=$root/fuzz/corpus-run/python
    mkdir -p "$corpus" "$root/fuzz/artifacts/python"
    run="$venv/bin/python fuzz/python/target.py"
    export PYTHONPATH="$atheris"
    if $run --seed-fault -seed=1 -max_total_time=60 -artifact_prefix="$target/fuzz/" >"$logs/python.log" 2>&1; then die "the seeded fault was not found in Python"; fi
    grep -q 'the seeded fault' "$logs/python.log" || fails python
    $run -max_total_time="$seconds" -timeout=20 -max_len=4096 -print_final_stats=1 -artifact_prefix="$root/fuzz/artifacts/python/" "$corpus" >"$logs/python.log" 2>&1 || fails python
    unset PYTHONPATH
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/python.log")
    [ "${runs:-0}" -gt 100 ] || fails python
    note python "\"pass\": true, \"figures\": {\"inputs\": $runs}"
    say "python    $runs inputs"
}

fuzz_node() {
    if node fuzz/node/target.mjs 20 1 --seed-fault >"$logs/node.log" 2>&1; then die "the seeded fault was not found in Node"; fi
    grep -q 'the seeded fault' "$logs/node.log" || fails node
    node fuzz/node/target.mjs "$seconds" >"$logs/node.log" 2>&1 || fails node
    note node "\"pass\": true, \"figures\": $(tail -n 1 "$logs/node.log")"
    say "node      $(tail -n 1 "$logs/node.log")"
}

fuzz_nginx() {
    [ -f "${IMAGXP_NGINX_MODULES:-$target/nginx}/modules-asan/ngx_http_imagxp_module.so" ] || scripts/nginx.sh build asan
    "$venv/bin/python" fuzz/nginx/heads.py --seconds 5 --seed-fault >"$logs/nginx.log" 2>&1 || fails nginx
    "$venv/bin/python" fuzz/nginx/heads.py --seconds "$seconds" >"$logs/nginx.log" 2>&1 || fails nginx
    note nginx "\"pass\": true, \"figures\": $(tail -n 1 "$logs/nginx.log")"
    say "nginx     $(tail -n 1 "$logs/nginx.log")"
}

count=0
for name in ${*:-python node nginx}; do
    case $name in
    python | node | nginx) "fuzz_$name" ;;
    *) die "there is no target $name" ;;
    esac
    count=$((count + 1))
done
say "$count passed, 0 failed"
