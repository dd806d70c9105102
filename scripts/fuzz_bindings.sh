#!/bin/sh
# Fuzzes what is not Rust: Python's entry points (atheris), Node's (a generator of our own), and nginx's intake of request heads by raw socket.
#
# Usage: scripts/fuzz_bindings.sh [-s SECONDS each, default 10] [-f FOLDER for figures] [-S SEED] [python|node|nginx...]
# All of them at once. First each must notice a seeded fault; then come fuzz/regressions/NAME, and new inputs of a seed that is printed. What fails
# is kept in fuzz/artifacts/NAME; move it to fuzz/regressions/NAME when it is mended. The bindings are those that scripts/setup.sh and
# scripts/node.sh have built.
set -eu
. "$(dirname "$0")/lib.sh"

seconds=10
figures=
seed=$(date +%s)
while getopts s:f:S: option; do
    case $option in
    s) seconds=$OPTARG ;;
    f) figures=$OPTARG ;;
    S) seed=$OPTARG ;;
    *) die "usage: scripts/fuzz_bindings.sh [-s SECONDS] [-f FOLDER] [-S SEED] [python|node|nginx...]" ;;
    esac
done
shift $((OPTIND - 1))
for name in "$@"; do
    case $name in
    python | node | nginx) ;;
    *) die "there is no target $name" ;;
    esac
done
logs=$target/fuzz/logs
mkdir -p "$logs"

# note NAME MEMBERS: a row of the report.
note() {
    [ -z "$figures" ] || printf '{%s, "seed_fault": false, "seed": %s, "wrong": []}\n' "$2" "$seed" >"$figures/fuzz-$1.json"
}

# What a target that could not run ends with; whoever counts reads it.
skipped=75

# fails NAME: shows the end of its log.
fails() {
    tail -n 40 "$logs/$1.log" >&2
    die "fuzzing by $1 failed, seed $seed"
}

fuzz_python() {
    [ -x "$venv/bin/python" ] || die "there is no .venv: scripts/setup.sh extension"
    atheris=$target/atheris
    if [ ! -d "$atheris/atheris" ] && ! "$venv/bin/pip" install --quiet --no-deps --target "$atheris" atheris==3.0.0 >"$target/pip.log" 2>&1; then
        tail -n 20 "$target/pip.log" >&2
        missing "atheris cannot be installed for this Python"
        note python '"skipped": "atheris cannot be installed for this Python"'
        exit "$skipped"
    fi
    corpus=$root/fuzz/corpus-run/python
    seeds=$target/fuzz/seeds-python
    mkdir -p "$corpus" "$root/fuzz/artifacts/python"
    rm -rf "$seeds"
    python3 scripts/fuzz_seeds.py "$seeds" python
    run="$venv/bin/python fuzz/python/target.py"
    export PYTHONPATH="$atheris"
    if $run --seed-fault -seed=1 -max_len=16 -max_total_time=60 -artifact_prefix="$target/fuzz/" >"$logs/python.log" 2>&1; then
        die "the seeded fault was not found in Python"
    fi
    grep -q 'the seeded fault' "$logs/python.log" || fails python
    # A seed of libFuzzer has 32 bits, of which 0 means none.
    $run -seed="$((seed % 4294967295 + 1))" -max_total_time="$seconds" -timeout=20 -max_len=4096 -print_final_stats=1 -dict=fuzz/dictionaries/python.dict \
        -artifact_prefix="$root/fuzz/artifacts/python/" "$corpus" fuzz/regressions/python "$seeds/python" >"$logs/python.log" 2>&1 || fails python
    unset PYTHONPATH
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/python.log")
    [ "${runs:-0}" -gt 100 ] || fails python
    note python "\"pass\": true, \"figures\": {\"inputs\": $runs}"
    say "python    $runs inputs"
}

fuzz_node() {
    if node fuzz/node/target.mjs 20 1 --seed-fault >"$logs/node.log" 2>&1; then die "the seeded fault was not found in Node"; fi
    grep -q 'the seeded fault' "$logs/node.log" || fails node
    node fuzz/node/target.mjs "$seconds" "$seed" >"$logs/node.log" 2>&1 || fails node
    note node "\"pass\": true, \"figures\": $(tail -n 1 "$logs/node.log")"
    say "node      $(tail -n 1 "$logs/node.log")"
}

fuzz_nginx() {
    [ -f "${IMAGXP_NGINX_MODULES:-$target/nginx}/modules-asan/ngx_http_imagxp_module.so" ] || scripts/nginx.sh build asan
    "$venv/bin/python" fuzz/nginx/heads.py --seconds 5 --seed 1 --seed-fault >"$logs/nginx.log" 2>&1 || fails nginx
    "$venv/bin/python" fuzz/nginx/heads.py --seconds "$seconds" --seed "$seed" >"$logs/nginx.log" 2>&1 || fails nginx
    note nginx "\"pass\": true, \"figures\": $(tail -n 1 "$logs/nginx.log")"
    say "nginx     $(tail -n 1 "$logs/nginx.log")"
}

# What runs in the background does not hear an interrupt from the keyboard by itself.
trap 'trap - INT TERM; kill 0' INT TERM
say "seed      $seed"
lanes=
[ $# -gt 0 ] || set -- python node nginx
for name in "$@"; do
    ("fuzz_$name") >"$logs/$name.out" 2>&1 &
    lanes="$lanes $name:$!"
done
passed=0
failed=0
for lane in $lanes; do
    status=0
    wait "${lane#*:}" || status=$?
    cat "$logs/${lane%:*}.out"
    case $status in
    0) passed=$((passed + 1)) ;;
    "$skipped") ;;
    *) failed=$((failed + 1)) ;;
    esac
done
trap - INT TERM
# What was skipped has said so, and is not among them.
say "$passed passed, $failed failed"
[ "$failed" = 0 ] || exit 1
