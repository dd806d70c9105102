#!/bin/sh
# Builds the C libraries twice, in two folders with other names and other times, and compares them byte for byte.
#
# Usage: scripts/reproducible.sh [--seed-fault]   with a source that differs in one character, which must be noticed
set -eu
. "$(dirname "$0")/lib.sh"
offline_when_fetched

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in one another/place; do
    mkdir -p "$work/$folder"
    git ls-files -z -co --exclude-standard | tar -c --null --no-recursion --ignore-failed-read -T - | tar -x -m -C "$work/$folder"
done
[ "${1:-}" != --seed-fault ] || sed -i 's/the system delivers no/the system delivered no/' "$work/another/place/ffi/src/random.rs"
for folder in one another/place; do
    (cd "$work/$folder" && CARGO_TARGET_DIR="$work/$folder/target" cargo build --quiet --locked --release -p imagxp-ffi -p imagxp-verifier)
done
status=0
for name in libimagxp.so libimagxp.a libimagxp_verifier.so libimagxp_verifier.a; do
    if cmp -s "$work/one/target/release/$name" "$work/another/place/target/release/$name"; then
        say "$(sha256sum "$work/one/target/release/$name" | cut -d ' ' -f 1)  $name"
    else
        say "$name differs between two builds"
        status=1
    fi
done
exit $status
