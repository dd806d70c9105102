#!/bin/sh
# Writes what goes with every copy of an artefact: packaging/notices.sh CRATE FOLDER
# The licence, the notice, the notices of the crates that are linked (third-party.txt), and a bill of materials (sbom.cdx.json, CycloneDX).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ $# = 2 ] || {
    echo "usage: packaging/notices.sh CRATE FOLDER" >&2
    exit 2
}
cp "$here/../LICENSE" "$here/../NOTICE" "$2/"
"$here/third_party.py" "$1" >"$2/third-party.txt"
"$here/sbom.py" "$1" >"$2/sbom.cdx.json"
