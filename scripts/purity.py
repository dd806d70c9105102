#!/usr/bin/env python3
"""The core does no I/O (DESIGN §1): no files, network, threads, clock, environment or randomness in core/protocol and core/broker.

Reads the product source, without its tests, and the crate's dependency tree. Standard library only.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES = {"imagxp": ROOT / "core" / "protocol" / "src", "imagxp-broker": ROOT / "core" / "broker" / "src"}
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


def test_modules(path):
    """The files of the modules that this one declares for tests only."""
    folder = path.parent if path.name in ("mod.rs", "lib.rs") else path.with_suffix("")
    for name in re.findall(r"^#\[cfg\(test\)\]\n(?:pub\(\w+\) )?mod (\w+);", path.read_text(), re.MULTILINE):
        yield folder / f"{name}.rs"


# Only builds that ask for them have these: the core's other back end (docs/performance.md).
OPTIONAL_CRATES = {"aws-lc-rs", "aws-lc-sys"}


def main():
    found = [f"a default build of the workspace contains {name}" for name in sorted(dependencies() & OPTIONAL_CRATES)]
    for package, source in CRATES.items():
        found += impure_lines(source)
        found += [f"{package} depends on {name}" for name in sorted(dependencies(package) & FORBIDDEN_CRATES)]
    for line in found:
        print(f"impure: {line}")
    sys.exit(1 if found else 0)


def impure_lines(source):
    """The lines that reach outside."""
    files = sorted(source.rglob("*.rs"))
    if len(files) < 20:
        sys.exit(f"only {len(files)} files in {source}: this check looks in the wrong place")
    tests = {path for file in files for path in test_modules(file)}
    for path in files:
        if path in tests:
            continue
        for number, code in product_lines(path):
            if FORBIDDEN.search(code):
                yield f"{path.relative_to(ROOT)}:{number}: {code.strip()}"


def dependencies(package=None):
    """The names of all crates that a package is made of, or the whole workspace."""
    which = ["--package", package] if package else ["--workspace"]
    tree = subprocess.run(
        ["cargo", "tree", *which, "--edges", "normal", "--prefix", "none", "--format", "{p}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    crates = {line.split()[0] for line in tree.stdout.split("\n") if line}
    if "p256" not in crates:
        sys.exit("cargo tree does not list p256: this check looks in the wrong place")
    return crates


if __name__ == "__main__":
    main()
