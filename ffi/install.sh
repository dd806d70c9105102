#!/bin/sh
# Installs a built libimagxp: the library, its header, imagxp.pc and the CMake package.
# Usage: [DESTDIR=dir] [LIBDIR=lib] ffi/install.sh <prefix> <directory with libimagxp.so and libimagxp.a>
# DESTDIR goes before the prefix and into no file; LIBDIR is relative to the prefix (lib/x86_64-linux-gnu on Debian).
set -eu
[ $# -eq 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
built=$2
libdir=${LIBDIR:-lib}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
abi=$(sed -n 's/^const ABI: u32 = \([0-9]*\);/\1/p' "$here/build.rs")
[ -n "$version" ] && [ -n "$abi" ]
case $libdir in /* | *..*) echo "LIBDIR is relative to the prefix: $libdir" >&2; exit 2 ;; esac
case $1 in
/*) prefix=$1 ;;
*) prefix=$(pwd)/$1 ;;
esac
into=${DESTDIR:-}$prefix
# What Rust's standard library needs of the system: `rustc --print native-static-libs`, which the test of the package compares.
needs="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"

# place <file> <name>: replaced, not overwritten, so that a process that has the old one mapped keeps it.
place() {
    cp "$1" "$into/$2.new"
    chmod 644 "$into/$2.new"
    mv "$into/$2.new" "$into/$2"
}

mkdir -p "$into/$libdir/pkgconfig" "$into/$libdir/cmake/imagxp" "$into/include"
place "$here/../include/imagxp.h" include/imagxp.h
place "$built/libimagxp.a" "$libdir/libimagxp.a"
place "$built/libimagxp.so" "$libdir/libimagxp.so.$abi.$version"
# The table of local symbols is a seventh of it, and no use to anybody without the sources of this very build.
if command -v strip >/dev/null; then strip --strip-unneeded "$into/$libdir/libimagxp.so.$abi.$version"; fi
ln -sfn "libimagxp.so.$abi.$version" "$into/$libdir/libimagxp.so.$abi"
ln -sfn "libimagxp.so.$abi" "$into/$libdir/libimagxp.so"

# From the folder of imagxp.pc, and of the CMake package, back to the prefix: the whole tree may be moved.
up=$(echo "$libdir" | sed 's|[^/][^/]*|..|g')
# Of the system's own folders pkg-config drops -I and -L only when it sees their usual names.
case $prefix in
/usr | /usr/local) pc_prefix=$prefix ;;
*) pc_prefix="\${pcfiledir}/../$up" ;;
esac
fill() {
    sed -e "s|@PREFIX@|$pc_prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@UP@|$up|" -e "s|@NEEDS@|$needs|" \
        -e "s|@CMAKE_NEEDS@|$(echo "$needs" | sed 's/-l//g; s/ /;/g')|" \
        -e "s|@VERSION@|$version|" -e "s|@ABI@|$abi|" "$here/$1" >"$into/$2.new"
    chmod 644 "$into/$2.new"
    mv "$into/$2.new" "$into/$2"
}
fill imagxp.pc.in "$libdir/pkgconfig/imagxp.pc"
fill imagxp-config.cmake.in "$libdir/cmake/imagxp/imagxp-config.cmake"
fill imagxp-config-version.cmake.in "$libdir/cmake/imagxp/imagxp-config-version.cmake"
