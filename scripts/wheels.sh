#!/bin/sh
# Builds the wheels of `imagxp` for manylinux2014 and musllinux (abi3, CPython 3.11 and newer), has auditwheel judge them, and tries the
# first one in an interpreter of its own. Prints where they are.
#
# Usage: scripts/wheels.sh [setup]   `setup` installs what is missing, and stops
set -eu
. "$(dirname "$0")/lib.sh"

cache=${IMAGXP_CACHE:-/var/cache/imagxp}
tools=$cache/wheel-tools
wheels=$target/wheels
requirements=bindings/python/requirements-wheels.txt
machine=$(uname -m)

setup() {
    scripts/setup.sh rust crates python
    hash=$(hash_of "$requirements")
    [ "$(cat "$tools/stamp" 2>/dev/null || true)" = "$hash" ] && return 0
    say "setup: $tools with zig and auditwheel"
    mkdir -p "$cache"
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --requirement "$requirements"
    echo "$hash" >"$tools/stamp"
}

# build TARGET COMPATIBILITY
build() {
    say "== $2"
    # zig is found as a module of the interpreter that is first on the path.
    PATH="$tools/bin:$PATH" "$venv/bin/maturin" build --quiet --release --locked --zig --target "$1" --compatibility "$2" \
        --interpreter "$venv/bin/python" --manifest-path bindings/python/Cargo.toml --out "$wheels"
    wheel=$(find "$wheels" -name "*$2*.whl" -o -name "*manylinux_2_17*.whl" | head -n 1)
    case $2 in musllinux*) wheel=$(find "$wheels" -name "*$2*.whl" | head -n 1) ;; esac
    [ -n "$wheel" ] || die "maturin has built no wheel for $2"
    size=$(du -k "$wheel" | cut -f 1)
    say "$(basename "$wheel"), $size KiB"
}

# judge TAG: auditwheel has looked into the library, at the symbols that it needs.
judge() {
    "$tools/bin/auditwheel" show "$wheel" >"$wheels/audit" || die "auditwheel cannot read $wheel"
    grep -q "$1" "$wheels/audit" || {
        cat "$wheels/audit" >&2
        die "auditwheel does not find it fit for $1"
    }
    say "auditwheel: $1"
}

try() {
    rm -rf "$wheels/clean"
    python3 -m venv "$wheels/clean"
    "$wheels/clean/bin/pip" install --quiet --no-index --no-deps "$wheel"
    (cd "$wheels" && "$wheels/clean/bin/python" -W error "$root/bindings/python/tests/smoke.py")
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
passed=0
build "$machine-unknown-linux-gnu" manylinux2014
judge "manylinux_2_17_$machine"
try
passed=$((passed + 1))
musl=$machine-unknown-linux-musl
if has_target "$musl"; then
    build "$musl" musllinux_1_2
    judge "musllinux_1_2_$machine"
    passed=$((passed + 1))
else
    skip "the musllinux wheel: this machine has no Rust standard library for $musl, and rustup cannot fetch it"
fi
say "wheels: $passed passed, 0 failed"
