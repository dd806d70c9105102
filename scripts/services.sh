#!/bin/sh
# Redis and PostgreSQL for the tests, which start private instances of their own in temporary folders.
#
# Usage: scripts/services.sh setup
#   setup   installs redis-server and postgresql; the system's own services are neither started nor stopped
set -eu
. "$(dirname "$0")/lib.sh"

setup() {
    missing=
    have redis-server || missing="$missing redis-server"
    has_postgres || missing="$missing postgresql"
    have setpriv || missing="$missing util-linux"
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
}

# Debian keeps the server's programs out of the path.
has_postgres() {
    have initdb && have postgres && return 0
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] && return 0
    done
    return 1
}

case "${1:-}" in
setup) setup ;;
*) die "usage: scripts/services.sh setup" ;;
esac
