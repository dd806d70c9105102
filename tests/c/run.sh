#!/bin/sh
# Builds libimagxp and everything that is written in C against it, and runs it in every way: as C11 and as C++17, shared and static,
# under ASan+UBSan+LSan and under valgrind; then a seeded leak, which both must see, a seeded panic, and the examples.
# `run.sh exhausted` builds only what it takes to fail each allocation behind the C ABI once, and does that (`make soak`); `run.sh conformance`
# builds only the conformance runner.
# Needs cargo, cmake, pkg-config, gcc with its sanitizers, g++, valgrind, jansson. Prints "N passed, 0 failed" or ends with 1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
build=$target/c
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-2}"
passed=0

for tool in cargo cmake pkg-config gcc g++ valgrind nm; do
    command -v "$tool" >/dev/null || { echo "$tool is missing; the set-up script installs it" >&2; exit 1; }
done

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# one <what> <command...>: a single check.
one() {
    what=$1
    shift
    "$@" >"$build/one" 2>&1 || { cat "$build/one" >&2; die "$what"; }
    passed=$((passed + 1))
    echo "ok  $what"
}

# programs <what> <directory> [wrapper...]: every test program in it; each says how many tests it ran.
programs() {
    what=$1
    directory=$2
    shift 2
    count=0
    for program in "$directory"/test_*; do
        "$@" "$program" >"$build/out" 2>"$build/err" || { cat "$build/out" "$build/err" >&2; die "$what: $(basename "$program")"; }
        line=$(tail -n 1 "$build/out")
        case $line in
        [1-9]*" passed, 0 failed") count=$((count + ${line%% *})) ;;
        *) die "$what: $(basename "$program") said '$line'" ;;
        esac
    done
    [ "$count" -gt 0 ] || die "$what: nothing ran"
    passed=$((passed + count))
    echo "ok  $what: $count tests"
}

# variant <name> <prefix> [cmake options...]
variant() {
    name=$1
    prefix=$2
    shift 2
    # A stale program must not pass for a test.
    rm -rf "${build:?}/$name"
    {
        PKG_CONFIG_PATH="$prefix/lib/pkgconfig" cmake -S "$here" -B "$build/$name" "$@" >"$build/log" 2>&1 &&
            cmake --build "$build/$name" >>"$build/log" 2>&1
    } || { cat "$build/log" >&2; die "$name does not build"; }
}

# The conformance runner, for tests/conformance/run c.
runner() {
    rm -rf "$build/conformance"
    PKG_CONFIG_PATH="$build/prefix/lib/pkgconfig" \
        one "conformance runner configures" cmake -S "$root/tests/conformance/c" -B "$build/conformance"
    one "conformance runner builds" cmake --build "$build/conformance"
    printf '{"id":1,"op":"host","name":"a.example"}\n{"id":2,"op":"nothing"}\n{"id":3' | "$root/tests/conformance/run" c >"$build/log"
    one "conformance runner answers" grep -q '"id":2' "$build/log"
}

mkdir -p "$build"
cd "$root"
cargo build --quiet --package imagxp-ffi --release
ffi/install.sh "$build/prefix" "$target/release"
if [ "${1:-}" = exhausted ]; then
    variant c11 "$build/prefix"
    one "memory that runs out: the seeded faults are noticed" "$build/c11/exhausted" --seed-fault
    exec "$build/c11/exhausted" --all
fi
if [ "${1:-}" = conformance ]; then
    runner
    exit
fi
# The library with the seeded panic is never installed beside the release. In a run of everything (scripts/lib.sh) its dependencies are there.
if [ -n "${IMAGXP_EVERYTHING:-}" ] && [ ! -d "$target/hooks/debug" ]; then
    mkdir -p "$target/hooks/debug"
    # What cargo writes in place is copied: a fingerprint that both share tells the one of the other's build. rustc and the linkers replace files.
    cp -a "$target/debug/.fingerprint" "$target/debug/build" "$target/hooks/debug/"
    cp -al "$target/debug/deps" "$target/hooks/debug/"
