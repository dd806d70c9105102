#!/bin/sh
# @imagxp/edge: the WebAssembly module, its JavaScript, and their tests.
#
# Usage: scripts/wasm.sh setup    npm packages, and the toolchain for wasm32
#        scripts/wasm.sh build    bindings/wasm/{generated,dist}; `build --update` keeps what is generated and in git
#        scripts/wasm.sh test     builds, then: is what is in git up to date? Node, workerd, Deno, types, surface, size
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/wasm_toolchain.sh"

package=$root/bindings/wasm
generated=$package/generated
# What wasm-bindgen writes and git keeps, so that a change of the API is seen in review.
kept="imagxp.js imagxp.d.ts"

setup() {
    have node || die "Node.js is missing: apt-get install nodejs npm"
    have npm || die "npm is missing: apt-get install npm"
    hash=$(hash_of "$package/package-lock.json")
    if [ ! -d "$package/node_modules" ] || ! done_before wasm-npm "$hash"; then
        say "setup: npm ci in bindings/wasm"
        (cd "$package" && npm ci --no-fund --no-audit --loglevel=error) >"$target/npm-wasm.log" 2>&1 || {
            tail -n 20 "$target/npm-wasm.log" >&2
            die "the npm packages of bindings/wasm could not be installed"
        }
        mark_done wasm-npm "$hash"
    fi
    wasm_toolchain || die "there is no way to compile for $wasm here"
}

sources_hash() {
    hash_of Cargo.lock Cargo.toml core/protocol/src core/protocol/Cargo.toml bindings/wasm/src bindings/wasm/Cargo.toml \
        bindings/wasm/generate bindings/wasm/ts bindings/wasm/tsconfig.json bindings/wasm/package-lock.json scripts/wasm_toolchain.sh
}

is_built() {
    [ -f "$generated/imagxp.wasm" ] && [ -f "$package/dist/index.js" ] && done_before wasm-built "$(sources_hash)"
}

build() {
    setup
    is_built && return 0
    module=$target/wasm/$wasm/wasm/imagxp_wasm.wasm
    wasm_cargo_run build --profile wasm --package imagxp-wasm
    # The tool runs here, not there.
    RUSTC='' cargo build --quiet --locked --package imagxp-wasm-generate
    fresh=$target/wasm/generated
    rm -rf "$fresh"
    "$target/debug/imagxp-wasm-generate" "$module" "$fresh"
    (cd "$package" && node_modules/.bin/wasm-opt -Os --enable-bulk-memory --enable-nontrapping-float-to-int \
        --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
        "$fresh/imagxp.wasm" -o "$fresh/optimised.wasm")
    mkdir -p "$generated"
    mv "$fresh/optimised.wasm" "$generated/imagxp.wasm"
    for file in $kept; do
        if [ "${1:-}" = --update ]; then
            cp "$fresh/$file" "$generated/$file"
        else
            cmp -s "$fresh/$file" "$generated/$file" ||
                die "bindings/wasm/generated/$file is out of date: scripts/wasm.sh build --update"
        fi
    done
    (cd "$package" && rm -rf dist && node_modules/.bin/tsc)
    mark_done wasm-built "$(sources_hash)"
}

tests() {
    build
    (cd "$package" && node --test --test-reporter=spec tests/*.test.js)
}

case ${1:-} in
setup) setup ;;
build) shift; build "$@" ;;
test) tests ;;
*) die "usage: scripts/wasm.sh setup|build|test" ;;
esac
