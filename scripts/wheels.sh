#!/bin/sh
# Builds the wheels of `imagxp` for manylinux2014 and musllinux (abi3, CPython 3.11 and newer), looks at what they need of the system, and
# tries the first one in an interpreter of its own; then the source distribution, and what pip makes of it. Prints where they are.
#
# Usage: scripts/wheels.sh [setup]   `setup` installs what is missing, and stops
set -eu
. "$(dirname "$0")/lib.sh"

tools=$cache/wheel-tools
wheels=$target/python-wheels
requirements=bindings/python/requirements-wheels.txt
# What is linked into a wheel; the source distribution has nothing linked into it, and is packed without.
notices=bindings/python/NOTICE-third-party.txt
machine=$(uname -m)

setup() {
    scripts/setup.sh rust crates python
    hash=$(hash_of "$requirements")
    [ "$(cat "$tools/stamp" 2>/dev/null || true)" = "$hash" ] && return 0
    mkdir -p "$cache"
    # Two checkouts may want it at once.
    exec 9>"$cache/wheel-tools.lock"
    flock 9
    if [ "$(cat "$tools/stamp" 2>/dev/null || true)" != "$hash" ]; then
        say "setup: $tools with zig and auditwheel"
        python3 -m venv --clear "$tools"
        "$tools/bin/pip" install --quiet --requirement "$requirements"
        echo "$hash" >"$tools/stamp"
    fi
    exec 9>&-
}

# build TARGET COMPATIBILITY: leaves the wheel's path in $wheel.
build() {
    say "== $2"
    mkdir -p "$wheels/$2"
    packaging/third_party.py imagxp-python --target "$1" >"$notices"
    # zig is found as a module of the interpreter that is first on the path.
    PATH="$tools/bin:$PATH" "$venv/bin/maturin" build --quiet --release --locked --zig --target "$1" --compatibility "$2" \
        --interpreter "$venv/bin/python" --manifest-path bindings/python/Cargo.toml --out "$wheels/$2" >"$wheels/$2.log" 2>&1 || {
        tail -n 40 "$wheels/$2.log" >&2
        die "maturin could not build the wheel for $2"
    }
    rm -f "$notices"
    wheel=$(find "$wheels/$2" -name '*-abi3-*.whl')
    [ -n "$wheel" ] || die "maturin has built no abi3 wheel for $2"
    # maturin writes what is linked into it. The blank ends the name.
    "$venv/bin/python" -m zipfile -l "$wheel" >"$wheels/contents"
    for name in sboms/imagxp-python.cyclonedx.json licenses/LICENSE licenses/NOTICE licenses/NOTICE-third-party.txt; do
        grep -q "dist-info/$name " "$wheels/contents" || die "the wheel for $2 has no $name"
    done
    rm -rf "$wheels/unpacked"
    "$venv/bin/python" -m zipfile -e "$wheel" "$wheels/unpacked"
    grep -q '^  pyo3 ' "$wheels"/unpacked/*.dist-info/licenses/NOTICE-third-party.txt || die "the wheel for $2 does not name what is linked into it"
    say "$(basename "$wheel"), $(du -k "$wheel" | cut -f 1) KiB"
}

# judge TAG: auditwheel has looked at the symbols that the library needs; what the file is called proves nothing.
judge() {
    "$tools/bin/auditwheel" show "$wheel" >"$wheels/audit" || die "auditwheel cannot read $wheel"
    tr '\n' ' ' <"$wheels/audit" | grep -q "is consistent with the following platform tag: \"$1\"" || {
        cat "$wheels/audit" >&2
        die "auditwheel does not find it fit for $1"
    }
    say "auditwheel: consistent with $1"
}

# auditwheel takes glibc's files for musl's where there is no musl. maturin has checked the wheel; the library is looked at once more.
judge_musl() {
    "$venv/bin/python" -m zipfile -e "$wheel" "$wheels/musl"
    library=$(find "$wheels/musl" -name '*.so')
    needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    [ "$needed" = libc.so ] || die "the library needs more than musl's libc.so: $needed"
    if readelf -V "$library" | grep -q GLIBC; then die "the library needs symbols of glibc"; fi
    say "readelf: needs $needed and nothing of glibc (not run: there is no CPython for musl here)"
}

try() {
    rm -rf "$wheels/clean"
    python3 -m venv "$wheels/clean"
    "$wheels/clean/bin/pip" install --quiet --no-index --no-deps "$wheel"
    (cd "$wheels" && "$wheels/clean/bin/python" -W error "$root/bindings/python/tests/smoke.py" 2>/dev/null)
}

# The source distribution, built far from the checkout, and without the network, as pip does it.
from_source() {
    say "== source distribution"
    "$venv/bin/maturin" sdist --manifest-path bindings/python/Cargo.toml --out "$wheels/source" >"$wheels/source.log" 2>&1 || {
        tail -n 40 "$wheels/source.log" >&2
        die "maturin could not pack the source distribution"
    }
    away=$(mktemp -d)
    trap 'rm -rf "$away"' EXIT
    cp "$wheels"/source/imagxp-*.tar.gz "$away"
    (cd "$away" && PATH="$venv/bin:$PATH" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$target/from-source" "$venv/bin/pip" wheel --quiet --no-index \
        --no-build-isolation --no-deps imagxp-*.tar.gz) >"$wheels/source.log" 2>&1 || {
        tail -n 40 "$wheels/source.log" >&2
        die "the source distribution does not build"
    }
    wheel=$(find "$away" -name '*-abi3-*.whl')
    try
    say "the source distribution builds, and what comes of it works"
}

# Whether the Rust toolchain has a standard library for a target; one that can be had is fetched.
has_target() {
    rustup target list --installed 2>/dev/null | grep -qx "$1" && return 0
    have rustup && rustup target add "$1" >/dev/null 2>&1
}

setup
[ "${1:-}" != setup ] || exit 0
rm -rf "$wheels"
mkdir -p "$wheels"
trap 'rm -f "$root/$notices"' EXIT
build "$machine-unknown-linux-gnu" manylinux2014
judge "manylinux_2_17_$machine"
try
musl=$machine-unknown-linux-musl
if has_target "$musl"; then
    build "$musl" musllinux_1_2
    judge_musl
else
    skip "the musllinux wheel: this machine has no Rust standard library for $musl, and rustup cannot fetch it"
fi
from_source
say "wheels: $wheels"
