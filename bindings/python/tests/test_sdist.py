"""The source distribution has everything that the extension is compiled from. `make wheels` builds one and tries what comes of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
REPOSITORY = PROJECT.parents[1]
# Maturin rewrites manifests, and the other is clippy's alone.
UNLIKE = {"Cargo.toml", "clippy.toml"}
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))


def read_by_the_compiler() -> set[Path]:
    """What cargo noted about the extension when it was built: each file of ours, in whichever crate."""
    noted = [path for profile in ("debug", "release") if (path := TARGET / profile / "lib_imagxp.d").exists()]
    assert noted, "the extension is not built: scripts/setup.sh extension"
    _, _, files = max(noted, key=lambda path: path.stat().st_mtime).read_text().partition(": ")
    paths = [Path(name.replace("\\ ", " ")) for name in re.split(r"(?<!\\)\s+", files.strip())]
    return {path.relative_to(REPOSITORY) for path in paths if not path.is_relative_to(TARGET) and path.name not in UNLIKE}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "maturin", "sdist", "--manifest-path", PROJECT / "Cargo.toml", "--out", folder]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (archive,) = folder.glob("imagxp-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (source,) = [path for path in folder.iterdir() if path.is_dir()]
    return source


def test_every_file_that_the_compiler_read_is_in_it_as_it_is_here(unpacked: Path) -> None:
    sources = read_by_the_compiler()
    assert {"core", "bindings"} <= {path.parts[0] for path in sources}
    for path in sorted(sources):
        assert (unpacked / path).read_bytes() == (REPOSITORY / path).read_bytes(), path


def test_cargo_finds_every_crate_of_ours_in_it_and_nothing_else(unpacked: Path) -> None:
    command = [
        "cargo",
        "metadata",
        "--offline",
        "--format-version",
        "1",
        "--manifest-path",
        unpacked / "bindings/python/Cargo.toml",
    ]
    environment = {**os.environ, "CARGO_NET_OFFLINE": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for path in read_by_the_compiler():
        crate = next(parent for parent in path.parents if (REPOSITORY / parent / "Cargo.toml").exists())
        assert f'"{unpacked / crate / "Cargo.toml"}"' in done.stdout, crate


def test_it_has_its_licences_and_no_tests(unpacked: Path) -> None:
    names = [str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()]
    assert not [name for name in names if name.startswith("bindings/") and "/tests/" in name], "tests need the checkout"
    for needed in ("LICENSE", "NOTICE", "Cargo.lock", "PKG-INFO"):
        assert any(Path(name).name == needed for name in names), needed
