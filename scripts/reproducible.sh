#!/bin/sh
# Builds the C libraries twice, in two folders with other names and other times, and compares them byte for byte.
#
# Usage: scripts/reproducible.sh               the C libraries
#        scripts/reproducible.sh --all         and the program with the broker in it (`make soak`: a quarter of an hour)
#        scripts/reproducible.sh --seed-fault  with a source that differs in one character, which must be noticed
set -eu
. "$(dirname "$0")/lib.sh"
offline_when_fetched

packages="-p imagxp-ffi -p imagxp-verifier"
names="libimagxp.so libimagxp.a libimagxp_verifier.so libimagxp_verifier.a"
if [ "${1:-}" = --all ]; then
    packages="$packages -p imagxp-cli"
    names="$names imagxp"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in one another/place; do
    mkdir -p "$work/$folder"
    git ls-files -z -co --exclude-standard | tar -c --null --no-recursion --ignore-failed-read -T - | tar -x -m -C "$work/$folder"
done
[ "${1:-}" != --seed-fault ] || sed -i 's/the system delivers no/the system delivered no/' "$work/another/place/ffi/src/random.rs"
for folder in one another/place; do
    # shellcheck disable=SC2086 # a list of words
    (cd "$work/$folder" && CARGO_TARGET_DIR="$work/$folder/target" cargo build --quiet --locked --release $packages)
done
status=0
for name in $names; do
    if cmp -s "$work/one/target/release/$name" "$work/another/place/target/release/$name"; then
        say "$(sha256sum "$work/one/target/release/$name" | cut -d ' ' -f 1)  $name"
    else
        say "$name differs between two builds"
        status=1
    fi
done
exit $status
