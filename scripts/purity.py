#!/usr/bin/env python3
"""The core does no I/O (DESIGN §1): no files, network, threads, clock, environment or randomness in core/protocol.

Reads the product source, without its tests, and the crate's dependency tree. Standard library only.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "core" / "protocol" / "src"
FORBIDDEN = re.compile(
    r"\bstd::(fs|net|thread|env|time|process|io|os|path)\b|\b(SystemTime|Instant|TcpStream|File)::|\bthread_local!|"
    r"\bstatic\s+mut\b|\bgetrandom\b|\brand::|\bOsRng\b"
)
# Sources of entropy, clocks, sockets and run-times. A crate that needs one of them is no crate for the core.
FORBIDDEN_CRATES = {
    "getrandom", "rand", "chrono", "time", "tokio", "async-std", "reqwest", "hyper", "ureq", "mio", "socket2", "rustls",
    "openssl", "native-tls", "libsqlite3-sys", "rusqlite", "wasm-bindgen", "js-sys", "web-sys",
}  # fmt: skip


def product_lines(path):
    """The numbered lines before the file's tests, without comments and without `mod` lines that are for tests only."""
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("#[cfg(test)]") and lines[number].endswith("{"):
            # By convention the tests come last.
            return
        if not line.startswith("//"):
            yield number, line.split(" //")[0]


def main():
    found = []
    files = sorted(SOURCE.rglob("*.rs"))
    if len(files) < 20:
        sys.exit(f"only {len(files)} files in {SOURCE}: this check looks in the wrong place")
    for path in files:
        if path.name == "fixtures.rs":
            continue
        for number, code in product_lines(path):
            if FORBIDDEN.search(code):
                found.append(f"{path.relative_to(ROOT)}:{number}: {code.strip()}")
    tree = subprocess.run(
        ["cargo", "tree", "--package", "imagxp", "--edges", "normal", "--prefix", "none", "--format", "{p}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    crates = {line.split()[0] for line in tree.stdout.split("\n") if line}
    if "p256" not in crates:
        sys.exit("cargo tree does not list p256: this check looks in the wrong place")
    found += [f"the core depends on {name}" for name in sorted(crates & FORBIDDEN_CRATES)]
    for line in found:
        print(f"impure: {line}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
