#!/bin/sh
# The Rust half of the Swift package for Apple platforms: bindings/swift/build/ImagxpFFI.xcframework (macOS, iOS, its simulator).
# With the notices of what is linked into it, and a bill of materials. Needs macOS with Xcode, rustup for
# the targets that are missing, and Python 3.11.
set -eu
. "$(dirname "$0")/lib.sh"

[ "$(uname)" = Darwin ] || die "an XCFramework is made by Xcode, on macOS; on Linux SwiftPM links libimagxp_swift.a (bindings/swift/README.md)"
for tool in xcodebuild lipo rustup; do
    have "$tool" || die "$tool is missing: install Xcode (xcode-select --install) and rustup (https://rustup.rs)"
done
# The notices are written last: what they need is found out first.
python3 -c 'import tomllib' 2>/dev/null || die "Python 3.11 or newer is needed for the notices (python3 on the PATH)"
cargo fetch --quiet --locked

package=$root/bindings/swift
build=$package/build
profile=release

# One slice per platform, each a static library of one or two architectures.
macos="aarch64-apple-darwin x86_64-apple-darwin"
ios="aarch64-apple-ios"
simulator="aarch64-apple-ios-sim x86_64-apple-ios"

# What Package.swift promises; a library built for a newer system warns at every link.
export MACOSX_DEPLOYMENT_TARGET=12.0 IPHONEOS_DEPLOYMENT_TARGET=15.0

for architecture in $macos $ios $simulator; do
    rustup target list --installed | grep -qx "$architecture" || {
        say "setup: rustup target add $architecture"
        rustup target add "$architecture"
    }
    say "building for $architecture"
    cargo build --quiet --locked --$profile --package imagxp-swift --target "$architecture"
done

# slice NAME ARCHITECTURE...: joins the libraries of one platform.
slice() {
    name=$1
    shift
    mkdir -p "$build/$name"
    libraries=
    for architecture in "$@"; do
        libraries="$libraries $target/$architecture/$profile/libimagxp_swift.a"
    done
    # shellcheck disable=SC2086 # a list of words
    lipo -create -output "$build/$name/libimagxp_swift.a" $libraries
}

# Clang looks for a module in the folder of its name; two packages with a module.modulemap of their own then do not collide.
headers=$build/headers
rm -rf "$build"
mkdir -p "$headers/ImagxpFFI"
cp "$package/Sources/ImagxpFFI/ImagxpFFI.h" "$package/Sources/ImagxpFFI/module.modulemap" "$headers/ImagxpFFI/"
# shellcheck disable=SC2086 # lists of words
{
    slice macos $macos
    slice ios $ios
    slice simulator $simulator
}
xcodebuild -create-xcframework \
    -library "$build/macos/libimagxp_swift.a" -headers "$headers" \
    -library "$build/ios/libimagxp_swift.a" -headers "$headers" \
    -library "$build/simulator/libimagxp_swift.a" -headers "$headers" \
    -output "$build/ImagxpFFI.xcframework"
targets=
for architecture in $macos $ios $simulator; do targets="$targets --target $architecture"; done
# shellcheck disable=SC2086 # a list of words
packaging/notices.sh imagxp-swift "$build/ImagxpFFI.xcframework" $targets
say "$build/ImagxpFFI.xcframework"
