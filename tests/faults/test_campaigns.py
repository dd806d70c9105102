"""The report of `make soak` says what was measured, and nothing that was not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import campaigns
import pytest
import report
from campaigns import CAMPAIGNS, ROWS, judged

ONE = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 12 filtered out; finished in 3.10s\n"
NONE = ONE.replace("1 passed", "0 passed")
OWN: dict[str, Any] = {"pass": True, "seed_fault": False, "seed": 7, "figures": {"worlds": 10}, "wrong": []}


def row(name: str, log: str, status: int = 0, own: dict[str, Any] | None = None) -> dict[str, Any]:
    """With all rows beside it."""
    return judged(name, log, status, 12, own, [], [])


@pytest.mark.parametrize(
    ("name", "log", "figures"),
    [
        ("hot-signatures", f"999998 signatures by the tables and by both others: 1 good, 2 bad\n{ONE}", {"signatures": 999998}),
        ("broker-model", f"test does_what ...       12 PAY ok\n 1500000 in all\n{ONE}", {"commands": 1500000}),
        (
            "audit-throughput",
            f"200000 records of 900 bytes by 2 threads in 1s: 140000 a second; memory +3 KiB\n{ONE}",
            {"per_second": 140000},
        ),
        ("exhaustion-c", "576 processes ended without memory\n6 passed, 0 failed\n", {"processes": 576, "tests": 6}),
        (
            "nginx",
            "answers: {'200 ok': 40, '401 time.expired': 2}\nzone: {}\n40 let in, 20 or more in each of 2 rounds\n"
            "1 passed, 0 failed (9 s, grown by -3 KiB)\n",
            {"answers": 42, "let_in": 40, "grown_kib": -3},
        ),
        (
            "memory-node",
            "1000000 verifications: heap -12 bytes, resident 40 bytes (1 2 KiB after each fifth)\n",
            {"verifications": 1000000, "heap_bytes": -12},
        ),
        (
            "reproducible",
            f"{'ab' * 32}  libimagxp.so\n{'cd' * 32}  libimagxp.a\n",
            {"artefacts": 2, "sha256": {"libimagxp.so": "ab" * 32, "libimagxp.a": "cd" * 32}},
        ),
        (
            "memory-python",
            "1000000 verdicts: grown by 4096 bytes\na-abi3-x.whl, 900 KiB\n2 passed in 9.1s\n",
            {"verdicts": 1000000, "wheels_kib": {"a-abi3-x.whl": 900}, "tests": 2},
        ),
        (
            "fuzz",
            "json        12345 inputs,   120 in its corpus\nvisa         5 inputs,   1 in its corpus\n3 passed, 0 failed\n",
            {"inputs": 12350, "tests": 3},
        ),
    ],
)
def test_figures_are_read_from_what_was_printed(name: str, log: str, figures: dict[str, Any]) -> None:
    found = row(name, log)
    assert found["pass"], found
    assert figures.items() <= found["figures"].items()
    assert found["figures"]["seconds"] == 12


def test_a_test_that_was_renamed_is_a_failure() -> None:
    found = row("broken-files", NONE * 3)
    assert not found["pass"]
    assert found["wrong"] == ["no test ran", "it did not say its figure: files", "it left no figures"]
    # Another test ran, and what was to be counted was not.
    assert not row("hot-signatures", ONE)["pass"]


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_silence_is_a_failure_of_each(name: str) -> None:
    assert not row(name, "")["pass"]
    assert not row(name, "", own={**OWN, "figures": {}})["pass"]
    assert not row(name, "", own={**OWN, "figures": {"seconds": 3}})["pass"]


def test_what_a_campaign_says_of_itself_counts() -> None:
    assert row("simulation", "", own=OWN)["figures"] == {"worlds": 10, "seconds": 12}
    bad = row("simulation", "", 1, own={**OWN, "pass": False, "wrong": ["seed 3"]})
    assert (bad["pass"], bad["wrong"]) == (False, ["seed 3", "it ended with 1"])
    # A row that says it passed, of a process that did not.
    assert not row("simulation", "", 1, own=OWN)["pass"]
    assert not row("exhaustion-c", "576 processes ended without memory\n5 passed, 1 failed\n")["pass"]
    assert judged("models", "", 0, 1, OWN, ["miri"], [])["wrong"] == ["it did not write the row of miri"]


OF_ITS_OWN = [name for name, wanted in CAMPAIGNS.items() if not wanted]


@pytest.mark.parametrize("name", OF_ITS_OWN)
def test_tests_that_passed_are_no_row_of_its_own(name: str) -> None:
    found = row(name, "3 passed, 0 failed\n")
    assert (found["pass"], found["wrong"]) == (False, [f"it did not write the row of {name}"])
    assert row(name, "3 passed, 0 failed\n", own=OWN)["pass"]


def test_a_row_of_no_seed_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What nothing repeats has none, and 0 would be one."""
    found = row("models", "18 passed, 0 failed\n", own={**OWN, "seed": None})
    assert (found["pass"], found["seed"]) == (True, None)
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["report.py"])
    (tmp_path / "models.json").write_text(json.dumps(found))
    assert report.main() == 0
    assert "pass  models" in capsys.readouterr().out


