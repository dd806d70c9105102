#!/bin/sh
# Format and lints: Rust, Python, shell. `scripts/lint.sh fix` formats instead of checking.
set -eu
. "$(dirname "$0")/lib.sh"

ruff=$venv/bin/ruff
python_files="bindings/python/python bindings/python/tests bindings/nginx/tests bindings/nginx/bench examples packaging scripts tests fuzz/nginx fuzz/python"

if [ "${1:-}" = fix ]; then
    cargo fmt --all
    cargo fmt --manifest-path fuzz/Cargo.toml
    # shellcheck disable=SC2086 # a list of words
    "$ruff" format $python_files
    exit
fi

cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml -p imagxp-fuzz --check
# shellcheck disable=SC2086 # a list of words
"$ruff" format --check $python_files
# shellcheck disable=SC2086 # a list of words
"$ruff" check --quiet $python_files

git ls-files -co --exclude-standard | while read -r file; do
    [ -f "$file" ] || continue
    case $(head -c 20 "$file" | head -n 1 | tr -d '\0') in
    '#!/bin/sh'*) sh -n "$file" ;;
    '#!/bin/bash'* | '#!/usr/bin/env bash'*) bash -n "$file" ;;
    esac
done
if have shellcheck; then
    git ls-files -co --exclude-standard '*.sh' .ci/run tests/conformance/run | xargs shellcheck -x -P scripts
else
    skip "shellcheck is not installed; sh -n alone has read the scripts"
fi

scripts/purity.py
scripts/mutants_pins.py
scripts/versions.py
scripts/monitoring.py
scripts/node.sh lint
