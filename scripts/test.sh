#!/bin/sh
# Everything that must hold before a change is merged: four lanes of steps side by side, and what wants all processors after them. A step that
# fails stops no other, but those that need it; it is shown whole, and named again at the end.
#
# Usage: scripts/test.sh [STEP...]   only these steps and what they need (scripts/needs.sh), for example `scripts/test.sh lint rust`
# Each step's output is kept in target/test-logs and ends on the screen: the closing lines of one that passes, far more of one that fails.
# `VERBOSE=1 scripts/test.sh` shows all of it as it comes. The last line of all is `N passed, 0 failed, K skipped`. A step that takes longer than
# STEP_SECONDS (two hours) is ended, and has failed.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/needs.sh"

logs=$target/test-logs
python=$venv/bin/python
export IMAGXP_EVERYTHING="$everything" IMAGXP_WARNINGS="${IMAGXP_WARNINGS:-$(warnings_level)}"

# Clippy is the compiler here, and what it finds fails the build (cargo_debug, scripts/lib.sh): all of our own crates, but two generators of one
# file each, and the Python extension, which maturin compiles the same way. The fuzz targets are linted when they are built: scripts/fuzz.sh.
compile() {
    # shellcheck disable=SC2086 # a list of words
    cargo_debug build --quiet --locked $everything --lib --bins --tests --benches
    [ "$IMAGXP_WARNINGS" = deny ] ||
        skip "warnings are shown and are no errors: ours were read with rustc $known_rustc, and this is $(rustc -V | cut -d ' ' -f 2)"
}

# With it each test has a process and an end (.config/nextest.toml); without it, the step has one.
have_nextest() { cargo nextest --version >/dev/null 2>&1; }

# The tests beside two packages are steps of their own.
rust() {
    # shellcheck disable=SC2086 # a list of words
    {
        if have_nextest; then
            cargo_debug nextest run --locked --no-fail-fast --status-level fail $everything \
                -E 'not (kind(test) & (package(imagxp-cli) | package(imagxp-simulation)))'
            cargo_debug test --quiet --locked $everything --doc
        else
            cargo_debug test --quiet --locked $everything
        fi
        # Each benchmark of the core once, unoptimised: that it still runs.
        cargo_debug test --quiet --locked $everything --bench parse
    }
}

deny() {
    scripts/deny.py
    if cargo deny --version >/dev/null 2>&1; then
        deny_offline=--offline
        deny_by_tool bans licenses sources
    else
        skip "cargo-deny is not installed; scripts/deny.py alone has checked licences, bans and sources"
    fi
}

# Each binding is built by its own script, with its own tool chain. The first has a target folder of its own: it waits for nobody.
wasm() { scripts/wasm.sh build; }

build() {
    debug_build
    scripts/setup.sh extension
    scripts/node.sh build
    scripts/swift.sh build
}

# mypy and stubtest run inside: bindings/python/tests/test_package.py.
python_tests() {
    (cd bindings/python && "$python" -m pytest --quiet -p no:cacheprovider tests)
}

node_tests() { scripts/node.sh test; }

swift() { scripts/swift.sh test; }

# The other back end: signatures byte for byte, Wycheproof, and every vector, by a runner of its own.
aws_lc() {
    # shellcheck disable=SC2086 # a list of words
    {
        cargo_debug test --quiet --locked $everything --features imagxp/aws-lc --test wycheproof --test rfc_signatures --test jws_interop
        # With a test: its dependencies' features are united, as above.
        cargo_debug build --quiet --locked $everything --features imagxp/aws-lc --bin imagxp-conformance --test wycheproof
    }
    # Not target/debug/imagxp-conformance: another lane may have put the ordinary one back already.
    mkdir -p "$target/aws-lc"
    made=$(find "$target/debug/deps" -name 'imagxp_conformance-*' ! -name '*.*' -printf '%T@ %p\n' | sort -rn | cut -d ' ' -f 2- |
        while read -r runner; do
            if grep -q aws_lc "$runner"; then
                echo "$runner"
                break
            fi
        done)
    [ -n "$made" ] || die "no runner has AWS-LC in it"
    cp "$made" "$target/aws-lc/imagxp-conformance"
    debug_build imagxp-conformance
    "$python" tests/conformance/check.py rust-aws-lc
}

