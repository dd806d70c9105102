#!/bin/sh
# Reads one URL with curl and what `imagxp sign` says. AGENT, KEY and PROGRAM are in the environment.
set -eu
eval "$("$PROGRAM" sign --key "$KEY" --agent-id "$AGENT" --allow-loopback --purpose RAG_RETRIEVAL --url "$1" --format curl)"
