"""The source distribution builds by itself, offline, and what comes of it works."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
REPOSITORY = PROJECT.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
# As quick as can be: the same compiled dependencies and no optimisation. Nothing is fetched; cargo leaves the other crates out of the lock.
OFFLINE = {
    **os.environ,
    "CARGO_NET_OFFLINE": "true",
    "CARGO_TARGET_DIR": str(TARGET),
    "MATURIN_PEP517_ARGS": "--profile dev",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PIP_NO_INDEX": "1",
    "PYO3_PYTHON": sys.executable,
    "PYTHONDONTWRITEBYTECODE": "1",
}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=OFFLINE, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_source_distribution_builds_and_works(tmp_path: Path) -> None:
    run(sys.executable, "-m", "maturin", "sdist", "--manifest-path", PROJECT / "Cargo.toml", "--out", tmp_path, cwd=tmp_path)
    (archive,) = tmp_path.glob("imagxp-*.tar.gz")
    with tarfile.open(archive) as packed:
        names = packed.getnames()
        packed.extractall(tmp_path, filter="data")
    assert not [name for name in names if "/tests/" in name and "/bindings/" in name], "tests need the checkout"
    for needed in ("LICENSE", "NOTICE", "Cargo.lock", "PKG-INFO"):
        assert any(name.endswith(f"/{needed}") for name in names), needed
    (source,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    wheels = tmp_path / "wheels"
    run(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", wheels, source, cwd=tmp_path)
    (wheel,) = wheels.glob("imagxp-*-abi3-*.whl")
    clean = tmp_path / "clean"
    run(sys.executable, "-m", "venv", clean, cwd=tmp_path)
    run(clean / "bin" / "pip", "install", "--no-deps", wheel, cwd=tmp_path)
    said = run(clean / "bin" / "python", "-W", "error", PROJECT / "tests" / "smoke.py", cwd=tmp_path)
    assert str(clean) in said, "it is the installed one that was tried"
