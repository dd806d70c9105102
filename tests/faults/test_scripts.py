"""What scripts/ does when a machine is not as expected: a package is missing, somebody else is at work, the compiler is a newer one, or
nothing has been built yet."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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


def checkout(folder: Path, *scripts: str) -> tuple[Path, Path]:
    """A checkout with these scripts, in which everything else that they start is noted and not done; and where it is noted."""
    root, asked = folder / "checkout", folder / "asked"
    (root / "scripts").mkdir(parents=True)
    (root / "tests" / "bench").mkdir(parents=True)
    (root / "tests" / "faults").mkdir(parents=True)
    (root / "bindings" / "python").mkdir(parents=True)
    for name in ("scripts/lib.sh", "scripts/needs.sh", "scripts/tally.py", "tests/bench/instructions.json", *scripts):
        shutil.copy(ROOT / name, root / name)
    others = ("setup", "lint", "node", "swift", "wasm", "nginx", "faults", "fuzz_bindings")
    for name in (".venv/bin/python", "tests/c/run.sh", *(f"scripts/{name}.sh" for name in others)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            program(path.parent, path.name, f'echo "${{0##*/}} $*" >>{asked}')
    program(folder, "cargo", f'echo "cargo $1" >>{asked}')
    return root, asked


CAMPAIGNS = ("tests/faults/campaigns.py", "tests/faults/check.py")
FIRST = "setup.sh compiler rust crates"
BINDINGS = ["cargo build", "setup.sh extension", "node.sh build", "swift.sh build", "wasm.sh build"]


@pytest.mark.parametrize(
    ("step", "before", "then"),
    [
        ("lint", [f"{FIRST} tools python"], "lint.sh "),
        ("python", [f"{FIRST} tools python services", "cargo build", "setup.sh extension"], "python -m pytest "),
        (
            "conformance",
            [f"{FIRST} tools python node swift", *BINDINGS, "run.sh conformance"],
            "python tests/conformance/table.py",
        ),
        ("docs", [f"{FIRST} tools python node swift", "cargo build", *BINDINGS], "python scripts/check_docs.py"),
        ("nginx", [f"{FIRST} tools python nginx", "setup.sh extension"], "nginx.sh test"),
        ("grade", [f"{FIRST} python node nginx", *BINDINGS[:3], "nginx.sh build"], "python tests/grade/run.py"),
        ("differential", [f"{FIRST} python node", "cargo build"], "python -m pytest "),
        ("faults", [f"{FIRST} tools python services nginx", "cargo build", "setup.sh extension"], "faults.sh short"),
        (
            "fuzz_bindings",
            [f"{FIRST} python node nginx", "setup.sh extension", "node.sh build", "nginx.sh build asan"],
            "fuzz_bindings.sh ",
        ),
    ],
)
def test_a_step_that_is_named_judges_what_is_built_then(tmp_path: Path, step: str, before: list[str], then: str) -> None:
    """An earlier build would be judged else, and in a fresh clone there is none; and no more is installed than it takes."""
    root, asked = checkout(tmp_path, "scripts/test.sh")
    done = run(tmp_path, str(root / "scripts" / "test.sh"), step)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = asked.read_text().splitlines()
    assert lines[: len(before)] == before
    assert lines[len(before)].startswith(then), lines


def test_each_step_says_what_it_needs(tmp_path: Path) -> None:
    """One that does not, or that is misspelt, would run nothing of what it takes."""
    steps = set(re.findall(r"^ *step (\w+) ", (ROOT / "scripts" / "test.sh").read_text(), re.MULTILINE)) - {"lane_setup", "made"}
    assert len(steps) > 25
    words = f"for step in {' '.join(sorted(steps))}; do needs $step >/dev/null || echo $step; done"
    assert library(tmp_path, f". scripts/needs.sh && {words}").stdout == ""
    root, asked = checkout(tmp_path, "scripts/test.sh")
    done = run(tmp_path, str(root / "scripts" / "test.sh"), "lint", "pyhton")
    assert done.returncode == 1
    assert "there is no step pyhton" in done.stderr
    assert not asked.exists()


def test_a_proof_that_is_misspelt_is_a_failure(tmp_path: Path) -> None:
    """It would run nothing, and say nothing."""
    for form in ("short", "long"):
        root, asked = checkout(tmp_path / form, "scripts/faults.sh")
        command = str(root / "scripts" / "faults.sh")
        done = run(tmp_path / form, command, form, "kill-sqlite", "kil", IMAGXP_COMMIT="abc")
        assert done.returncode == 1
        assert "there is no proof kil\n" in done.stderr
        assert run(tmp_path / form, command, form, "kill-sqlite", IMAGXP_COMMIT="abc").returncode == 0
        assert any(line.startswith("python tests/faults/kill.py --kills ") for line in asked.read_text().splitlines())


def test_on_ci_what_set_up_installs_is_there(tmp_path: Path) -> None:
    """What is skipped there would be skipped for ever."""
    root, _ = checkout(tmp_path, "scripts/fuzz_bindings.sh")
    program(root / ".venv" / "bin", "pip", "echo no such release; exit 1")
    for ci, status, said in (("true", 1, "0 passed, 1 failed\n"), ("", 0, "0 passed, 0 failed\n")):
        done = run(tmp_path, str(root / "scripts" / "fuzz_bindings.sh"), "-f", str(tmp_path), "python", CI=ci)
        assert (done.returncode, done.stdout.endswith(said)) == (status, True), done.stdout + done.stderr
        assert "no such release\n" in done.stdout
        assert ("SKIPPED: atheris" in done.stdout) == (not ci)
        # The report asks for a row of those that ran, and finds none.
        assert (tmp_path / "fuzz-python.json").exists() == (not ci)


@pytest.mark.parametrize(("took", "status"), [(2400, 0), (2401, 1)])
def test_a_whole_run_on_ci_has_a_bound(tmp_path: Path, took: int, status: int) -> None:
    done = run(tmp_path, "scripts/test.sh", "--run", "in_time", str(took))
    assert done.stdout.startswith(f"the whole run took {took} s; on CI it has 2400 s\n")
    (tmp_path / "99-time.log").write_text(done.stdout)
    assert run(tmp_path, "python3", "scripts/tally.py", str(tmp_path / "99-time.log")).returncode == status


def test_whoever_watches_for_a_hang_waits_for_longer_than_the_test(tmp_path: Path) -> None:
    """A million verdicts in Python may take an hour; pytest ended them after ten minutes."""
    root, asked = checkout(tmp_path, "scripts/soak.sh", *CAMPAIGNS)
    program(root / "scripts", "wheels.sh", "exit 0")
    assert run(tmp_path, str(root / "scripts" / "soak.sh"), "--run", "memory-python").returncode == 0
    watched = re.search(r"python -m pytest .*-o faulthandler_timeout=(\d+) ", asked.read_text())
    allowed = re.search(r"timeout=(\d+)", (ROOT / "bindings/python/tests/test_memory.py").read_text())
    assert watched
    assert allowed
    assert int(watched[1]) > int(allowed[1])


def test_what_a_rust_test_says_in_a_campaign_is_in_its_log(tmp_path: Path) -> None:
    """As in a step of scripts/test.sh: its runner shows nothing of it."""
    root, _ = checkout(tmp_path, "scripts/soak.sh", *CAMPAIGNS)
    program(
        tmp_path,
        "cargo",
        'printf "cli::a: no shell\\ncli::a: no shell\\n" >>"$IMAGXP_SKIPPED"; echo "test result: ok. 2 passed; 0 failed; 0 ignored;"',
    )
    run(tmp_path, str(root / "scripts" / "soak.sh"), "broker-model")
    soak = tmp_path / "target" / "soak"
    assert (soak / "logs" / "broker-model.log").read_text().endswith("\nSKIPPED: test cli::a: no shell\n")
    row = json.loads((soak / "broker-model.json").read_text())
    assert (row["skipped_parts"], row["figures"]["tests"]) == (["test cli::a: no shell"], 1)


def test_a_library_that_cannot_be_built_is_no_data_race(tmp_path: Path) -> None:
    """The standard library's own crates are not among those that the set-up fetches."""
    root, asked = checkout(tmp_path, "scripts/models.sh")
    (tmp_path / "lib/rustlib/src/rust/library").mkdir(parents=True)
    program(tmp_path, "rustc", f"case $1 in -vV) echo host: x ;; *) echo {tmp_path} ;; esac")
    offline = f'echo "$CARGO_NET_OFFLINE $*" >>{asked}; case "$*" in *nightly* | *build-std*) exit 101 ;; esac'
    program(tmp_path, "cargo", f"{offline}; echo 'test result: ok. 20 passed; 0 failed; 0 ignored;'")
    done = run(tmp_path, str(root / "scripts" / "models.sh"), "10", str(tmp_path), CARGO_NET_OFFLINE="true")
    assert done.returncode == 0, done.stdout + done.stderr
    reason = "the standard library cannot be built for it here"
    assert f"SKIPPED: ThreadSanitizer: {reason}\n" in done.stdout
    row = json.loads((tmp_path / "threadsanitizer.json").read_text())
    assert (row["skipped"], row["seed"]) == (reason, None)
    races = [line for line in asked.read_text().splitlines() if "build-std" in line]
    assert len(races) == 1
    assert races[0].startswith("false test ")
    assert races[0].endswith(" --no-run")


