#!/bin/sh
# Mutation testing (cargo-mutants): changes one comparison, sum or answer at a time, and expects a test to fail.
#
# Usage: scripts/mutants.sh [-c] [-s SHARD/OF] [-f FIGURES] [PART...]
#        -c  comparisons only, of which none may be missed; -s 0/4  a fourth of each part, for what must end sooner
#        parts: replay verify visa claim jws json rate ledger; default all
# What was missed is in target/mutants/PART/mutants.out/missed.txt; scripts/mutants.py judges it: 90 % caught in each part, and nothing missed in a
# comparison or limit that scripts/mutants.json does not explain.
set -eu
. "$(dirname "$0")/lib.sh"

shard=
figures=
comparisons=
while getopts cs:f: option; do
    case $option in
    c) comparisons='--re=replace.[<>=!&|]+.with' ;;
    s) shard="--shard $OPTARG" ;;
    f) figures="--figures $OPTARG" ;;
    *) die "usage: scripts/mutants.sh [-c] [-s SHARD/OF] [-f FIGURES] [PART...]" ;;
    esac
done
shift $((OPTIND - 1))
parts=${*:-replay verify visa claim jws rate ledger json}
tools=$target/tools

install() {
    [ -x "$tools/bin/cargo-mutants" ] && return 0
    say "mutants: cargo install cargo-mutants"
    CARGO_NET_OFFLINE=false CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked cargo-mutants --root "$tools"
    rm -rf "$tools/build"
}

# files PART: what is changed; tests PART: the most telling tests, by cargo's own options.
files() {
    case $1 in
    replay) echo core/protocol/src/replay/memory.rs core/protocol/src/replay/mod.rs ;;
    verify) echo core/protocol/src/publisher/verify.rs core/protocol/src/publisher/identify.rs core/protocol/src/publisher/pay.rs ;;
    visa) echo core/protocol/src/visa/verify.rs core/protocol/src/visa/claims.rs core/protocol/src/visa/issue.rs core/protocol/src/visa/seen.rs ;;
    claim) echo core/protocol/src/claim.rs ;;
    jws) echo core/protocol/src/crypto/jws.rs ;;
    rate) echo core/protocol/src/publisher/rate.rs ;;
    json) echo core/protocol/src/json/parse.rs core/protocol/src/json/number.rs core/protocol/src/json/canonical.rs core/protocol/src/json/scan.rs \
        core/protocol/src/json/decimal.rs core/protocol/src/json/names.rs core/protocol/src/json/object.rs ;;
    ledger) echo core/broker/src/ledger.rs core/broker/src/batch.rs core/broker/src/account.rs ;;
    *) die "there is no part $1" ;;
    esac
}
tests() {
    case $1 in
    ledger) echo imagxp-broker --lib --test money --test visa --test batch --test model ;;
    json) echo imagxp --lib --test json_suite --test jcs_suite --test vectors ;;
    jws) echo imagxp --lib --test jws_interop --test vectors --test codes ;;
    *) echo imagxp --lib --test order --test codes --test abuse --test later --test pipeline --test visa_limits --test vectors ;;
    esac
}

install
PATH=$tools/bin:$PATH
# A mutant is built for one run: what a debugger would need is left out.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 IMAGXP_VECTORS="${IMAGXP_VECTORS:-$root/../shared/vectors}"
for part in $parts; do
    out=$target/mutants/$part
    rm -rf "$out"
    mkdir -p "$out"
    chosen=
    for file in $(files "$part"); do
        [ -f "$file" ] || die "$file is gone: scripts/mutants.sh names it"
        chosen="$chosen --file $file"
    done
    # shellcheck disable=SC2046,SC2086 # lists of words
    {
        set -- $(tests "$part")
        package=$1
        shift
        arguments=
        for word in "$@"; do
            arguments="$arguments --cargo-arg=$word"
        done
        # Missed mutants are an answer, not a failure of this script: the judge comes after.
        (unset CARGO_TARGET_DIR && nice -n 15 cargo mutants --package "$package" $chosen $shard $comparisons $arguments --no-shuffle --timeout 120 \
            --build-timeout 600 --colors never --output "$out" -- -- --skip hot:: --skip isbot >"$out/log" 2>&1) || [ $? -le 3 ] || {
            tail -n 40 "$out/log" >&2
            die "cargo-mutants could not do $part"
        }
    }
    tail -n 1 "$out/log"
done
# shellcheck disable=SC2086
python3 scripts/mutants.py $figures $parts
