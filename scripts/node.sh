#!/bin/sh
# The Node binding: its tools, the addon, its tests.
#
# Usage: scripts/node.sh setup|build|types|lint|fmt|test|bench|soak ...
#   setup   the pinned npm packages, when they changed
#   build   the addon for this machine, beside bindings/node/index.cjs (debug; with IMAGXP_NODE_PROFILE=release, as it ships)
#   types   rewrites bindings/node/index.d.ts
#   fmt     formats JavaScript
#   lint    format and lints of JavaScript
#   test    everything, with a tally
#   soak    a million verifications, whose memory is watched; and fewer, of which every answer is kept: that must be seen
#   bench   builds the addon that `make bench` measures (tests/bench), in target/node-bench
set -eu
. "$(dirname "$0")/lib.sh"

package=$root/bindings/node
profile=${IMAGXP_NODE_PROFILE:-debug}
addon_library=libimagxp_node.so
[ "$(uname)" != Darwin ] || addon_library=libimagxp_node.dylib

setup() {
    have node || die "Node 20.17 or newer is missing: see https://nodejs.org"
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 17) ? 0 : 1)' ||
        die "Node 20.17 or newer is needed; this is $(node --version)"
    hash=$(hash_of "$package/package.json" "$package/package-lock.json")
    done_before node-packages "$hash" && [ -d "$package/node_modules" ] && return 0
    say "setup: npm ci (bindings/node)"
    (cd "$package" && npm ci --ignore-scripts --no-audit --no-fund >"$target/npm.log" 2>&1) || {
        tail -n 20 "$target/npm.log" >&2
        die "npm could not install the packages of bindings/node"
    }
    mark_done node-packages "$hash"
}

# compile TYPES: the addon, in the profile that is wanted, beside its JavaScript; and its types.
compile() {
    if [ "$profile" = release ]; then
        cargo build --quiet --locked --release --package imagxp-node
    else
        debug_build imagxp-node
    fi
    (cd "$package" && node scripts/addon.mjs "$target/$profile/$addon_library" . "$1")
}

build() {
    setup
    say "setup: the addon ($profile)"
    compile .built.d.ts
}

types() {
    setup
    compile index.d.ts
    cp "$package/index.d.ts" "$package/.built.d.ts"
}

lint() {
    setup
    (
        cd "$package"
        ./node_modules/.bin/prettier --check --log-level warn . ../../tests/conformance/node ../../tests/bench/node
        ./node_modules/.bin/eslint --max-warnings 0 .
    )
}

fmt() {
    setup
    (cd "$package" && ./node_modules/.bin/prettier --write --log-level warn . ../../tests/conformance/node ../../tests/bench/node)
}

# The runner's closing lines are read by scripts/tally.py.
tests() {
    build
    (cd "$package" && RUST_BACKTRACE=0 node --test --test-timeout=600000 --test-reporter=spec test/*.test.mjs test/adapters/*.test.js)
}

bench() {
    setup
    folder=$target/node-bench
    mkdir -p "$folder"
    cargo build --quiet --locked --release --package imagxp-node --features bench
    (cd "$package" && node scripts/addon.mjs "$target/release/$addon_library" "$folder" -)
    cp "$package"/*.cjs "$package/package.json" "$folder"
}

# A million verifications, on a release build.
soak() {
    profile=release
    build
    # A process of Node's is a megabyte larger or smaller at any moment: over so many, what each leaves behind is more than that.
    (cd "$package" && node --expose-gc test/memory.mjs 5000000)
    # Said elsewhere: its figures are none of the campaign's.
    (cd "$package" && node --expose-gc test/memory.mjs 50000 --leak >"$target/node-leak.log") || die "nobody sees that every answer is kept"
}

[ $# -gt 0 ] || die "which part? setup build types lint fmt test bench soak"
for part in "$@"; do
    case $part in
    setup | build | types | lint | fmt | bench | soak) "$part" ;;
    test) tests ;;
    *) die "there is no part $part" ;;
    esac
done
