#!/usr/bin/env python3
"""Installs the extension that cargo has built in this interpreter's environment, in place: as `maturin develop` would, which
compiles it alone, and with it every dependency once more, with fewer features.

Usage: .venv/bin/python scripts/python_extension.py LIBRARY

The library goes beside its package; the environment gets a wheel of a path and of the metadata that maturin writes.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "bindings" / "python"
PACKAGE = PROJECT / "python" / "imagxp"


def place(library):
    """Replaced, not written over: a process may have it open."""
    fresh = PACKAGE / "_imagxp.new"
    shutil.copyfile(library, fresh)
    fresh.chmod(0o755)
    fresh.replace(PACKAGE / "_imagxp.abi3.so")


def wheel(folder):
    """An editable wheel (PEP 660) of what is in git."""
    described = folder / "described"
    described.mkdir()
    maturin = [
        sys.executable,
        "-m",
        "maturin",
        "pep517",
        "write-dist-info",
        "--metadata-directory",
        described,
        "--interpreter",
        sys.executable,
    ]
    subprocess.run(maturin, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    (info,) = described.iterdir()
    (described / "imagxp.pth").write_text(f"{PACKAGE.parent}\n")
    (tag,) = [line.removeprefix("Tag: ") for line in (info / "WHEEL").read_text().splitlines() if line.startswith("Tag: ")]
    record = info / "RECORD"
    files = sorted(path for path in described.rglob("*") if path.is_file() and path != record)
    lines = [f"{record.relative_to(described)},,"]
    for path in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        lines.append(f"{path.relative_to(described)},sha256={digest},{path.stat().st_size}")
    record.write_text("\n".join(lines) + "\n")
    made = folder / f"{info.name.removesuffix('.dist-info')}-{tag}.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path in (*files, record):
            archive.write(path, path.relative_to(described))
    return made


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    place(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--force-reinstall",
            wheel(Path(folder)),
        ]
        subprocess.run(install, check=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})


if __name__ == "__main__":
    main()
