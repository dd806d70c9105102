#!/bin/sh
# The Node binding: its tools, the addon, its tests.
#
# Usage: scripts/node.sh setup|build|types|lint|fmt|test|bench|soak ...
#   setup   the pinned npm packages, when they changed
#   build   the addon for this machine, beside bindings/node/index.cjs, when its sources changed (debug; `release` for a release build)
#   types   rewrites bindings/node/index.d.ts
#   fmt     formats JavaScript
#   lint    format and lints of JavaScript
#   test    everything, with a tally
#   soak    a million verifications, whose memory is watched
#   bench   builds the addon that `make bench` measures (tests/bench), in target/node-bench
set -eu
. "$(dirname "$0")/lib.sh"

package=$root/bindings/node
profile=${IMAGXP_NODE_PROFILE:-debug}

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

# The sources are hashed, not dated: a clone or a checkout gives every file a new date.
sources_hash() {
    {
        hash_of Cargo.lock Cargo.toml core/protocol/src core/protocol/Cargo.toml core/files/src core/files/Cargo.toml \
            core/fetch/src core/fetch/Cargo.toml core/policy-file/src core/policy-file/Cargo.toml core/replay-stores/src core/replay-stores/Cargo.toml core/database/src core/database/Cargo.toml \
            "$package/src" "$package/Cargo.toml" "$package/build.rs" "$package/types.d.ts" scripts/node.sh
        echo "$profile"
    } | sha256sum | cut -d ' ' -f 1
}

# napi writes the types where it is told; `build` leaves those in git alone.
compile() {
    release=
    shared="${IMAGXP_EVERYTHING:+$IMAGXP_EVERYTHING --lib --bins --tests}"
    if [ "$profile" = release ]; then
        release=--release
        shared=
    fi
    # shellcheck disable=SC2086 # lists of words
    (cd "$package" && ./node_modules/.bin/napi build --platform $release --no-js --dts "$1" --target-dir "$target" -- --locked $shared) \
        >"$target/napi.log" 2>&1 || {
        tail -n 40 "$target/napi.log" >&2
        die "the addon could not be built"
    }
    # Comments that have gone through a macro come as the raw strings that rustc makes of them.
    sed -i -E 's@^( *(/\*\*|\*)) r"( |$)@\1\3@' "$package/$1"
}

build() {
    setup
    hash=$(sources_hash)
    if done_before node-addon "$hash" && ls "$package"/imagxp.*.node "$package/.built.d.ts" >/dev/null 2>&1; then
        return 0
    fi
    say "setup: napi build ($profile)"
    rm -f "$package"/imagxp.*.node
    compile .built.d.ts
    mark_done node-addon "$hash"
}

types() {
    setup
    compile index.d.ts
    cp "$package/index.d.ts" "$package/.built.d.ts"
    mark_done node-addon "$(sources_hash)"
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
    (cd "$package" && RUST_BACKTRACE=0 node --test --test-reporter=spec test/*.test.mjs test/adapters/*.test.js)
}

bench() {
    setup
    folder=$target/node-bench
    mkdir -p "$folder"
    (cd "$package" && ./node_modules/.bin/napi build --platform --release --no-js --dts "$folder/index.d.ts" --output-dir "$folder" \
        --target-dir "$target" --features bench -- --locked) >"$target/napi.log" 2>&1 || {
        tail -n 40 "$target/napi.log" >&2
        die "the addon could not be built"
    }
    cp "$package"/*.cjs "$package/package.json" "$folder"
}

# A million verifications, on a release build.
soak() {
    profile=release
    build
    (cd "$package" && node --expose-gc test/memory.mjs 1000000)
}

[ $# -gt 0 ] || die "which part? setup build types lint fmt test bench soak"
for part in "$@"; do
    case $part in
    setup | build | types | lint | fmt | bench | soak) "$part" ;;
    test) tests ;;
    *) die "there is no part $part" ;;
    esac
done
