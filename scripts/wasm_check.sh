#!/bin/sh
# Type-checks the core for wasm32-unknown-unknown: there it can have no files, sockets, threads or clock.
#
# The standard library for that target comes from, in this order: the toolchain itself (`rustup target add
# wasm32-unknown-unknown`), a nightly with rust-src, or Debian's packages of rustc, unpacked (not installed) beside the
# system in $IMAGXP_CACHE. Only the last needs the network, and only the first time.
set -eu
. "$(dirname "$0")/lib.sh"

wasm=wasm32-unknown-unknown
cache=${IMAGXP_CACHE:-/var/cache/imagxp}
suite=forky
debian=$cache/debian-$suite

check() {
    CARGO_TARGET_DIR=$target/wasm cargo "$@" --quiet --locked --package imagxp --target $wasm
}

has_std() { [ -n "$(find "$("$@" --print target-libdir --target $wasm)" -name 'libcore-*' 2>/dev/null)" ]; }

unpack_debian() {
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || return 1
    have mmdebstrap || {
        apt-get update -q && apt-get install -q -y --no-install-recommends mmdebstrap
    } >"$target/apt.log" 2>&1 || return 1
    say "setup: unpacking Debian's rustc for $wasm into $debian"
    rm -rf "$debian.new"
    mkdir -p "$cache"
    # A mirror may be a snapshot whose index has run out; its signature is checked all the same.
    mmdebstrap --quiet --mode=root --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
        --include=rustc,libstd-rust-dev-wasm32 $suite "$debian.new" "deb $mirror $suite main" \
        >"$target/debian.log" 2>&1 || return 1
    rm -rf "$debian.new/usr/share" "$debian"
    mv "$debian.new" "$debian"
}

# Debian's rustc runs with Debian's own C library, which may be newer than this machine's.
write_wrapper() {
    mkdir -p "$target/wasm"
    rustc=$target/wasm/debian-rustc
    cat >"$rustc" <<EOF
#!/bin/sh
exec "$debian/usr/lib64/ld-linux-x86-64.so.2" --library-path "$debian/usr/lib/x86_64-linux-gnu" \\
    "$debian/usr/bin/rustc" --sysroot "$debian/usr" "\$@"
EOF
    chmod +x "$rustc"
}

if has_std rustc; then
    say "with the toolchain's own $wasm"
    check check
elif rustc +nightly --version >/dev/null 2>&1 &&
    [ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library" ]; then
    say "with the nightly toolchain's rust-src"
    check +nightly check -Zbuild-std=std,panic_abort
else
    if [ ! -x "$debian/usr/bin/rustc" ]; then
        if [ "$(uname -m)" != x86_64 ] || [ "$(id -u)" != 0 ] || ! have apt-get; then
            skip "no standard library for $wasm: run \`rustup target add $wasm\`"
            exit 0
        fi
        unpack_debian || {
            tail -n 5 "$target/debian.log" 2>/dev/null || true
            skip "no standard library for $wasm, and Debian's could not be fetched: run \`rustup target add $wasm\`"
            exit 0
        }
    fi
    write_wrapper
    say "with Debian's $("$rustc" --version)"
    RUSTC=$rustc
    export RUSTC
    check check
fi
