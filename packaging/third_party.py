#!/usr/bin/env python3
"""Prints the notices of the crates that are linked into crates of this workspace: third_party.py CRATE...

MIT, BSD and their like ask that their notice goes with every copy, and a static link is one. A text that several crates share is
printed once. Needs cargo and its cache of the crates, no network. Standard library only.
"""

import sys
from pathlib import Path

from crates import graph, metadata

NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    known = metadata()
    linked = sorted(set().union(*(graph(crate) for crate in sys.argv[1:])))
    packages = [known[key] for key in linked if known[key]["source"]]
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