# Whole programs, each one processor's work, while the other compiles.
release() {
    cargo build --quiet --locked --release -p imagxp-ffi
    # For a test of the library's, which has it built.
    cargo build --quiet --locked --release -p imagxp-verifier
    cargo build --quiet --locked --release -p imagxp-bench
    scripts/fuzz.sh -b
}

# The harness of `make bench` judges what it should, each row still runs, and no path executes more than it did.
bench() {
    "$python" -m pytest --quiet -p no:cacheprovider tests/bench
    scripts/instructions.py
    scripts/instructions.py --seed-fault part/parse refuse/typical/unsigned
    cargo build --quiet --locked --release -p imagxp-bench
    "$python" tests/bench/run.py --rounds 1 --rows-only >/dev/null
}

# The same requests each time: a change does not fail for what chance has brought to light. `make soak` takes fresh ones. The last run must notice
# a verifier that overlooks every change.
conformance() {
    "$python" tests/conformance/table.py
    "$python" tests/conformance/cross.py --seed 1 --count 1000 rust c python
    "$python" tests/conformance/cross.py --seed 1 --count 200
    "$python" tests/conformance/cross.py --seed 1 --count 100 --seed-fault rust c python
}

nginx() { scripts/nginx.sh test; }

# tests_of FOLDER: the options that select all test programs of a package.
tests_of() {
    for path in "$1"/tests/*.rs "$1"/tests/*/main.rs; do
        [ -f "$path" ] || continue
        path=${path%/main.rs}
        printf -- '--test %s ' "$(basename "$path" .rs)"
    done
}

# tests_beside PACKAGE FOLDER: the test programs of a package.
tests_beside() {
    # shellcheck disable=SC2046,SC2086 # lists of words
    if have_nextest; then
        cargo_debug nextest run --locked --no-fail-fast --status-level fail $everything $(tests_of "$2") -E "package($1)"
    else
        cargo_debug test --quiet --locked $everything $(tests_of "$2")
    fi
}

cli() { tests_beside imagxp-cli core/cli; }

docs() { "$python" scripts/check_docs.py; }

package() { scripts/package.sh test; }

demo() {
    scripts/demo.sh
    scripts/demo.sh --scale
}

grade() { "$python" tests/grade/run.py; }

# A seed is a world, and seeded faults are found: its tests.
simulation() {
    tests_beside imagxp-simulation tests/simulation
    debug_build imagxp-simulation
    "$target/debug/imagxp-simulation" --seeds 200
}

# The second run must notice that ours has stopped comparing resources.
differential() {
    "$python" -m pytest --quiet -p no:cacheprovider tests/differential
    "$python" tests/differential/compare.py --seed 1 --count 5000
    "$python" tests/differential/compare.py --seed 1 --count 500 --show 0 --seed-fault
}

# The long forms are in scripts/faults.sh. What each proof would have to notice is seeded, too.
faults() { scripts/faults.sh short; }

# Into $processor: the seconds that this shell's children have computed. `times` must not run in a process of its own, which has no children.
processor() {
    times >"$log.times"
    processor=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, part, "[ms]"); sum += 60 * part[1] + part[2] } printf "%d", sum }' "$log.times")
    rm -f "$log.times"
}

# limited COMMAND...: a step's process, which is ended with all that it has started when it takes too long. It has a process group of its own
# then, which does not hear what is sent to ours: that is passed on.
limited() {
    if ! have timeout; then
        "$@"
        return
    fi
    timeout -k 60 "${STEP_SECONDS:-7200}" "$@" &
    process=$!
    trap 'kill "$process"; exit 143' INT TERM
    ended=0
    wait "$process" || ended=$?
    trap - INT TERM
    [ "$ended" != 124 ] || say "ended: it took longer than ${STEP_SECONDS:-7200} s"
    return "$ended"
}

