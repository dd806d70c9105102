#!/bin/sh
# The examples of the Node package: a Fastify site with a dashboard, and a site on Next, installed, built and asked.
#
# Usage: scripts/node_adapters.sh build|test ...
#   build   installs both examples, and builds the one on Next, when something changed (no network beyond npm's)
#   test    runs them, with a tally. The adapters themselves are tested by scripts/node.sh
set -eu
. "$(dirname "$0")/lib.sh"

package=$root/bindings/node
fastify=$root/examples/node-publisher
next=$root/examples/next-publisher
export NEXT_TELEMETRY_DISABLED=1 NO_UPDATE_NOTIFIER=1

quietly() {
    log=$target/$1.log
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        die "failed: $*"
    }
}

install() {
    name=$(basename "$1")
    hash=$(hash_of "$1/package.json" "$1/package-lock.json" "$package/package.json")
    if [ -d "$1/node_modules" ] && done_before "$name" "$hash"; then
        return 0
    fi
    say "setup: npm install (examples/$name)"
    # Not `npm ci`: see scripts/wasm.sh.
    (cd "$1" && quietly "$name-npm" npm install --no-save --ignore-scripts --no-audit --no-fund)
    mark_done "$name" "$hash"
}

# A copy, as after an installation from a registry: bundlers follow no link out of a project.
copy_package() {
    copy=$1/node_modules/imagxp
    rm -rf "$copy"
    mkdir -p "$copy"
    (cd "$package" && cp -R adapters ./*.cjs ./*.mjs ./*.d.ts ./*.d.cts ./*.d.mts ./*.node package.json "$copy")
    rm -f "$copy/eslint.config.mjs"
}

build() {
    scripts/node.sh build
    install "$fastify"
    install "$next"
    copy_package "$fastify"
    copy_package "$next"
    hash=$({
        cd "$next"
        hash_of app lib package-lock.json next.config.ts proxy.ts tsconfig.json "$package/adapters"
        cat "$package"/*.cjs "$package"/*.mjs "$package"/index.d.ts "$package"/*.node | sha256sum
    } | sha256sum | cut -d ' ' -f 1)
    if [ -f "$next/.next/BUILD_ID" ] && done_before next-build "$hash"; then
        return 0
    fi
    say "setup: next build (examples/next-publisher)"
    # As a platform builds it for the Internet: with the origin in its environment, and no secret.
    (cd "$next" && quietly next-build env PUBLISHER_ORIGIN=https://pub.example node node_modules/next/dist/bin/next build)
    mark_done next-build "$hash"
}

tests() {
    build
    for example in "$fastify" "$next"; do
        (cd "$example" && node --test --test-timeout=600000 --test-reporter=spec)
    done
}

[ $# -gt 0 ] || die "which part? build test"
for part in "$@"; do
    case $part in
    build) "$part" ;;
    test) tests ;;
    *) die "there is no part $part" ;;
    esac
done
