#!/bin/sh
# @imagxp/edge: the WebAssembly module, its JavaScript, and their tests.
#
# Usage: scripts/wasm.sh setup    npm packages, and the toolchain for wasm32
#        scripts/wasm.sh build    bindings/wasm/{generated,dist} and the notices; `build --update` rewrites the types, which are in git
#        scripts/wasm.sh test     builds, then: Node, workerd, Deno, Next's responses, types, surface, size; and the example
#        scripts/wasm.sh example  serves examples/edge-worker in workerd, and visits it
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/wasm_toolchain.sh"

package=$root/bindings/wasm
generated=$package/generated
# The types are in git, so that a change of the API is seen in review; the rest is made here.
types=$generated/imagxp.d.ts

setup() {
    have node || die "Node.js is missing: apt-get install nodejs npm"
    have npm || die "npm is missing: apt-get install npm"
    hash=$(hash_of "$package/package-lock.json")
    if [ ! -d "$package/node_modules" ] || ! done_before wasm-npm "$hash"; then
        say "setup: npm install (bindings/wasm)"
        # Not `npm ci`: it wants every platform's optional packages in the lock file, where npm does not write them.
        (cd "$package" && npm install --no-save --ignore-scripts --no-fund --no-audit) >"$target/npm-wasm.log" 2>&1 || {
            tail -n 20 "$target/npm-wasm.log" >&2
            die "the npm packages of bindings/wasm could not be installed"
        }
        mark_done wasm-npm "$hash"
    fi
    wasm_toolchain || die "there is no way to compile for $wasm here"
}

sources_hash() {
    hash_of Cargo.lock Cargo.toml core/protocol/src core/protocol/Cargo.toml bindings/wasm/src bindings/wasm/Cargo.toml \
        bindings/wasm/generate bindings/wasm/ts bindings/wasm/tsconfig.json bindings/wasm/package-lock.json "$types" scripts/wasm_toolchain.sh \
        packaging LICENSE NOTICE
}

is_built() {
    for file in generated/imagxp.wasm generated/imagxp.js dist/index.js sbom.cdx.json; do
        [ -f "$package/$file" ] || return 1
    done
    done_before wasm-built "$(sources_hash)"
}

build() {
    setup
    is_built && return 0
    module=$target/wasm/$wasm/wasm/imagxp_wasm.wasm
    wasm_cargo_run build --profile wasm --package imagxp-wasm
    # The tool runs here, not there.
    (unset RUSTC && debug_build imagxp-wasm-generate)
    fresh=$target/wasm/generated
    rm -rf "$fresh"
    "$target/debug/imagxp-wasm-generate" "$module" "$fresh"
    (cd "$package" && node_modules/.bin/wasm-opt -Os --enable-bulk-memory --enable-nontrapping-float-to-int \
        --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
        "$fresh/imagxp.wasm" -o "$fresh/optimised.wasm")
    mkdir -p "$generated"
    mv "$fresh/optimised.wasm" "$generated/imagxp.wasm"
    cp "$fresh/imagxp.js" "$generated/imagxp.js"
    if [ "${1:-}" = --update ]; then
        cp "$fresh/imagxp.d.ts" "$types"
    else
        diff -u "$types" "$fresh/imagxp.d.ts" || die "bindings/wasm/generated/imagxp.d.ts is out of date: scripts/wasm.sh build --update"
    fi
    (cd "$package" && rm -rf dist && node_modules/.bin/tsc)
    packaging/notices.sh imagxp-wasm "$package"
    mark_done wasm-built "$(sources_hash)"
}

tests() {
    build
    (cd "$package" && node --test --test-timeout=600000 --test-reporter=tap tests/*.test.js >"$target/wasm-tests.tap") || {
        # Only what fails, whole.
        grep -v '^ok ' "$target/wasm-tests.tap" | tail -n 200
        die "tests of @imagxp/edge fail"
    }
    grep -E '^(ok|# (\\# )?imagxp)' "$target/wasm-tests.tap"
    example
    tap_sum wasm "$target/wasm-tests.tap" 1
}

# The example as a reader would run it: with the package installed beside it.
example() {
    build
    mkdir -p "$root/examples/edge-worker/node_modules/@imagxp"
    ln -sfn "$package" "$root/examples/edge-worker/node_modules/@imagxp/edge"
    (cd "$root/examples/edge-worker" && node demo.js)
}

case ${1:-} in
setup) setup ;;
build) shift; build "$@" ;;
test) tests ;;
example) example ;;
*) die "usage: scripts/wasm.sh setup|build|test|example" ;;
esac
