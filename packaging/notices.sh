#!/bin/sh
# Writes what goes with every copy of an artefact: packaging/notices.sh CRATE FOLDER [--target TRIPLE]...
# (the targets that it was compiled for, where that is not this machine's)
# The licence, the notice, the notices of the crates that are linked (third-party.txt), and a bill of materials (sbom.cdx.json, CycloneDX).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ $# -ge 2 ] || {
    echo "usage: packaging/notices.sh CRATE FOLDER [--target TRIPLE]..." >&2
    exit 2
}
crate=$1
folder=$2
shift 2
cp "$here/../LICENSE" "$here/../NOTICE" "$folder/"
"$here/third_party.py" "$crate" "$@" >"$folder/third-party.txt"
"$here/sbom.py" "$crate" "$@" >"$folder/sbom.cdx.json"