fi
# shellcheck disable=SC2086 # lists of words
RUSTC_WORKSPACE_WRAPPER=${IMAGXP_EVERYTHING:+$root/scripts/strict_rustc.sh} \
    cargo build --quiet --locked ${IMAGXP_EVERYTHING:---package imagxp-ffi} ${IMAGXP_EVERYTHING:+--lib --test worlds} \
    --features imagxp-ffi/test-hooks --target-dir "$target/hooks"
ffi/install.sh "$build/hooks-prefix" "$target/hooks/debug"

variant c11 "$build/prefix"
programs "C11, shared" "$build/c11"
variant cpp17 "$build/prefix" -DIMAGXP_AS_CPP=ON
programs "C++17, shared" "$build/cpp17"
variant static "$build/prefix" -DIMAGXP_STATIC=ON
programs "C11, static" "$build/static"
variant sanitized "$build/prefix" -DIMAGXP_STATIC=ON -DIMAGXP_SANITIZE=ON
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
programs "C11, ASan+UBSan+LSan" "$build/sanitized"
valgrind="valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect,possible --trace-children=yes --error-exitcode=99"
# shellcheck disable=SC2086 # the words are meant to be split
programs "C11, valgrind" "$build/c11" $valgrind

# The checkers see a leak where there is one.
"$build/sanitized/leak" >"$build/log" 2>&1 && die "LSan does not see the seeded leak"
one "LSan sees the seeded leak" grep -q "LeakSanitizer: detected memory leaks" "$build/log"
# shellcheck disable=SC2086
if $valgrind "$build/c11/leak" >"$build/log" 2>&1; then die "valgrind does not see the seeded leak"; fi
one "valgrind sees the seeded leak" grep -q "definitely lost" "$build/log"

# Each allocation of the library fails once.
"$build/c11/exhausted" >"$build/out" 2>"$build/err" || { cat "$build/out" "$build/err" >&2; die "memory that runs out"; }
passed=$((passed + $(sed -n 's/ passed, 0 failed$//p' "$build/out")))
echo "ok  memory that runs out: $(head -n 1 "$build/out")"
one "memory that runs out: the seeded faults are noticed" "$build/c11/exhausted" --seed-fault

variant panic "$build/hooks-prefix" -DIMAGXP_HOOKS=ON
programs "seeded panic" "$build/panic"
variant panic-sanitized "$build/hooks-prefix" -DIMAGXP_HOOKS=ON -DIMAGXP_STATIC=ON -DIMAGXP_SANITIZE=ON
programs "seeded panic, ASan+UBSan+LSan" "$build/panic-sanitized"

# Every exported symbol is called by some test.
nm --undefined-only "$build"/c11/test_* | sed -n 's/.* U \(imagxp_[a-z0-9_]*\)$/\1/p' | sort -u >"$build/called"
sort "$root/ffi/symbols.txt" >"$build/exported"
one "every exported symbol is called" diff "$build/exported" "$build/called"

# The examples, by the CMake package.
rm -rf "$build/find_package"
one "examples configure" cmake -S "$here/find_package" -B "$build/find_package" -Dimagxp_DIR="$build/prefix/lib/cmake/imagxp"
one "examples build" cmake --build "$build/find_package"
for example in ten_lines ten_lines_static; do
    "$build/find_package/$example" >"$build/log"
    one "examples: $example" grep -q "^401 this site asks automated readers to identify themselves$" "$build/log"
done
data=$here/data
LC_ALL=C
"$build/find_package/verify" "$data/policy.json" "$data/manifest.json" "$data/request.http" "$(cat "$data/now")" >"$build/log" ||
    { cat "$build/log" >&2; die "examples: verify a good request"; }
one "examples: verify a good request" grep -qx "200 agent.example" "$build/log"
if "$build/find_package/verify" "$data/policy.json" "$data/manifest.json" "$data/request.http" 1 >"$build/log"; then
    die "examples: a request from the future passed"
fi
one "examples: verify a bad request" grep -q "^401 time.future" "$build/log"

runner

echo "$passed passed, 0 failed"
