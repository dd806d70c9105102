#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of what scripts/test.sh builds without optimisation (cargo_debug, scripts/lib.sh): our own crates are compiled by
# clippy's driver, and rustdoc reads the libraries, both with warnings as errors. `cargo clippy` and `cargo doc` would say the same, and compile
# every dependency a second time for it. IMAGXP_WARNINGS=warn (warnings_level, scripts/lib.sh) shows warnings, and lets them be.
set -eu
errors="-D warnings"
[ "${IMAGXP_WARNINGS:-deny}" = deny ] || errors=
# shellcheck disable=SC2086 # two words, or none
clippy-driver "$@" $errors

# What is asked of a compiler, and programs, tests and build scripts, have no documentation; nor has the verifier, whose sources are the library's.
case " $* " in
*" --crate-name build_script_build "* | *" --crate-name imagxp_verifier "*) exit ;;
*" --crate-type bin "* | *" --test "*) exit ;;
*" --crate-name imagxp"*) ;;
*) exit ;;
esac
shift
# The same words but those that are the compiler's alone.
left=$#
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in
    --emit=* | -C*=*) continue ;;
    --emit | -C | --out-dir | -l)
        shift
        left=$((left - 1))
        continue
        ;;
    esac
    set -- "$@" "$word"
done
# shellcheck disable=SC2086
exec rustdoc "$@" $errors --document-private-items -o "$CARGO_TARGET_DIR/strict-doc"