# step NAME HEADING COMMAND...
step() {
    name=$1
    heading=$2
    shift 2
    case " $wanted " in
    *" $name "* | "  ") ;;
    *) return 0 ;;
    esac
    number=$((number + 1))
    log=$logs/$(printf '%02d' "$number")-$name.log
    begin=$(date +%s)
    processor
    before=$processor
    printf '\n== %s\n' "$heading"
    skipped=${log%.log}.skipped
    # `set -e` does not reach into a condition: each step is a process.
    status=0
    if [ -n "${VERBOSE:-}" ]; then
        { limited env IMAGXP_SKIPPED="$skipped" scripts/test.sh --run "$@" 2>&1 9>&- || echo $? >"$log.status"; } | tee "$log"
        [ ! -e "$log.status" ] || status=$(cat "$log.status")
    else
        limited env IMAGXP_SKIPPED="$skipped" scripts/test.sh --run "$@" >"$log" 2>&1 9>&- || status=$?
        if [ "$status" = 0 ]; then tail -n 3 "$log"; else tail -n 150 "$log"; fi
    fi
    said_skipped "$skipped" | tee -a "$log"
    took=$(($(date +%s) - begin))
    echo "$status" >"$logs/$name.ended"
    if [ "$status" != 0 ]; then
        echo "$heading" >>"$logs/failed"
        tail -n 12 "$log" | cut -c 1-240 >"$logs/$name.closing"
        printf '\n== FAILED after %s s: %s\n' "$took" "$heading"
        [ -z "$going_on" ] || return 0
        exit 1
    fi
    processor
    printf -- '-- %s s, %s s of processor: %s\n' "$took" $((processor - before)) "$heading"
    printf '%5s s  %5s s  %s\n' "$took" $((processor - before)) "$heading" >>"$logs/times"
}

# after LANE NAME...: waits for steps of another lane; it fails when one of them has failed, or when the lane is over without it.
after() {
    lane=$1
    shift
    for needed in "$@"; do
        case " $wanted " in
        *" $needed "* | "  ") ;;
        *) continue ;;
        esac
        while [ ! -s "$logs/$needed.ended" ]; do
            # The step ends before its lane does: so it is looked for once more.
            if [ ! -e "$logs/$lane.runs" ] && [ ! -s "$logs/$needed.ended" ]; then
                echo "$needed: its lane was over before it had ended" | tee -a "$logs/failed"
                break
            fi
            sleep 1
        done
        [ "$(cat "$logs/$needed.ended" 2>/dev/null)" = 0 ] || {
            printf '\n== the rest of this lane was not begun: it needs %s\n' "$needed"
            return 1
        }
    done
}

# lane NAME: its steps, in a process of their own; however that ends, it is not said to run any more. What says so is there before any lane
# begins and is removed, which a full disk allows too.
lane() {
    set +e
    (
        set -e
        "$1"
    )
    ended=$?
    rm -f "$logs/$1.runs"
    exit "$ended"
}

