# shellcheck shell=sh
# Sourced by every script here: where things are, how to say something, and what has been done before.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit
target=${CARGO_TARGET_DIR:-$root/target}
venv=$root/.venv
stamps=$target/stamps
# What the checkouts of one machine share: roots of Debian, tools. Whoever makes something there holds a lock beside it.
cache=${IMAGXP_CACHE:-/var/cache/imagxp}
export CARGO_TARGET_DIR="$target" IMAGXP_PYTHON="$venv/bin/python"
# The extension keeps to the stable ABI and links no libpython, so it is compiled without an interpreter: pyo3 would be built anew with each that it finds.
export PYO3_NO_PYTHON=1 PYO3_BUILD_EXTENSION_MODULE=1
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# A test that hangs is a failure, and says where.
export PYTEST_ADDOPTS="-o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true"
# Whoever compiles the addon leaves its types here (scripts/node.sh). The second makes cargo compile it again where that was not so.
export NAPI_TYPE_DEF_TMP_FOLDER="$target/napi-types" NAPI_FORCE_BUILD_IMAGXP_NODE=scripts
mkdir -p "$stamps" "$NAPI_TYPE_DEF_TMP_FOLDER"

say() { printf '%s\n' "$*"; }
skip() { say "SKIPPED: $*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# missing REASON: what the set-up installs and is not there. On CI (`CI=true`) a failure, elsewhere skipped: so do check.py and skip.rs.
missing() {
    [ "${CI:-}" != true ] || die "$*"
    skip "$*"
}

# said_skipped FILE: what Rust tests have said in it that could not run (core/protocol/tests/common/skip.rs), each once. Their runner counts them as
# passed, and shows nothing of it; scripts/tally.py takes them back.
said_skipped() {
    [ ! -s "$1" ] || sort -u "$1" | sed 's/^/SKIPPED: test /'
}

# in_time SECONDS: whether a whole run of scripts/test.sh on CI, in a fresh clone on two processors, was short enough; a step's log, for the sum.
in_time() {
    say "the whole run took $1 s; on CI it has 2400 s"
    [ "$1" -le 2400 ] || say "0 passed, 1 failed"
}

# apt_install PACKAGE...: as root, with apt. Services that a package brings are not started here, and no PostgreSQL cluster is made that nobody
# asked for; another apt at work is waited for.
apt_install() {
    [ $# -gt 0 ] || return 0
    have apt-get || die "please install: $*"
    [ "$(id -u)" = 0 ] || die "please run: sudo apt-get install $*"
    say "setup: apt-get install $*"
    mkdir -p "$cache"
    status=0
    (
        # Another checkout would remove what says that nothing is to be started.
        flock 7
        apt_quietly "$@"
    ) 7>"$cache/apt.lock" >"$target/apt.log" 2>&1 || status=$?
    [ "$status" = 0 ] || {
        tail -n 20 "$target/apt.log" >&2
        die "apt-get could not install: $*"
    }
}

# apt_quietly PACKAGE...: what apt_install does under its lock.
apt_quietly() {
    policy=/usr/sbin/policy-rc.d
    ours=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        ours=yes
    fi
    clusters=/etc/postgresql-common/createcluster.d/imagxp.conf
    mkdir -p "${clusters%/*}"
    echo 'create_main_cluster = false' >"$clusters"
    status=0
    {
        apt_update &&
            DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
                -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
    } || status=$?
    [ -z "$ours" ] || rm -f "$policy"
    rm -f "$clusters"
    return "$status"
}

# apt_update: the lists of packages. The lock of these is another than dpkg's, and apt has no option to wait for it: it is asked again for 300 s.
apt_update() {
    waited=0
    until LC_ALL=C apt-get update -q -o Acquire::Retries=3 >"$target/apt-update.log" 2>&1; do
        cat "$target/apt-update.log"
        grep -q 'Could not get lock' "$target/apt-update.log" || return 1
        [ "$waited" -lt 300 ] || return 1
        sleep 5
        waited=$((waited + 5))
    done
}

# cargo_tool NAME: a program of crates.io that only campaigns need, unoptimised, in target/tools/bin.
cargo_tool() {
    [ ! -x "$target/tools/bin/$1" ] || return 0
    say "setup: cargo install $1"
    CARGO_NET_OFFLINE=false CARGO_TARGET_DIR=$target/tools/build cargo install --quiet --locked --debug "$1" --root "$target/tools"
    rm -rf "$target/tools/build"
}

# tap_sum NAME FILE [MORE]: what a run of `node --test` counted that nothing failed in, and MORE tests beside it, in one line, which scripts/tally.py
# reads: the runner's own closing lines would be counted as well. What was skipped says so, once.
tap_sum() {
    sed -n 's/^ *ok [0-9]* - \(.*\) # SKIP *\(.*\)/skipped: \1: \2/p' "$2"
    counted=$(sed -n 's/^# pass //p' "$2")
    say "$1: $((counted + ${3:-0})) passed, 0 failed, $(sed -n 's/^# skipped //p' "$2") skipped"
}

# deny_by_tool CHECK...: cargo-deny about the workspace, and about fuzz/, which is none of its members. There two versions of a crate are excused by
# trees that only the workspace has; scripts/deny.py looks at both as one.
deny_by_tool() {
    # shellcheck disable=SC2086 # a word, or none
    cargo deny --locked ${deny_offline:-} check "$@"
    # shellcheck disable=SC2086
    cargo deny --locked ${deny_offline:-} --manifest-path fuzz/Cargo.toml check --allow duplicate "$@"
}

# Where this machine gets its Debian packages from; nothing when it is no Debian.
debian_mirror() {
    mirror=$(apt-get indextargets --format "\$(REPO_URI) \$(LABEL)" 2>/dev/null | sed -n 's/ Debian$//p' | head -n 1)
    [ -n "$mirror" ] || mirror=$(sed -n 's/^URIs: *//p; s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list \
        /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
    printf '%s' "$mirror"
}

# The hash of files and, recursively, of the files in folders; what is generated while building does not count.
hash_of() {
    find "$@" -type f ! -name '*.so' ! -path '*/__pycache__/*' ! -path '*/.*_cache/*' -print0 | sort -z |
        xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

# `done_before NAME HASH` holds when `mark_done NAME HASH` was the last thing said about NAME.
done_before() { [ "$(cat "$stamps/$1" 2>/dev/null || true)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$stamps/$1"; }

# Cargo unites the features of what one command selects, and another selection compiles the dependencies anew. Where everything is built
# anyway (scripts/test.sh says so with IMAGXP_EVERYTHING), every command that does not optimise selects this, and filters its targets. What is left
# out, which changes no features, has a tool of its own, or is only built for release.
features="--features imagxp-fetch/async,imagxp-fetch/dnssec"
# shellcheck disable=SC2034 # scripts/test.sh
everything="--workspace --exclude imagxp-swift-generate $features"

# Warnings fail a build by the compiler that they were last read with, which is the one that the benchmarks name; another has lints that nobody has
# read, and shows them. `deny` or `warn`: scripts/strict_rustc.sh and scripts/fuzz.sh ask for it.
known_rustc=$(sed -n 's/^ *"compiler": "rustc \([^ ]*\) .*/\1/p' tests/bench/instructions.json)
warnings_level() {
    if [ "$(rustc -V 2>/dev/null | cut -d ' ' -f 2)" = "$known_rustc" ]; then echo deny; else echo warn; fi
}

# cargo_debug ARGUMENT...: cargo, for what is not optimised; in a run of everything, our own crates are linted and documented as they are compiled.
# Not by a variable: a test that builds a release would inherit it.
cargo_debug() {
    cargo "$@" ${IMAGXP_EVERYTHING:+--config "build.rustc-workspace-wrapper='$root/scripts/strict_rustc.sh'"}
}

# selected PACKAGE...: the words that select these, or everything.
selected() {
    if [ -n "${IMAGXP_EVERYTHING:-}" ]; then echo "$IMAGXP_EVERYTHING"; else printf -- '--package %s ' "$@"; fi
}

# debug_build PACKAGE...: libraries and programs, unoptimised; in a run of everything with the tests, whose dependencies' features count too.
debug_build() {
    # shellcheck disable=SC2046 # a list of words
    cargo_debug build --quiet --locked $(selected "$@") ${IMAGXP_EVERYTHING:+--lib --bins --tests}
}

# Once every crate is there, cargo is told not to look for newer ones: the second run needs no network.
locks_hash() { cat Cargo.lock fuzz/Cargo.lock | sha256sum | cut -d ' ' -f 1; }
offline_when_fetched() {
    if done_before crates "$(locks_hash)"; then
        export CARGO_NET_OFFLINE=true
    fi
}
offline_when_fetched
