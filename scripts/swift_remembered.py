#!/usr/bin/env python3
"""What uniffi's generator was given the last time, and what it made: when both are the same still, it need not run.

Usage: scripts/swift_remembered.py LIBRARY [--update]

The generator is a function of the descriptions that uniffi puts into the library (the symbols UNIFFI_META_*), of
bindings/swift/uniffi.toml, and of itself (its crates in Cargo.lock); compiling it takes longer than all of our crates together.
Exits 0 when bindings/swift/remembered.sha256 says that these gave the files in git, and 1, with the reason, when not. Standard
library and `nm`.
"""

import ctypes
import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SWIFT = ROOT / "bindings" / "swift"
REMEMBERED = SWIFT / "remembered.sha256"
MADE = ("Sources/Imagxp/Generated/Imagxp.swift", "Sources/ImagxpFFI/ImagxpFFI.h")


def descriptions(library):
    """Each symbol's name and bytes."""
    table = subprocess.run(["nm", "-D", "-S", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    loaded = ctypes.CDLL(str(library))
    found = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[3].startswith("UNIFFI_META_"):
            size = int(fields[1], 16)
            found.append((fields[3], bytes((ctypes.c_ubyte * size).in_dll(loaded, fields[3]))))
    if not found:
        raise SystemExit(f"error: {library} describes nothing to uniffi")
    return sorted(found)


def generator():
    """The generator's crates: name, version and checksum of each that it is made of."""
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    by_name = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    seen, waiting = {}, ["uniffi_bindgen"]
    while waiting:
        # A name alone, or with its version where there are several: then all of them count.
        for package in by_name[waiting.pop().split()[0]]:
            name = f"{package['name']} {package['version']}"
            if name not in seen:
                seen[name] = package.get("checksum", "")
                waiting += package.get("dependencies", [])
    return sorted(seen.items())


def given(library):
    """The hash of all that the generator is given."""
    digest = hashlib.sha256()
    for name, content in [*descriptions(library), *((name, check.encode()) for name, check in generator())]:
        digest.update(f"{name} {len(content)}\n".encode() + content)
    digest.update((SWIFT / "uniffi.toml").read_bytes())
    return digest.hexdigest()


def main():
    library = Path(sys.argv[1]).resolve()
    lines = [f"{given(library)}  what uniffi was given"]
    lines += [f"{hashlib.sha256((SWIFT / path).read_bytes()).hexdigest()}  {path}" for path in MADE]
    text = "\n".join(lines) + "\n"
    if sys.argv[2:] == ["--update"]:
        REMEMBERED.write_text(text)
        return 0
    kept = REMEMBERED.read_text().splitlines() if REMEMBERED.exists() else []
    changed = [line.split("  ", 1)[1] for line in lines if line not in kept]
    if changed:
        print(f"swift: not as it was the last time: {', '.join(changed)}")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
