"""What scripts/ does when a machine is not as expected: a package is missing, somebody else is at work, the compiler is a newer one."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of a checkout whose target folder is empty; the programs in `folder` are found first."""
    (folder / "target").mkdir(exist_ok=True)
    paths = f"{folder}{os.pathsep}{os.environ['PATH']}"
    more = {"PATH": paths, "CARGO_TARGET_DIR": str(folder / "target"), **environment}
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=60)


def library(folder: Path, words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a script says that sources scripts/lib.sh."""
    return run(folder, "sh", "-euc", f". scripts/lib.sh && {words}", "scripts/test.sh", **environment)


def program(folder: Path, name: str, lines: str) -> None:
    """A program that takes the place of the system's."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


def test_another_apt_at_work_is_waited_for(tmp_path: Path) -> None:
    """The lock of the lists has no option for it."""
    count = f'echo >>{tmp_path}/asked; [ "$(wc -l <{tmp_path}/asked)" -gt 2 ]'
    program(tmp_path, "apt-get", f"{count} || {{ echo '{LOCKED}' >&2; exit 100; }}")
    program(tmp_path, "sleep", "exit 0")
    assert library(tmp_path, "apt_update").returncode == 0
    assert len((tmp_path / "asked").read_text().splitlines()) == 3
    # What no waiting mends is said at once, and nobody waits for ever.
    for said, times in (("E: no such mirror", 1), (LOCKED, 61)):
        (tmp_path / "asked").unlink()
        program(tmp_path, "apt-get", f"echo >>{tmp_path}/asked; echo '{said}' >&2; exit 100")
        done = library(tmp_path, "apt_update")
        assert done.returncode != 0
        assert said in done.stdout
        assert len((tmp_path / "asked").read_text().splitlines()) == times


def test_python_without_ensurepip_is_completed(tmp_path: Path) -> None:
    """As Debian's is; whoever asks for Python alone, `make demo` above all, has it installed too."""
    program(tmp_path, "python3", 'case "$*" in *ensurepip*) exit 1 ;; esac\ncase "$1" in -c) exit 0 ;; esac\nexit 9')
    program(tmp_path, "id", "echo 1000")
    program(tmp_path, "apt-get", "exit 0")
    done = run(tmp_path, "scripts/setup.sh", "python")
    assert done.returncode == 1
    assert "please run: sudo apt-get install python3-venv" in done.stderr


def test_a_second_run_in_one_checkout_ends_at_once(tmp_path: Path) -> None:
    """Its first act would be to remove the logs of the first."""
    logs = tmp_path / "target" / "test-logs"
    logs.mkdir(parents=True)
    (logs / "01-setup.log").write_text("the first run's\n")
    with (tmp_path / "target" / "test.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run(tmp_path, "scripts/test.sh", "no-such-step")
    assert done.returncode == 1
    assert done.stderr == "error: another scripts/test.sh is at work in this checkout\n"
    assert (logs / "01-setup.log").exists()


def test_a_compiler_that_nobody_has_read_the_warnings_of_fails_nothing(tmp_path: Path) -> None:
    """A newer one has lints by default that ours was not written for."""
    known = library(tmp_path, 'echo "$known_rustc"').stdout.strip()
    for version, level, words in ((known, "deny", "a -D warnings"), ("9.99.0", "warn", "a")):
        program(tmp_path, "rustc", f"echo 'rustc {version} (0000000 2026-01-01)'")
        assert library(tmp_path, "warnings_level").stdout == f"{level}\n"
        program(tmp_path, "clippy-driver", 'echo "$*"')
        assert run(tmp_path, "scripts/strict_rustc.sh", "a", IMAGXP_WARNINGS=level).stdout == f"{words}\n"
