#!/bin/sh
# The Swift binding: its toolchain, its library, its tests.
#
# Usage: scripts/swift.sh setup | build | generate | test | format | example | script FILE | enter COMMAND...
#   generate   compares Sources/Imagxp/Generated and the C header with what uniffi makes of the Rust half; `generate --update` rewrites them.
#              Where nothing has changed since they were made (scripts/swift_remembered.py), uniffi is not asked again; `generate --whole` asks it
#
# A `swift` (6.0 or newer) on PATH is used as it is. Else Debian's is prepared, once, in a root folder of its own in $IMAGXP_CACHE, and
# `enter` runs a command there. It sees this repository and the target folder under their own names; nothing else of the machine changes,
# since the mounts are made in a namespace that ends with the command.
set -eu
. "$(dirname "$0")/lib.sh"

suite=trixie
debian=$cache/swift-$suite
packages=swiftlang,libc6-dev,libstdc++-14-dev,gcc
swift=$target/swift
library=$swift/libimagxp_swift.a

is_native() {
    have swift || return 1
    major=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 6 ]
}

setup() {
    is_native && return 0
    [ "$(cat "$debian/packages" 2>/dev/null || true)" = "$packages" ] && return 0
    case $(uname -sm) in
    Linux\ x86_64 | Linux\ aarch64) ;;
    *) die "please install Swift 6.0 or newer: https://www.swift.org/install" ;;
    esac
    if [ "$(id -u)" != 0 ] || ! have apt-get; then
        die "please install Swift 6.0 or newer, or run this once as root on Debian"
    fi
    have mmdebstrap || apt_install mmdebstrap
    mkdir -p "$cache"
    # Two checkouts may want it at once.
    exec 9>"$cache/swift.lock"
    flock 9
    [ "$(cat "$debian/packages" 2>/dev/null || true)" = "$packages" ] && return 0
    unpack_debian || {
        tail -n 20 "$target/swift.log" >&2
        die "Debian's Swift could not be fetched"
    }
    exec 9>&-
}

unpack_debian() {
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || return 1
    say "setup: Debian's Swift into $debian (2.5 GB)"
    rm -rf "$debian.new"
    # A mirror may be a snapshot whose index has run out; its signature is checked all the same.
    mmdebstrap --quiet --mode=root --variant=essential --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$packages" $suite "$debian.new" "deb $mirror $suite main" >"$target/swift.log" 2>&1 || return 1
    chroot "$debian.new" ldconfig
    rm -rf "$debian.new/usr/share/doc" "$debian.new/usr/share/man" "$debian.new/usr/share/locale" "$debian"
    printf '%s\n' "$packages" >"$debian.new/packages"
    mv "$debian.new" "$debian"
}

enter() {
    if is_native; then
        exec env IMAGXP_SWIFT_LIBRARY="$library" IMAGXP_SWIFT_SYMBOLS="$swift/symbols" RUST_BACKTRACE=0 "$@"
    fi
    [ -f "$debian/packages" ] || die "there is no Swift: run scripts/swift.sh setup"
    # The compiler finds its libraries through /proc. Whatever is mounted here is gone when the command ends, however it ends.
    # shellcheck disable=SC2016 # the inner shell's variables
    exec unshare --mount --propagation private sh -euc '
        debian=$1 folder=$2
        for place in /proc /dev "$3" "$4"; do
            mkdir -p "$debian$place"
            mount --rbind "$place" "$debian$place"
        done
        shift 4
        exec chroot "$debian" env -i --chdir="$folder" "$@"' \
        sh "$debian" "$PWD" "$root" "$target" \
        PATH=/usr/bin:/bin HOME=/root LC_ALL=C.UTF-8 RUST_BACKTRACE=0 \
        IMAGXP_SWIFT_LIBRARY="$library" IMAGXP_SWIFT_SYMBOLS="$swift/symbols" "$@"
}

# swift_in FOLDER SCRATCH ARGUMENT...: SwiftPM in a package; what it says is shown when it fails.
swift_in() {
    folder=$1 scratch=$swift/$2 command=$3
    shift 3
    mkdir -p "$scratch"
    # Whether the static library has changed is not for SwiftPM to see.
    if [ -f "$scratch/library" ] && [ "$(cat "$scratch/library")" != "$(cat "$library.sum")" ]; then
        find "$scratch/" -type f -path '*/debug/*' \( -name '*.xctest' -o -name imagxp-conformance-swift -o -name reader \) -delete
    fi
    cp "$library.sum" "$scratch/library"
    (cd "$root/$folder" && enter swift "$command" --scratch-path "$scratch" "$@")
}

build() {
    setup
    mkdir -p "$swift"
    if [ "$(uname)" = Darwin ]; then
        scripts/xcframework.sh
    fi
    debug_build imagxp-swift
    cmp -s "$target/debug/libimagxp_swift.a" "$library" 2>/dev/null || {
        cp "$target/debug/libimagxp_swift.a" "$library.new"
        mv "$library.new" "$library"
    }
    sha256sum "$library" >"$library.sum"
    for package in conformance example; do
        swift_in "$(folder_of $package)" $package build >"$swift/$package.log" 2>&1 || {
            tail -n 60 "$swift/$package.log" >&2
            die "the Swift package in $(folder_of $package) does not build"
        }
    done
}

