#!/bin/sh
# What a verdict costs in Python, beside what it costs in the core: a release build in an environment of its own.
set -eu
. "$(dirname "$0")/lib.sh"

scripts/setup.sh rust crates python
offline_when_fetched
bench=$target/bench-python
rm -rf "$bench"
mkdir -p "$bench"
"$venv/bin/maturin" build --quiet --release --locked --interpreter "$venv/bin/python" --manifest-path bindings/python/Cargo.toml \
    --out "$bench"
python3 -m venv "$bench/venv"
"$bench/venv/bin/pip" install --quiet --no-index --no-deps "$bench"/*.whl
(cd "$bench" && "$bench/venv/bin/python" "$root/bindings/python/bench/verify.py" "$@")
