#!/bin/sh
# Installs a built libimagxp with its header and imagxp.pc.
# Usage: ffi/install.sh <prefix> <directory with libimagxp.so and libimagxp.a>
set -eu
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
prefix=$1
built=$2
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
abi=$(sed -n 's/^const ABI: u32 = \([0-9]*\);/\1/p' "$here/build.rs")
[ -n "$version" ] && [ -n "$abi" ]

mkdir -p "$prefix/lib/pkgconfig" "$prefix/lib/cmake/imagxp" "$prefix/include"
prefix=$(cd "$prefix" && pwd)
cp "$here/../include/imagxp.h" "$here/../include/module.modulemap" "$prefix/include/"
cp "$built/libimagxp.a" "$prefix/lib/"
# Replaced, not overwritten: a process that has the old one mapped keeps it.
cp "$built/libimagxp.so" "$prefix/lib/libimagxp.so.$version.new"
mv "$prefix/lib/libimagxp.so.$version.new" "$prefix/lib/libimagxp.so.$version"
ln -sf "libimagxp.so.$version" "$prefix/lib/libimagxp.so.$abi"
ln -sf "libimagxp.so.$abi" "$prefix/lib/libimagxp.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$here/imagxp.pc.in" >"$prefix/lib/pkgconfig/imagxp.pc"
sed -e "s|@VERSION@|$version|" "$here/imagxp-config.cmake.in" >"$prefix/lib/cmake/imagxp/imagxp-config.cmake"
