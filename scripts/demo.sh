#!/bin/sh
# Sets up what the demo needs and runs it on loopback: see examples/demo. Quick, and without network, the second time.
set -eu
. "$(dirname "$0")/lib.sh"

scripts/setup.sh rust crates python extension
offline_when_fetched
debug_build imagxp-cli
# So that the last act is a call of the real program.
IMAGXP_CLI=$target/debug/imagxp
export IMAGXP_CLI
exec "$venv/bin/python" examples/demo/demo.py "$@"
