#!/bin/sh
# The dashboard in a headless browser, against the real server.
#
# Usage: scripts/dashboard.sh setup|test [node --test arguments]
#   setup   Chromium by apt, and what the tests need from npm
#   test    builds the command line and runs core/server/dashboard-tests; pictures are in target/dashboard
set -eu
. "$(dirname "$0")/lib.sh"

package=$root/core/server/dashboard-tests
pictures=$target/dashboard

chromium() {
    for name in "${IMAGXP_CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
        [ -n "$name" ] && [ -x "$name" ] && printf '%s' "$name" && return 0
    done
    return 1
}

setup() {
    have node || die "Node.js is missing: apt-get install nodejs npm"
    have npm || die "npm is missing: apt-get install npm"
    chromium >/dev/null || apt_install chromium
    hash=$(hash_of "$package/package-lock.json")
    if [ ! -d "$package/node_modules" ] || ! done_before dashboard-npm "$hash"; then
        say "setup: npm install (core/server/dashboard-tests)"
        (cd "$package" && npm install --no-save --ignore-scripts --no-fund --no-audit) >"$target/npm-dashboard.log" 2>&1 || {
            tail -n 20 "$target/npm-dashboard.log" >&2
            die "the npm packages of core/server/dashboard-tests could not be installed"
        }
        mark_done dashboard-npm "$hash"
    fi
}

tests() {
    setup
    debug_build imagxp-cli
    rm -rf "$pictures"
    mkdir -p "$pictures"
    IMAGXP_CHROMIUM=$(chromium)
    export IMAGXP_CHROMIUM IMAGXP_BINARY="$target/debug/imagxp" IMAGXP_PICTURES="$pictures"
    [ $# -gt 0 ] || set -- tests/
    # One file at a time: each has a server and a browser of its own.
    (cd "$package" && node --test --test-timeout=600000 --test-concurrency=1 --test-reporter=tap "$@" >"$target/dashboard-tests.tap") || {
        grep -v '^ *ok ' "$target/dashboard-tests.tap" | tail -n 200
        die "tests of the dashboard fail"
    }
    grep -E '^ *# (\\# )?imagxp' "$target/dashboard-tests.tap" || true
    say "dashboard: pictures in $pictures"
    tap_sum dashboard "$target/dashboard-tests.tap"
}

case ${1:-} in
setup) setup ;;
test)
    shift
    tests "$@"
    ;;
*) die "usage: scripts/dashboard.sh setup|test" ;;
esac
