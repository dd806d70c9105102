#!/bin/sh
# Sets up what the demo needs and runs it on loopback: see examples/demo. Quick, and without network, the second time.
set -eu
. "$(dirname "$0")/lib.sh"

scripts/setup.sh rust crates python extension
offline_when_fetched
cargo build --quiet --locked -p imagxp-cli
PATH=$target/debug:$venv/bin:$PATH
export PATH
exec "$venv/bin/python" examples/demo/demo.py "$@"
