#!/bin/sh
# Builds the Debian packages from what `scripts/package.sh build` has built, and leaves them in target/deb.
#
# Usage: packaging/debian.sh [FOLDER]   FOLDER instead of target/deb
# dpkg-buildpackage writes beside and into the source tree, so it gets a copy of what git knows.
set -eu
# lib.sh finds the root from the script's own folder.
. "$(dirname "$0")/../scripts/lib.sh"

out=${1:-$target/deb}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
changelog=$(sed -n '1s/.*(\(.*\)-[^-]*).*/\1/p' packaging/debian/changelog)
[ "$version" = "$changelog" ] || die "the version is $version, and packaging/debian/changelog says $changelog"
packaging/symbols.py --check
[ -n "${IMAGXP_BUILT:-}" ] || scripts/package.sh build
built=${IMAGXP_BUILT:-$target/release}

rm -rf "$out"
mkdir -p "$out/imagxp-$version"
source=$out/imagxp-$version
git ls-files -z -co --exclude-standard | tar -c --null --no-recursion --ignore-failed-read -T - | tar -x -C "$source"
cp -R packaging/debian "$source/debian"

# debhelper gives the build a home of its own; cargo and the toolchain that it starts are in ours.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
module=$target/nginx/modules-release/ngx_http_imagxp_module.so
profiles=
[ -f "$module" ] || profiles=pkg.imagxp.nonginx
# -d: Rust may come from rustup, which dpkg does not know.
(cd "$source" && IMAGXP_BUILT=$built IMAGXP_NGINX_MODULE=$module DEB_BUILD_PROFILES=$profiles dpkg-buildpackage -b -d -us -uc) >"$out/build.log" 2>&1 || {
    tail -n 40 "$out/build.log" >&2
    die "the packages could not be built"
}
rm -rf "$source"
ls -l "$out"/*.deb
