#!/bin/sh
# Fuzzes every target for a while, with AddressSanitizer, on stable Rust and without the tool cargo-fuzz.
#
# Usage: scripts/fuzz.sh [-s SECONDS per target, default 10] [-f FILE for figures] [TARGET...]
#        scripts/fuzz.sh -h HOURS [TARGET...]  sets up, builds, and then so many whole hours of rounds, at most ten minutes for each target; the
#                                              bindings too (scripts/fuzz_bindings.sh)
#        scripts/fuzz.sh -b                    builds, and runs nothing
#        scripts/fuzz.sh -1 SECONDS TARGET     one target that is built already
#
# A campaign (hours, or more than a minute each) runs the profile `release`, the seconds of `make test` run `short` (fuzz/Cargo.toml);
# FUZZ_PROFILE names another. `-b` builds what `-s` or `-h` would.
# Order: build; `canary`, a seeded fault, must be found; then for each target the regression inputs (fuzz/regressions/TARGET),
# the seeds (fuzz/seeds/TARGET, and those that fuzz_seeds.py makes of tests/vectors) and what earlier runs found (fuzz/corpus-run/TARGET, not in git), and new inputs from those.
# A crash is kept in fuzz/artifacts/TARGET; move it to fuzz/regressions/TARGET when it is mended.
set -eu
. "$(dirname "$0")/lib.sh"

seconds=10
hours=0
one=
figures=
only_build=
while getopts bs:h:1:f: option; do
    case $option in
    b) only_build=yes ;;
    f) figures=$OPTARG ;;
    1) one=$OPTARG ;;
    s) seconds=$OPTARG ;;
    h) hours=$OPTARG ;;
    *) die "usage: scripts/fuzz.sh [-b] [-s SECONDS] [-h HOURS] [-f FILE] [TARGET...]" ;;
    esac
done
shift $((OPTIND - 1))
all=$(find fuzz/targets -name '*.rs' ! -name canary.rs | sed 's,.*/,,; s,\.rs$,,' | sort)
targets=${*:-$all}

host=$(rustc -vV | sed -n 's/^host: //p')
if [ -z "${FUZZ_PROFILE:-}" ]; then
    if [ "$hours" = 0 ] && [ "$seconds" -le 60 ]; then FUZZ_PROFILE=short; else FUZZ_PROFILE=release; fi
fi
export FUZZ_PROFILE
bin=$target/fuzz/$host/$FUZZ_PROFILE