@pytest.mark.parametrize("tool", ["build-std", "miri"])
def test_a_test_that_does_not_compile_is_no_library_that_cannot_be_built(tmp_path: Path, tool: str) -> None:
    """With the tool it does not compile either, and that was called a machine without it."""
    root, _ = checkout(tmp_path, "scripts/models.sh")
    if tool == "build-std":
        (tmp_path / "lib/rustlib/src/rust/library").mkdir(parents=True)
    program(tmp_path, "rustc", f"case $1 in -vV) echo host: x ;; *) echo {tmp_path} ;; esac")
    broken = f'case "$*" in *{tool}*--version) exit 0 ;; *{tool}* | *"--test order"*) echo "error: cannot find value"; exit 101 ;; esac'
    program(tmp_path, "cargo", f"{broken}; echo 'test result: ok. 20 passed; 0 failed; 0 ignored;'")
    done = run(tmp_path, str(root / "scripts" / "models.sh"), "10", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "its tests do not build without it either" in done.stderr
    assert "the standard library cannot be built" not in done.stdout
    assert not (tmp_path / "models.json").exists()


def test_an_xcframework_carries_the_notices_of_all_its_platforms(tmp_path: Path) -> None:
    """Whoever links it hands them on; nobody can make one here but by name."""
    root, asked = checkout(tmp_path, "scripts/xcframework.sh")
    for name in ("ImagxpFFI.h", "module.modulemap"):
        sources = Path("bindings/swift/Sources/ImagxpFFI")
        (root / sources).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / sources / name, root / sources / name)
    (root / "packaging").mkdir()
    program(root / "packaging", "notices.sh", f'echo "${{0##*/}} $*" >>{asked}')
    program(tmp_path, "uname", "echo Darwin")
    for name in ("xcodebuild", "lipo", "rustup"):
        program(tmp_path, name, "exit 0")
    assert run(tmp_path, str(root / "scripts" / "xcframework.sh")).returncode == 0
    platforms = ("aarch64-apple-darwin", "x86_64-apple-darwin", "aarch64-apple-ios", "aarch64-apple-ios-sim", "x86_64-apple-ios")
    folder = root / "bindings" / "swift" / "build" / "ImagxpFFI.xcframework"
    targets = " ".join(f"--target {platform}" for platform in platforms)
    assert asked.read_text().splitlines()[-1] == f"notices.sh imagxp-swift {folder} {targets}"


def test_make_installs_and_removes_no_more_than_it_says(tmp_path: Path) -> None:
    """What crashed a fuzz target is no build; a format needs no database and no browser."""

    def lines(target: str) -> str:
        return run(tmp_path, "make", "-n", "--no-print-directory", target).stdout

    assert lines("lint") == "scripts/test.sh lint compile\n"
    assert lines("sbom").startswith("scripts/setup.sh rust crates && ")
    assert lines("clean") == "rm -rf target .venv\n"
