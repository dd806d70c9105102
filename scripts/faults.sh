#!/bin/sh
# The broker under faults (tests/faults): nothing that was acknowledged is lost, nothing is done twice, and each proof notices a seeded fault.
#
# Usage: scripts/faults.sh short [PROOF...]   what CI runs, a minute; or these
#        scripts/faults.sh long [PROOF...]    all of it, or these; figures in target/soak/*.json, together in target/soak/report.json
set -eu
. "$(dirname "$0")/lib.sh"

failed=
found=
ran=
# proof NAME PROGRAM ARGUMENT...
proof() {
    name=$1
    program=$2
    shift 2
    case " $wanted " in
    *" $name "* | "  ") found="$found $name" ;;
    *) return 0 ;;
    esac
    say "-- $name"
    if [ "$form" = long ]; then
        set -- "$@" --report "$name"
        # What an earlier run has left is nothing that this one has seen.
        rm -f "$target/soak/$name.json"
        ran="$ran $name"
    fi
    "$venv/bin/python" "tests/faults/$program.py" "$@" || {
        [ "$form" = long ] || exit 1
        failed="$failed $name"
    }
}

short() {
    # What the report of the long form believes.
    "$venv/bin/python" -m pytest --quiet -p no:cacheprovider tests/faults
    proof kill-sqlite kill --kills 6
    proof kill-postgres kill --kills 5 --store postgres
    proof kill-control kill --kills 16 --seed-fault
    proof power-model power --cuts 6
    proof power-loop power --cuts 3 --disk loop
    proof power-control power --cuts 20 --seed-fault
    proof writes writes --to 60 --step 20
    proof writes-control writes --from 9 --to 200 --step 9 --seed-fault
    for store in sqlite postgres; do
        proof "full-$store" disk_full --rounds 2 --clients 4 --store "$store"
        proof "bank-$store" bank --seconds 2 --kills 1 --store "$store"
        proof "idempotent-$store" idempotent --requests 250 --store "$store"
    done
    for store in sqlite postgres; do
        proof "clocks-$store" clocks --store "$store"
    done
    proof clocks-control clocks --store postgres --payments 8 --seed-fault
    proof faketime faketime
    proof faketime-control faketime --steps 12 --seed-fault
    proof full-control disk_full --rounds 1 --clients 4 --seed-fault
    proof bank-control bank --seconds 1 --kills 0 --clients 4 --seed-fault
    proof idempotent-control idempotent --requests 250 --seed-fault
}

long() {
    for store in sqlite postgres; do
        proof "kill-$store" kill --kills 200 --clients 32 --store "$store"
    done
    proof kill-control kill --kills 30 --seed-fault
    proof power-model power --cuts 200 --clients 16
    proof power-loop power --cuts 100 --clients 16 --disk loop
    for disk in model loop; do
        proof "power-control-$disk" power --cuts 30 --disk "$disk" --seed-fault
    done
    proof writes writes --to 300
    proof writes-control writes --from 9 --to 300 --step 9 --seed-fault
    for store in sqlite postgres; do
        proof "full-$store" disk_full --rounds 20 --store "$store"
        proof "bank-$store" bank --seconds 120 --kills 20 --store "$store"
        proof "idempotent-$store" idempotent --store "$store"
    done
    for store in sqlite postgres; do
        proof "clocks-$store" clocks --store "$store" --payments 100
    done
    proof clocks-control clocks --store postgres --payments 8 --seed-fault
    proof faketime faketime --lives 20
    proof faketime-control faketime --steps 12 --seed-fault
    proof full-control disk_full --rounds 1 --seed-fault
    proof bank-control bank --seconds 5 --kills 0 --seed-fault
    proof idempotent-control idempotent --requests 2000 --seed-fault
    proof openapi openapi
    proof openapi-control openapi --requests 100 --examples 3 --seed-fault
    # How long it takes is a matter of the program that is installed.
    IMAGXP_CLI=$target/release/imagxp
    export IMAGXP_CLI
    proof connections connections
    proof connections-control connections --seconds 20 --before 1000 --seed-fault
}

form=${1:-}
[ $# = 0 ] || shift
wanted=$*
# One proof is about nginx too.
scripts/nginx.sh build
case $form in
short) short ;;
long)
    IMAGXP_COMMIT=${IMAGXP_COMMIT:-$(python3 tests/faults/campaigns.py commit)}
    export IMAGXP_COMMIT
    debug_build imagxp-cli
    cargo build --quiet --locked --release -p imagxp-cli
    long
    ;;
*) die "usage: scripts/faults.sh short|long [PROOF...]" ;;
esac
for name in $wanted; do
    case " $found " in
    *" $name "*) ;;
    *) die "there is no proof $name" ;;
    esac
done
if [ "$form" = long ]; then
    # Of these alone: what another campaign has left in target/soak is its own affair.
    # shellcheck disable=SC2086 # a list of words
    "$venv/bin/python" tests/faults/report.py $ran || die "these did not hold:${failed:- see the rows above}"
    [ -z "$failed" ] || die "these did not hold:$failed"
fi
