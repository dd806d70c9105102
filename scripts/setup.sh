#!/bin/sh
# Installs what is missing, says so in one line each, and does nothing the second time.
#
# Usage: scripts/setup.sh PART...   with the parts: compiler tools rust crates python extension node nginx swift services dashboard
set -eu
. "$(dirname "$0")/lib.sh"

# command, header or Python module that shows that a package is there : Debian package
compiler="gcc:gcc g++:g++"
tools="cmake:cmake valgrind:valgrind pkg-config:pkg-config faketime:faketime shellcheck:shellcheck"

# What Rust needs to link, and its crates that are C.
compiler() {
    missing=
    for tool in $compiler; do
        have "${tool%%:*}" || missing="$missing ${tool#*:}"
    done
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
}

tools() {
    compiler
    missing=
    for tool in $tools; do
        have "${tool%%:*}" || missing="$missing ${tool#*:}"
    done
    { have pkg-config && pkg-config --exists jansson; } || missing="$missing libjansson-dev"
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
}

rust() {
    have cargo || die "Rust is missing: see https://rustup.rs"
    for component in rustfmt clippy; do
        cargo "$(echo "$component" | sed 's/rustfmt/fmt/')" --version >/dev/null 2>&1 && continue
        say "setup: rustup component add $component"
        rustup component add "$component"
    done
}

crates() {
    hash=$(locks_hash)
    done_before crates "$hash" && return 0
    say "setup: cargo fetch"
    cargo fetch --locked --quiet
    cargo fetch --locked --quiet --manifest-path fuzz/Cargo.toml || die "fuzz/Cargo.lock is out of date: run make vectors"
    mark_done crates "$hash"
}

python() {
    requirements=bindings/python/requirements-dev.txt
    hash=$(hash_of "$requirements")
    [ -x "$venv/bin/python" ] && done_before python "$hash" && return 0
    say "setup: .venv with $(grep -c '==' "$requirements") pinned packages"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "Python 3.11 or newer is needed"
    # Debian keeps what a venv begins with in a package of its own.
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$requirements"
    rm -f "$stamps/extension"
    mark_done python "$hash"
}

# The sources are hashed, not dated: a clone or a checkout gives every file a new date.
extension() {
    python
    hash=$(hash_of Cargo.lock Cargo.toml core/protocol/src core/protocol/Cargo.toml core/files/src core/files/Cargo.toml core/fetch/src core/fetch/Cargo.toml \
        core/replay-stores/src core/replay-stores/Cargo.toml core/database/src core/database/Cargo.toml \
        bindings/python/src bindings/python/python bindings/python/Cargo.toml bindings/python/pyproject.toml scripts/python_extension.py)
    if done_before extension "$hash" && "$venv/bin/python" -c 'import imagxp' 2>/dev/null; then
        return 0
    fi
    say "setup: the Python extension"
    library=lib_imagxp.so
    [ "$(uname)" != Darwin ] || library=lib_imagxp.dylib
    debug_build imagxp-python
    "$venv/bin/python" scripts/python_extension.py "$target/debug/$library"
    mark_done extension "$hash"
}

node() { scripts/node.sh setup; }

nginx() { scripts/nginx.sh setup; }

swift() { scripts/swift.sh setup; }

services() { scripts/services.sh setup; }

dashboard() { scripts/dashboard.sh setup; }

# Two steps of scripts/test.sh may want the same at once: the second waits, and finds it done.
if have flock; then
    exec 8>"$target/setup.lock"
    flock 8
fi
[ $# -gt 0 ] || die "which part? compiler tools rust crates python extension node nginx swift services dashboard"
for part in "$@"; do
    case $part in
    compiler | tools | rust | crates | python | extension | node | nginx | swift | services | dashboard) "$part" ;;
    *) die "there is no part $part" ;;
    esac
done
