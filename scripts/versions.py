#!/usr/bin/env python3
"""Every manifest of the repository says the same version: that of [workspace.package] in Cargo.toml.

Usage: versions.py [set VERSION]     without arguments they are compared, with `set` rewritten. Standard library only.

A binding adds its manifests to `MANIFESTS`: a glob, and the pattern whose first group is the version. A file that has no version of its own
(`version.workspace = true`, `dynamic = ["version"]`) matches `INHERITS` instead.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NUMBER = r"(\d+\.\d+\.\d+(?:-[\w.]+)?)"
JSON = rf'^  "version": "{NUMBER}"'
# Of the package itself, not of what another table of the file says (the C library's ABI has a version of its own).
CARGO = rf'^\[(?:workspace\.)?package\]\n(?:(?!\[).*\n)*?version = "{NUMBER}"$'
MANIFESTS = {
    "Cargo.toml": CARGO,
    "core/*/Cargo.toml": CARGO,
    "ffi/Cargo.toml": CARGO,
    "bindings/*/Cargo.toml": CARGO,
    "tests/conformance/*/Cargo.toml": CARGO,
    "bindings/*/*/Cargo.toml": CARGO,
    "bindings/*/pyproject.toml": rf'^version = "{NUMBER}"$',
    "bindings/*/package.json": JSON,
    "bindings/*/npm/*/package.json": JSON,
    "bindings/*/package-lock.json": JSON,
    "packaging/debian/changelog": r"^imagxp \((\d+\.\d+\.\d+)-\d+\)",
}
# Dependencies on our own crates name the version, too.
OWN = re.compile(rf'^imagxp[\w-]* = \{{ path = "[^"]+", version = "{NUMBER}" \}}$', re.MULTILINE)
INHERITS = re.compile(r'^version\.workspace = true$|^dynamic = \[.*"version".*\]$', re.MULTILINE)


def found():
    """Each manifest that git knows, its text, and the spans of the versions in it."""
    known = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(known.stdout.splitlines())
    for glob, pattern in MANIFESTS.items():
        for path in sorted(ROOT.glob(glob)):
            if str(path.relative_to(ROOT)) not in names:
                continue
            text = path.read_text(encoding="utf-8")
            first = re.search(pattern, text, re.MULTILINE)
            spans = [first.span(1)] if first else []
            if path == ROOT / "Cargo.toml":
                spans += [match.span(1) for match in OWN.finditer(text)]
            if not spans and not INHERITS.search(text):
                sys.exit(f"{path.relative_to(ROOT)} has no version, and does not say that it inherits one")
            yield path, text, spans


def wrong(manifests, expected):
    """Sentences about the versions that differ."""
    for path, text, spans in manifests:
        for begin, end in spans:
            if text[begin:end] != expected:
                yield f"{path.relative_to(ROOT)} says {text[begin:end]}, not {expected}"


def main():
    manifests = list(found())
    if len(manifests) < 10:
        sys.exit("versions.py finds next to nothing")
    path, text, spans = manifests[0]
    expected = text[spans[0][0] : spans[0][1]]
    # A check that cannot fail proves nothing.
    if not list(wrong([(path, text, spans)], "0.0.0-other")):
        sys.exit("versions.py takes different versions for equal ones")
    if sys.argv[1:2] == ["set"] and len(sys.argv) == 3:
        for path, text, spans in manifests:
            for begin, end in reversed(sorted(spans)):
                text = text[:begin] + sys.argv[2] + text[end:]
            path.write_text(text, encoding="utf-8")
        print("now run: cargo metadata >/dev/null; scripts/generated.sh --update; scripts/node.sh setup")
        return
    if sys.argv[1:]:
        sys.exit(__doc__)
    for sentence in (sentences := list(wrong(manifests, expected))):
        print(f"FAILED: {sentence}")
    print(f"{len(manifests)} manifests, version {expected}")
    sys.exit(1 if sentences else 0)


if __name__ == "__main__":
    main()
