# shellcheck shell=sh disable=SC2154 # lib.sh
# Sourced after lib.sh: how Rust is compiled for wasm32-unknown-unknown on this machine. `wasm_toolchain` sets $wasm_cargo (the words
# before the subcommand's own), exports what cargo needs, and says which toolchain it is; it fails when there is none.
#
# The standard library for that target comes from, in this order: the toolchain itself (`rustup target add
# wasm32-unknown-unknown`), a nightly with rust-src, or Debian's packages of rustc, unpacked (not installed) beside the
# system in $IMAGXP_CACHE. Only the last needs the network, and only the first time.

wasm=wasm32-unknown-unknown
suite=forky
debian=$cache/debian-$suite
wasm_cargo=
wasm_build_std=

# wasm_cargo_run check|build ARGUMENT...
wasm_cargo_run() {
    subcommand=$1
    shift
    # shellcheck disable=SC2086 # both are lists of words, or nothing
    CARGO_TARGET_DIR=$target/wasm cargo $wasm_cargo "$subcommand" $wasm_build_std --quiet --locked --target "$wasm" "$@"
}

has_std() { [ -n "$(find "$("$@" --print target-libdir --target $wasm)" -name 'libcore-*' 2>/dev/null)" ]; }

unpack_debian() {
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || return 1
    # A process of its own: what apt says is no reason to end here.
    have mmdebstrap || (apt_install mmdebstrap) || return 1
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
    cat >"$rustc.$$" <<EOF
#!/bin/sh
exec "$debian/usr/lib64/ld-linux-x86-64.so.2" --library-path "$debian/usr/lib/x86_64-linux-gnu" \\
    "$debian/usr/bin/rustc" --sysroot "$debian/usr" "\$@"
EOF
    chmod +x "$rustc.$$"
    mv "$rustc.$$" "$rustc"
}

# Debian's rustc looks for the linker in a package of its own; the toolchain that is installed has the same one.
find_linker() {
    host=$(rustc -vV | sed -n 's/^host: //p')
    linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
    [ -x "$linker" ] || linker=$(command -v wasm-ld || true)
    [ -n "$linker" ] || return 0
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
}

wasm_toolchain() {
    if has_std rustc; then
        say "with the toolchain's own $wasm"
    elif rustc +nightly --version >/dev/null 2>&1 &&
        [ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library" ]; then
        say "with the nightly toolchain's rust-src"
        wasm_cargo=+nightly
        wasm_build_std=-Zbuild-std=std,panic_abort
    else
        if [ ! -x "$debian/usr/bin/rustc" ]; then
            if [ "$(uname -m)" != x86_64 ] || [ "$(id -u)" != 0 ] || ! have apt-get; then
                say "no standard library for $wasm: run \`rustup target add $wasm\`"
                return 1
            fi
            # Two steps of scripts/test.sh may want it at once.
            mkdir -p "$cache"
            exec 8>"$cache/wasm.lock"
            flock 8
            [ -x "$debian/usr/bin/rustc" ] || unpack_debian || {
                tail -n 5 "$target/debian.log" 2>/dev/null || true
                say "no standard library for $wasm, and Debian's could not be fetched: run \`rustup target add $wasm\`"
                return 1
            }
            exec 8>&-
        fi
        find_linker
        write_wrapper
        RUSTC=$rustc
        export RUSTC
        say "with Debian's $("$rustc" --version)"
    fi
}
