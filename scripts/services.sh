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
    [ -n "$missing" ] || return 0
    have apt-get || die "please install:$missing"
    [ "$(id -u)" = 0 ] || die "please run: sudo apt-get install$missing"
    say "setup: apt-get install$missing"
    # A policy of its own for this call: a package that brings a service does not start it here. Nor is a cluster made that nobody asked for.
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
    # shellcheck disable=SC2086 # a list of words
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } \
        >"$target/apt-services.log" 2>&1 || status=$?
    [ -z "$ours" ] || rm -f "$policy"
    rm -f "$clusters"
    [ "$status" = 0 ] || {
        tail -n 20 "$target/apt-services.log" >&2
        die "apt-get could not install:$missing"
    }
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
