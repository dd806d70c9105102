# shellcheck shell=sh disable=SC2154 # test.sh
# Sourced by scripts/test.sh: what a step takes for made that other steps make. In a run of everything the lanes see to it; a step that is named
# has it made before it, or it would judge what an earlier run has left, and in a fresh clone find nothing.

# needs STEP: parts of scripts/setup.sh, and behind the bar what `made` makes; it fails where there is no such step.
needs() {
    case $1 in
    setup | compile | generated | deny | wasm | release | simulation | edge | package | fuzz) echo '|' ;;
    rust | cli) echo 'tools services|' ;;
    aws_lc) echo 'python|' ;;
    c) echo 'tools|' ;;
    lint | bench) echo 'tools python|' ;;
    build) echo 'tools python node swift|' ;;
    conformance) echo 'tools python node swift|programs extension node swift wasm c' ;;
    docs) echo 'tools python node swift|library programs extension node swift wasm' ;;
    nginx) echo 'tools python nginx|extension' ;;
    grade) echo 'python node nginx|programs extension node nginx' ;;
    differential) echo 'python node|programs' ;;
    python) echo 'tools python services|programs extension' ;;
    node) echo 'node services|programs' ;;
    node_examples) echo 'node|' ;;
    faults) echo 'tools python services nginx|programs extension' ;;
    dashboard) echo 'dashboard|' ;;
    swift) echo 'python swift|' ;;
    fuzz_bindings) echo 'python node nginx|extension node asan' ;;
    demo) echo 'tools services nginx|' ;;
    *) return 1 ;;
    esac
}

# with_needs: adds to $parts (of the set-up) and $needed (to be made) what the steps in $wanted need, and puts both before them.
with_needs() {
    for name in $wanted; do
        words=$(needs "$name") || die "there is no step $name: they are at the end of scripts/test.sh"
        parts="$parts ${words%|*}"
        [ -z "${words#*|}" ] || needed="$needed ${words#*|}"
    done
    wanted="setup made $wanted"
}

# made WHAT...: each of these once, from what stands in the checkout.
made() {
    done_already=
    for what in "$@"; do
        case " $done_already " in
        *" $what "*) continue ;;
        esac
        done_already="$done_already $what"
        case $what in
        library) cargo build --quiet --locked --release -p imagxp-ffi ;;
        programs) debug_build imagxp-cli imagxp-conformance ;;
        extension) scripts/setup.sh extension ;;
        node | swift | wasm | nginx) "scripts/$what.sh" build ;;
        asan) scripts/nginx.sh build asan ;;
        c) tests/c/run.sh conformance ;;
        *) die "nobody makes $what" ;;
        esac
    done
}