# together LANE LANE...: all at once; what the later ones say comes when they have ended. It fails when one of them does, and then names each
# step that failed: a lane goes on after one.
together() {
    # What runs in the background does not hear an interrupt from the keyboard by itself.
    trap 'trap - INT TERM; kill 0' INT TERM
    for lane in "$@"; do : >"$logs/$lane.runs"; done
    going_on=yes
    lane "$1" &
    first=$!
    shift
    others=
    for lane in "$@"; do
        lane "$lane" >"$logs/$lane.txt" 2>&1 &
        others="$others $lane:$!"
    done
    failed=0
    wait "$first" || failed=1
    for lane in $others; do
        wait "${lane#*:}" || failed=1
        cat "$logs/${lane%:*}.txt"
    done
    going_on=
    trap - INT TERM
    if [ "$failed" != 0 ] || [ -e "$logs/failed" ]; then
        cat "$logs"/*.closing 2>/dev/null || : # for whoever keeps only the end of what is printed
        [ ! -e "$logs/failed" ] || sort -u "$logs/failed" | sed 's/^/FAILED: /'
        exit 1
    fi
}

if [ "${1:-}" = --run ]; then
    shift
    "$@"
    exit
fi

wanted=$*
number=0
going_on=
all_begin=$(date +%s)
# Another run in this checkout would lose its logs. Who is started below does not hold it: a server that was forgotten must not either.
if have flock; then
    exec 9>"$target/test.lock"
    flock -n 9 || die "another scripts/test.sh is at work in this checkout"
fi
rm -rf "$logs"
mkdir -p "$logs"
parts="compiler rust crates"
needed=
[ -z "$wanted" ] || with_needs
# shellcheck disable=SC2086 # lists of words
{
    step setup "set-up: only what is missing" scripts/setup.sh $parts
    offline_when_fetched
    [ -z "$needed" ] || step made "what the steps need that were named" made $needed
}

# A lane is one processor's work, and some of a second one's. What is waited for (`after`) waits for nothing that comes later.
lane_rust() {
    step compile "all of ours compiled: clippy and rustdoc have no remark" compile
    step lane_setup "set-up: waits for the other one" scripts/setup.sh tools python node services
    step rust "Rust tests" rust
    step aws_lc "the other back end, AWS-LC: signatures, Wycheproof, vectors" aws_lc
    step generated "generated files are up to date" scripts/generated.sh
    after lane_services build || return 0
    after lane_release wasm release || return 0
    # The C tests copy what cargo has built, and no other lane compiles by then; conformance runs what they build.
    step c "C tests" tests/c/run.sh
    step conformance "conformance: one table, and what each language signs verified in the others" conformance
    step docs "code blocks of the documentation" docs
}
# What comes over the network; whole programs, which optimise on one processor; and what needs these only.
lane_release() {
    number=20
    step lane_setup "set-up beside the compiler: tools, Python, Node, services, nginx, Swift, a browser" \
        scripts/setup.sh tools python node services nginx swift dashboard
    step lint "format, lints of Python and shell, purity of the core" scripts/lint.sh
    step deny "licences, bans and sources of dependencies" deny
    step wasm "WebAssembly" wasm
    step release "the library as it ships, and the fuzz targets" release
    # nginx's tests are agents with the Python extension.
    after lane_services build || return 0
    step nginx "nginx module: black-box suite, sanitizers, valgrind, golden vectors" nginx
    # After nginx, whose module it grades too.
    step grade "our own servers and signers before the grader" grade
}
# Servers, which wait as long as they compute, here and in the next.
lane_services() {
    number=40
    after lane_rust compile || return 0
    step lane_setup "set-up: waits for the other one" scripts/setup.sh tools python node services nginx swift
    step build "bindings, command line and conformance runners" build
    step cli "command line tests, and the broker as a running service" cli
    step simulation "200 seeded worlds of broker, publishers, agents and a thief" simulation
    step differential "5 000 requests before three verifiers that share no code" differential
    step python "Python tests, types and stubs" python_tests
    step node "Node: the addon, its adapters in real frameworks, types, package" node_tests
    # After node, whose addon they copy.
    step node_examples "examples on Node: Fastify and Next" scripts/node_adapters.sh test
    after lane_release wasm || return 0
    step edge "the edge: WebAssembly in Node, workerd and Deno" scripts/wasm.sh test
}
lane_faults() {
    number=60
    after lane_services build || return 0
    # The brokers under faults, and their harness, are Python with the extension.
    step faults "the broker, killed again and again" faults
    step dashboard "the dashboard in a headless browser, against the real server" scripts/dashboard.sh test
    step swift "Swift: the package, its conformance runner and example, XCTest" swift
    after lane_release release || return 0
    step bench "benchmarks: the harness, each row once, instructions" bench
    step package "the C package: installation, ABI, Debian packages, example server" package
}
together lane_rust lane_release lane_services lane_faults
step fuzz "fuzz targets, 10 s each" scripts/fuzz.sh
step fuzz_bindings "fuzzing Python, Node and nginx, 10 s each, at once" scripts/fuzz_bindings.sh
step demo "demo, and the same at scale" demo

printf '\n== durations, and how long they computed\n'
cat "$logs/times"
took=$(($(date +%s) - all_begin))
printf '%5s s  in all\n\n' "$took"
[ -n "$wanted" ] || [ "${CI:-}" != true ] || in_time "$took" | tee "$logs/99-time.log"
# It asks for the standard library only, and a run of single steps may have no .venv.
python3 scripts/tally.py "$logs"/*.log
