#!/usr/bin/env python3
"""Writes a bill of materials (CycloneDX 1.6, JSON) of what is linked into one artefact: sbom.py CRATE [--target TRIPLE]... >FILE

Without a target it is of what is linked on this machine; that of imagxp-wasm, of what is linked for the edge. `--list` names the crates.
The same sources give the same bytes: there is no time in it, and its serial number is made of its content. Standard library only.
"""

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path

from crates import graph, metadata, order, read_arguments

ROOT = Path(__file__).resolve().parent.parent
# What is shipped: the artefact's name and its kind in CycloneDX, by crate.
ARTEFACTS = {
    "imagxp-ffi": ("libimagxp", "library"),
    "imagxp-verifier": ("libimagxp_verifier", "library"),
    "imagxp-cli": ("imagxp", "application"),
    "imagxp-python": ("imagxp (Python)", "library"),
    "imagxp-node": ("imagxp (Node)", "library"),
    "imagxp-swift": ("Imagxp (Swift)", "library"),
    "imagxp-wasm": ("@imagxp/edge", "library"),
}


def checksums():
    """(name, version): SHA-256 of the crate's archive."""
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(package["name"], package["version"]): package.get("checksum") for package in locked}


def component(package, hashes):
    """One crate. What has no source is ours, and has no archive."""
    name, version = order(package)
    purl = f"pkg:cargo/{name}@{version.replace('+', '%2B')}"
    one = {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": "required", "purl": purl}
    if package["license"]:
        # The old way to write OR is no SPDX expression.
        one["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    if package["source"]:
        one["hashes"] = [{"alg": "SHA-256", "content": hashes[order(package)]}]
        if package["repository"]:
            one["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return one


def bill(crate, targets):
    name, kind = ARTEFACTS[crate]
    hashes, known, linked = checksums(), metadata(), graph(crate, targets)
    one = {key: component(known[key], hashes) for key in sorted(linked)}
    root = next(key for key in one if key[0] == crate)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**one[root], "type": kind, "name": name}},
        "components": [one[key] for key in one if key != root],
        "dependencies": [
            {"ref": one[key]["bom-ref"], "dependsOn": sorted(one[to]["bom-ref"] for to in linked[key])} for key in one
        ],
    }
    content = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(ARTEFACTS))
        return
    crates, targets = read_arguments(sys.argv[1:])
    if len(crates) != 1 or crates[0] not in ARTEFACTS:
        sys.exit(f"{__doc__}\nCRATE is one of {', '.join(ARTEFACTS)}.")
    print(json.dumps(bill(crates[0], targets), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
