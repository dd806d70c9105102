"""What the tests of the package share: where things are, and running a program so that its words are in the failure."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ports import free_port  # noqa: E402 (its folder is on no path before)

__all__ = ["BUILT", "HEADER", "ROOT", "TARGET", "VERDICT", "WARNINGS", "abi", "free_port", "run"]

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# What `scripts/package.sh trial` has built.
BUILT = TARGET / "package"
HEADER = ROOT / "include" / "imagxp.h"
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# What examples/c/ten_lines.c prints.
VERDICT = "401 this site asks automated readers to identify themselves\n"


def run(*command, ok=True, env=None, cwd=None, seconds=120):
    """Runs a program and returns what it printed; `ok` says whether it has to end with 0."""
    words = [str(word) for word in command]
    environment = {**os.environ, **{name: str(value) for name, value in (env or {}).items()}}
    done = subprocess.run(
        words, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
    )
    said = f"{' '.join(words)}\nended with {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    assert (done.returncode == 0) == ok, said
    return done.stdout if ok else done.stdout + done.stderr


def abi():
    """The ABI's number, from the place where it is set."""
    return re.search(r"^const ABI: u32 = (\d+);", (ROOT / "ffi/build.rs").read_text(), re.MULTILINE)[1]


def version():
    """The version of the workspace."""
    return re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def soname(library):
    """The SONAME of a shared library, and below it what it needs."""
    text = run("readelf", "-d", library)
    return re.search(r"SONAME.*\[(.+)\]", text)[1], re.findall(r"NEEDED.*\[(.+)\]", text)


def tree(folder):
    """Every path below a folder, relative to it; folders end with a slash."""
    return {f"{p.relative_to(folder)}{'/' if p.is_dir() and not p.is_symlink() else ''}" for p in Path(folder).rglob("*")}