# uniffi's templates leave blanks at the ends of lines, which no editor and no reviewer wants.
generate() {
    debug_build imagxp-swift
    built=$target/debug/libimagxp_swift.so
    [ "$(uname)" != Darwin ] || built=$target/debug/libimagxp_swift.dylib
    if [ -z "${1:-}" ] && [ "$(uname)" = Linux ] && scripts/swift_remembered.py "$built"; then return 0; fi
    # It is compiled by nobody else: two minutes.
    cargo build --quiet --locked --package imagxp-swift-generate
    fresh=$swift/generated
    rm -rf "$fresh"
    mkdir -p "$fresh"
    "$target/debug/imagxp-swift-generate" "$built" bindings/swift/uniffi.toml "$fresh"
    for place in Imagxp/Generated/Imagxp.swift ImagxpFFI/ImagxpFFI.h; do
        made=$fresh/${place##*/}
        kept=bindings/swift/Sources/$place
        awk '{ sub(/[ \t]+$/, ""); print }' "$made" >"$made.trimmed"
        if [ "${1:-}" = --update ]; then
            cp "$made.trimmed" "$kept"
        else
            diff -u "$kept" "$made.trimmed" || die "$kept is out of date: scripts/swift.sh generate --update"
        fi
    done
    [ "$(uname)" = Linux ] || return 0
    if [ "${1:-}" = --update ]; then
        scripts/swift_remembered.py "$built" --update
    else
        scripts/swift_remembered.py "$built" || say "swift: until scripts/swift.sh generate --update, uniffi is asked each time"
    fi
}

folder_of() {
    case $1 in
    conformance) echo tests/conformance/swift/runner ;;
    example) echo examples/swift/reader ;;
    esac
}

# What the module exports, for SurfaceTests.swift: as the compiler sees it.
symbols() {
    rm -rf "$swift/symbols"
    mkdir -p "$swift/symbols"
    triple=$(enter swift -print-target-info | sed -n 's/^ *"triple": "\(.*\)",$/\1/p' | head -n 1)
    (enter swift symbolgraph-extract -module-name Imagxp -target "$triple" -I "$swift/conformance/debug/Modules" \
        -Xcc "-fmodule-map-file=$root/bindings/swift/Sources/ImagxpFFI/module.modulemap" -output-dir "$swift/symbols")
}

# What people wrote; uniffi writes as it likes.
written() {
    find "$root/bindings/swift/Package.swift" "$root/bindings/swift/Sources/Imagxp" "$root/bindings/swift/Tests" \
        "$root/tests/conformance/swift" "$root/examples/swift" -name '*.swift' ! -path '*/Generated/*'
}

format() {
    # shellcheck disable=SC2046 # a list of words
    enter swift format format --in-place --configuration bindings/swift/.swift-format $(written)
}

test() {
    build
    symbols
    # shellcheck disable=SC2046 # a list of words
    (enter swift format lint --strict --configuration bindings/swift/.swift-format $(written))
    (enter "$swift/example/debug/reader") >"$swift/example.txt"
    diff "$swift/example.txt" examples/swift/expected.txt || die "the example says something else than examples/swift/expected.txt"
    if [ "$(uname)" != Darwin ] && scripts/xcframework.sh 2>/dev/null; then
        die "scripts/xcframework.sh says that it has made something"
    fi
    "$IMAGXP_PYTHON" scripts/check_docs.py bindings/swift/README.md
    swift_in bindings/swift package test --disable-swift-testing
}

# Builds and runs examples/swift.
example() {
    build
    enter "$swift/example/debug/reader"
}

# Compiles one file with the package that `build` has made, and runs it.
script() {
    [ -f "$swift/conformance/debug/Modules/Imagxp.swiftmodule" ] || die "the package is not built: run scripts/swift.sh build"
    # Two steps of scripts/test.sh may run scripts at once.
    folder=$(mktemp -d "$swift/script.XXXXXX")
    trap 'rm -rf "$folder"' EXIT
    cp "$1" "$folder/main.swift"
    cd "$folder"
    (enter swiftc -swift-version 6 -warnings-as-errors -I "$swift/conformance/debug/Modules" \
        -Xcc "-fmodule-map-file=$root/bindings/swift/Sources/ImagxpFFI/module.modulemap" main.swift \
        "$swift"/conformance/debug/Imagxp.build/*.o -Xlinker "$library" -o main)
    (enter "$folder/main")
}

part=${1:-}
[ $# -eq 0 ] || shift
case $part in
setup | build | test | format | example) "$part" ;;
script | enter | generate) "$part" "$@" ;;
*) die "usage: scripts/swift.sh setup | build | generate | test | format | example | script FILE | enter COMMAND..." ;;
esac
