#!/bin/sh
# Installs what is missing, says so in one line each, and does nothing the second time.
#
# Usage: scripts/setup.sh PART...   with the parts: tools rust crates python extension node nginx swift services dashboard
set -eu
. "$(dirname "$0")/lib.sh"

# command, header or Python module that shows that a package is there : Debian package
tools="gcc:gcc g++:g++ cmake:cmake valgrind:valgrind pkg-config:pkg-config faketime:faketime"

tools() {
    missing=
    for tool in $tools; do
        have "${tool%%:*}" || missing="$missing ${tool#*:}"
    done
    { have pkg-config && pkg-config --exists jansson; } || missing="$missing libjansson-dev"
    python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
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
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$requirements"
    mark_done python "$hash"
}

# What `maturin develop` leaves, but by the build that everything else shares: the library beside its module, and a path in .venv. Elsewhere
# than on Linux an extension is linked in ways that maturin knows.
extension() {
    python
    say "setup: the Python extension"
    if [ "$(uname)" != Linux ]; then
        VIRTUAL_ENV="$venv" "$venv/bin/maturin" develop --quiet --locked --manifest-path bindings/python/Cargo.toml
        return
    fi
    debug_build imagxp-python
    built=$target/debug/lib_imagxp.so
    module=bindings/python/python/imagxp/_imagxp.abi3.so
    # A new file, never over the old one: an interpreter that runs has that mapped.
    cmp -s "$built" "$module" || {
        cp "$built" "$module.new"
        mv "$module.new" "$module"
    }
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
    echo "$root/bindings/python/python" >"$site/imagxp.pth"
    "$venv/bin/python" -c 'import imagxp'
}

node() { scripts/node.sh setup; }

nginx() { scripts/nginx.sh setup; }

swift() { scripts/swift.sh setup; }

services() { scripts/services.sh setup; }

dashboard() { scripts/dashboard.sh setup; }

[ $# -gt 0 ] || die "which part? tools rust crates python extension node nginx swift services dashboard"
for part in "$@"; do
    case $part in
    tools | rust | crates | python | extension | node | nginx | swift | services | dashboard) "$part" ;;
    *) die "there is no part $part" ;;
    esac
done
