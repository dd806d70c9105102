#!/usr/bin/env python3
"""Prints the notices of the crates that are linked into crates of this workspace: third_party.py CRATE...

MIT, BSD and their like ask that their notice goes with every copy, and a static link is one. A text that several crates share is
printed once. Needs cargo and its cache of the crates, no network. Standard library only.
"""

import json
import subprocess
import sys
from pathlib import Path

NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")


def linked(metadata, roots):
    """The packages that are linked into others: normal dependencies of this platform, without what runs while compiling."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, waiting = set(), [p["id"] for p in metadata["packages"] if p["name"] in roots and p["source"] is None]
    if len(waiting) != len(roots):
        sys.exit(f"not all of these are crates of this workspace: {' '.join(roots)}")
    while waiting:
        name = waiting.pop()
        if name in seen or any("proc-macro" in target["kind"] for target in packages[name]["targets"]):
            continue
        seen.add(name)
        for dependency in nodes[name]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted((packages[name] for name in seen if packages[name]["source"]), key=lambda p: (p["name"], p["version"]))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    host = next(
        line.split()[1] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if line.startswith("host:")
    )
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host]
    packages = linked(json.loads(subprocess.check_output(command)), sys.argv[1:])
    texts = {}
    print(
        "The binaries contain, in compiled form, Rust's standard library (MIT or Apache-2.0, the Rust project) and these crates:\n"
    )
    for package in packages:
        name = f"{package['name']} {package['version']}"
        authors = ", ".join(author.split(" <")[0] for author in package["authors"])
        print(f"  {name}: {package['license'] or 'see its text'}{f' ({authors})' if authors else ''}")
        folder = Path(package["manifest_path"]).parent
        for path in sorted(path for path in folder.iterdir() if path.name.upper().startswith(NAMES) and path.is_file()):
            # The same text in other line breaks is the same text.
            text = path.read_text(errors="replace").strip()
            texts.setdefault(" ".join(text.split()), [text, []])[1].append(name)
    for text, names in texts.values():
        print(f"\n{'-' * 78}\n{', '.join(names)}\n{'-' * 78}\n\n{text}")


if __name__ == "__main__":
    main()
