#!/bin/sh
# RUSTC_WRAPPER of scripts/fuzz.sh: coverage instrumentation for our own crates only. In the cryptography of our dependencies it would
# cost nine tenths of the speed and fill the corpus with points of a curve; AddressSanitizer is everywhere, by RUSTFLAGS.
set -eu
case "${CARGO_MANIFEST_DIR:-}/ $*" in
"$FUZZ_ROOT"/*" --target "*)
    # shellcheck disable=SC2086 # a list of words
    exec "$@" $FUZZ_COVERAGE
    ;;
*) exec "$@" ;;
esac