def test_what_could_not_run_is_skipped_by_its_reason() -> None:
    assert row("advisories", "SKIPPED: advisories: no database\n") == {"skipped": "advisories: no database"}
    # One part of several that is skipped does not excuse the others.
    assert not row("memory-python", "SKIPPED: the musllinux wheel\n1 passed in 2.0s\n")["pass"]
    assert not row("advisories", "SKIPPED: advisories: no database\n", 1)["pass"]


def test_a_part_that_was_skipped_is_in_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that passed would say of it that it did."""
    monkeypatch.setattr(campaigns, "REPORTS", tmp_path)
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    monkeypatch.setenv("IMAGXP_COMMIT", "abc")
    (tmp_path / "logs").mkdir()
    arms = "SKIPPED: arms are counted and not judged\n"
    (tmp_path / "logs" / "coverage.log").write_text(f"{arms}{arms}2 passed, 0 failed\n")
    (tmp_path / "coverage.json").write_text(json.dumps(OWN))
    monkeypatch.setattr("sys.argv", ["campaigns.py", "row", "coverage", "0", "12"])
    assert campaigns.main() == 0
    monkeypatch.setattr("sys.argv", ["report.py"])
    assert report.main() == 0
    said = capsys.readouterr().out
    assert "SKIPPED: coverage: arms are counted and not judged\n" in said
    assert said.endswith("1 passed, 0 failed, 1 skipped\n")
    written = json.loads((tmp_path / "report.json").read_text())["coverage"]
    assert (written["skipped_parts"], written["pass"]) == (["arms are counted and not judged"], True)


def test_what_has_a_row_of_its_own_is_no_part() -> None:
    log = "SKIPPED: Miri: no nightly\nSKIPPED: another\n15 passed, 0 failed\n3 passed, 2 skipped in 1.2s\n"
    found = judged("models", log, 0, 1, OWN, [], ["no nightly"])
    assert found["skipped_parts"] == ["another", "2 tests, by their runner"]


def test_a_rust_test_that_could_not_run_has_not_passed() -> None:
    """Its runner says that it did."""
    skips = "SKIPPED: test cli::broken_files: no pseudo-terminal\n"
    two = ONE.replace("1 passed", "2 passed")
    found = row("broken-files", f"40 broken files broke nothing\n{two}{skips}")
    assert (found["figures"]["tests"], found["skipped_parts"]) == (1, ["test cli::broken_files: no pseudo-terminal"])
    assert row("mutation", ONE + skips) == {"skipped": "test cli::broken_files: no pseudo-terminal"}


def test_the_report_fails_on_a_row_that_measured_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["report.py"])
    (tmp_path / "simulation.json").write_text(json.dumps(OWN))
    assert report.main() == 0
    (tmp_path / "cross.json").write_text(json.dumps({**OWN, "figures": {"seconds": 300}}))
    assert report.main() == 1
    assert "FAIL  cross" in capsys.readouterr().out
    (tmp_path / "cross.json").unlink()
    monkeypatch.setattr("sys.argv", ["report.py", "--all"])
    assert report.main() == 1
    missing = json.loads((tmp_path / "report.json").read_text())["missing"]
    assert set(missing) == ({*CAMPAIGNS} | {each for rows in ROWS.values() for each in rows}) - {"simulation"}


def test_rows_of_two_commits_are_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    monkeypatch.setattr(report, "NAMES", ["simulation", "cross"])
    for name, commit in (("simulation", "abc"), ("cross", "abc")):
        (tmp_path / f"{name}.json").write_text(json.dumps({**OWN, "commit": commit}))
    monkeypatch.setattr("sys.argv", ["report.py", "--all"])
    assert report.main() == 0
    (tmp_path / "cross.json").write_text(json.dumps({**OWN, "commit": "def"}))
    assert report.main() == 1
    monkeypatch.setattr("sys.argv", ["report.py"])
    assert report.main() == 0
    assert "the rows are of 2 commits" in capsys.readouterr().out
    # One that does not say is of none of them.
    (tmp_path / "cross.json").write_text(json.dumps(OWN))
    monkeypatch.setattr("sys.argv", ["report.py", "--all"])
    assert report.main() == 1


def test_a_campaign_is_judged_by_its_own_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    (tmp_path / "mutants.json").write_text(json.dumps({**OWN, "pass": False}))
    (tmp_path / "kill-sqlite.json").write_text(json.dumps(OWN))
    (tmp_path / "power-loop.json").write_text(json.dumps({"skipped": "no loop devices"}))
    monkeypatch.setattr("sys.argv", ["report.py", "kill-sqlite", "power-loop"])
    assert report.main() == 0
    assert set(json.loads((tmp_path / "report.json").read_text())) == {"mutants", "kill-sqlite", "power-loop"}
    monkeypatch.setattr("sys.argv", ["report.py"])
    assert report.main() == 1


def test_a_row_that_was_asked_for_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    (tmp_path / "kill-sqlite.json").write_text(json.dumps(OWN))
    monkeypatch.setattr("sys.argv", ["report.py", "kill-sqlite", "power-loop"])
    assert report.main() == 1
    said = capsys.readouterr().out
    assert "FAIL  power-loop" in said
    assert said.endswith("1 passed, 1 failed, 0 skipped\n")


def test_each_row_of_a_campaign_says_of_which_commit_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(campaigns, "REPORTS", tmp_path)
    monkeypatch.setenv("IMAGXP_COMMIT", "abc")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "models.log").write_text("15 passed, 0 failed\n")
    for name in ("models", "miri", "threadsanitizer"):
        (tmp_path / f"{name}.json").write_text(json.dumps(OWN))
    monkeypatch.setattr("sys.argv", ["campaigns.py", "row", "models", "0", "12"])
    assert campaigns.main() == 0
    assert {path.stem: json.loads(path.read_text())["commit"] for path in tmp_path.glob("*.json")} == {
        name: "abc" for name in ("models", "miri", "threadsanitizer")
    }


def test_the_campaigns_are_listed_before_anything_is_installed() -> None:
    # Without site-packages: scripts/soak.sh asks the system's own interpreter.
    program = Path(campaigns.__file__)
    ran = subprocess.run([sys.executable, "-E", "-S", program, "list"], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == list(CAMPAIGNS), ran.stderr


def test_an_earlier_run_is_cleared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(campaigns, "REPORTS", tmp_path)
    for name in ("endurance", "clock", "simulation"):
        (tmp_path / f"{name}.json").write_text("{}")
    monkeypatch.setattr("sys.argv", ["campaigns.py", "clear", "endurance"])
    assert campaigns.main() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["simulation.json"]
