#!/usr/bin/env python3
"""Prints the notices of the crates that are linked into crates of this workspace: third_party.py CRATE... [--target TRIPLE]...

MIT, BSD and their like ask that their notice goes with every copy, and a static link is one; so do those of code that a crate has in a
folder of its own. A text that several crates share is printed once. Without a target it is about what is linked on this machine. Needs
cargo and its cache of the crates, no network. Standard library only.
"""

import sys
from pathlib import Path

from crates import graph, metadata, read_arguments

NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")
# A file of this name that is a program, or its data.
CODE = (".rs", ".c", ".h", ".py", ".toml", ".json", ".yml")


def texts_of(folder):
    """The files of a crate that are notices, its own first."""
    named = (path for path in folder.rglob("*") if path.name.upper().startswith(NAMES) and path.suffix not in CODE)
    return sorted((path for path in named if path.is_file()), key=lambda path: (len(path.parts), path))


def main():
    crates, targets = read_arguments(sys.argv[1:])
    if not crates:
        sys.exit(__doc__)
    known = metadata()
    linked = sorted(set().union(*(graph(crate, targets) for crate in crates)))
    packages = [known[key] for key in linked if known[key]["source"]]
    texts = {}
    print(
        "The binaries contain, in compiled form, Rust's standard library (MIT or Apache-2.0, the Rust project) and these crates:\n"
    )
    for package in packages:
        name = f"{package['name']} {package['version']}"
        authors = ", ".join(author.split(" <")[0] for author in package["authors"])
        print(f"  {name}: {package['license'] or 'see its text'}{f' ({authors})' if authors else ''}")
        for path in texts_of(Path(package["manifest_path"]).parent):
            # The same text in other line breaks is the same text.
            text = path.read_text(errors="replace").strip()
            texts.setdefault(" ".join(text.split()), [text, []])[1].append(name)
    for text, names in texts.values():
        print(f"\n{'-' * 78}\n{', '.join(names)}\n{'-' * 78}\n\n{text}")


if __name__ == "__main__":
    main()