# libFuzzer, as the crate libfuzzer-sys brings it and once for all profiles. Its build script compiles 25 files that read the same
# headers, which takes longer than all of our code; here they are one file. The two that have names in common with others stay apart.
library() {
    sources=$(cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml | python3 -c 'import json, os, sys
print(*(os.path.dirname(one["manifest_path"]) for one in json.load(sys.stdin)["packages"] if one["name"] == "libfuzzer-sys"))')/libfuzzer
    folder=$target/fuzz/libfuzzer
    hash=$(hash_of "$sources" "$root/scripts/fuzz.sh")
    export CUSTOM_LIBFUZZER_PATH="$folder/libfuzzer.a"
    if [ -f "$CUSTOM_LIBFUZZER_PATH" ] && done_before libfuzzer "$hash"; then return 0; fi
    rm -rf "$folder"
    mkdir -p "$folder"
    apart='FuzzerFork FuzzerInterceptors'
    for file in "$sources"/*.cpp; do
        case " $apart " in
        *" $(basename "$file" .cpp) "*) ;;
        *) printf '#include "%s"\n' "$file" ;;
        esac
    done >"$folder/together.cpp"
    for file in $apart; do ln -s "$sources/$file.cpp" "$folder/$file.cpp"; done
    for file in together $apart; do
        "${CXX:-c++}" -std=c++17 -O2 -fno-omit-frame-pointer -w -I "$sources" -c "$folder/$file.cpp" -o "$folder/$file.o"
    done
    ar rc "$CUSTOM_LIBFUZZER_PATH" "$folder"/*.o
    mark_done libfuzzer "$hash"
}

# The flags are cargo-fuzz's. The sanitizer is an unstable flag, which RUSTC_BOOTSTRAP admits on a stable compiler; naming the
# target keeps the flags away from build scripts and procedural macros. The targets themselves are compiled by clippy's driver: what
# they are linked with need not be compiled a second time for its sake.
build() {
    library
    llvm="-Cllvm-args=-sanitizer-coverage"
    FUZZ_ROOT=$root
    FUZZ_COVERAGE="-Cpasses=sancov-module $llvm-level=4 $llvm-inline-8bit-counters $llvm-pc-table $llvm-trace-compares \
        $llvm-stack-depth -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
    export FUZZ_ROOT FUZZ_COVERAGE
    # fuzz/Cargo.toml denies warnings.
    cap=
    [ "${IMAGXP_WARNINGS:-$(warnings_level)}" = deny ] || cap=" --cap-lints warn"
    RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$root/scripts/fuzz_rustc.sh RUSTC_WORKSPACE_WRAPPER=clippy-driver CARGO_TARGET_DIR=$target/fuzz \
        RUSTFLAGS="--cfg fuzzing -Zsanitizer=address$cap" \
        cargo build --quiet --locked --profile "$FUZZ_PROFILE" --target "$host" --bins --manifest-path fuzz/Cargo.toml
}

# run TARGET SECONDS
run() {
    name=$1
    corpus=fuzz/corpus-run/$name
    artifacts=fuzz/artifacts/$name
    mkdir -p "$corpus" "$artifacts" "$target/fuzz/logs"
    log=$target/fuzz/logs/$name.log
    dictionary=
    [ ! -f "fuzz/dictionaries/$name.dict" ] || dictionary=-dict=fuzz/dictionaries/$name.dict
    seeds=
    for folder in "fuzz/regressions/$name" "fuzz/seeds/$name" "$target/fuzz/seeds/$name"; do
        [ ! -d "$folder" ] || seeds="$seeds $folder"
    done
    # The values of comparisons are worth their books in hours: in seconds they leave a sixth of the inputs, and less is reached.
    values=0
    [ "$FUZZ_PROFILE" = short ] || values=1
    # shellcheck disable=SC2086 # lists of words
    if "$bin/$name" -max_total_time="$2" -timeout=10 -rss_limit_mb=3000 -max_len=16384 -use_value_profile="$values" \
        -print_final_stats=1 -artifact_prefix="$artifacts/" $dictionary "$corpus" $seeds >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        # A target that is given time and runs nothing proves nothing.
        [ "${runs:-0}" -gt 100 ] || return 1
        printf '%-9s %9s inputs, %5s in its corpus\n' "$name" "$runs" "$(find "$corpus" -type f | wc -l)"
    else
        return 1
    fi
}

canary() {
    mkdir -p "$target/fuzz/logs"
    log=$target/fuzz/logs/canary.log
    if "$bin/canary" -seed=1 -max_total_time=60 -artifact_prefix="$target/fuzz/" >"$log" 2>&1; then
        die "the canary, a seeded fault, was not found in 60 s: the harness is blind"
    fi
    grep -q 'AddressSanitizer: heap-buffer-overflow' "$log" || {
        tail -n 20 "$log" >&2
        die "the canary did not end by AddressSanitizer"
    }
    say "canary    found, as it must be"
}

# As many targets at a time as there are processors; the first that fails ends the round.
round() {
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' $targets | xargs -P "$(nproc)" -n 1 "$root/scripts/fuzz.sh" -1 "$1" || {
        say "0 passed, 1 failed"
        die "a fuzz target failed; its input is in fuzz/artifacts"
    }
}

if [ -n "$one" ]; then
    [ -d "$target/fuzz/seeds" ] || python3 scripts/fuzz_seeds.py "$target/fuzz/seeds"
    run "$targets" "$one" || {
        tail -n 40 "$target/fuzz/logs/$targets.log" >&2
        printf 'error: the fuzz target %s failed\n' "$targets" >&2
        exit 255
    }
    exit 0
fi
[ "$(uname -s)" = Linux ] || {
    skip "the fuzz targets are built for Linux only"
    exit 0
}
if [ "$hours" != 0 ]; then
    scripts/setup.sh tools rust crates python extension node nginx
    scripts/node.sh build
    scripts/nginx.sh build asan
fi
build
[ -z "$only_build" ] || exit 0
rm -rf "$target/fuzz/seeds"
python3 scripts/fuzz_seeds.py "$target/fuzz/seeds"
canary
# shellcheck disable=SC2086 # a list of words
set -- $targets
if [ "$hours" = 0 ]; then
    round "$seconds"
else
    # So many stretches, one after the other, has a round: the targets by as many as there are processors, and the bindings at once.
    stretches=$((($# + $(nproc) - 1) / $(nproc) + 1))
    end=$(($(date +%s) + hours * 3600))
    left=$((hours * 3600))
    while each=$((left / stretches)) && [ "$each" -ge 10 ]; do
        [ "$each" -le 600 ] || each=600
        round "$each"
        scripts/fuzz_bindings.sh -s "$each"
        left=$((end - $(date +%s)))
    done
fi
[ -z "$figures" ] || printf '{"pass": true, "seed_fault": false, "seed": null, "figures": {"targets": %s, "seconds_each": %s}, "wrong": []}\n' \
    "$#" "$seconds" >"$figures"
say "$(($# + 1)) passed, 0 failed"
