"""The harness itself: what it measures by turns, what it judges, and that a slow row, a missing one and a dead worker are told."""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "scripts"))

import instructions  # noqa: E402 (its folder is on no path before)
import run  # noqa: E402
from harness import bars, elsewhere, report  # noqa: E402 (its folder is on no path before)
from harness.interleave import Series, measure  # noqa: E402
from harness.worker import Worker  # noqa: E402

# A worker whose times are known: `slow` takes three times as long in every other round.
FAKE = textwrap.dedent("""
    import sys
    print("quick slow", flush=True)
    for number, line in enumerate(sys.stdin):
        name, count = line.split()
        if name == "dead":
            sys.exit(3)
        print({"quick": 1000.0, "slow": 3000.0 if number % 3 else 9000.0}[name], flush=True)
""")


def fake() -> Worker:
    """One of those."""
    return Worker("fake", [sys.executable, "-c", FAKE])


def test_medians_of_turns() -> None:
    """A round that is disturbed does not count."""
    worker = fake()
    medians = measure([Series(worker, "quick"), Series(worker, "slow")], 9)
    worker.stop()
    assert medians == {"fake:quick": 1000.0, "fake:slow": 3000.0}, medians


def test_a_dead_worker_is_told() -> None:
    """Its rounds are not guessed."""
    with pytest.raises(RuntimeError, match="fake has ended with 3"):
        fake().measure("dead", 1)


def test_bars_are_judged_both_ways() -> None:
    """Just within and just beyond, at most and at least."""
    medians = {"core:a": 40.0, "core:b": 41.0, "peers:a": 100.0, "peers:b": 90.0}
    assert bars.at_most("x", "core:a", "peers:a", 0.40).judge(medians)["pass"] is True
    assert bars.at_most("x", "core:b", "peers:a", 0.40).judge(medians)["pass"] is False
    # The quickest peer counts: 90 by 40 is 2.25.
    peers = ("peers:a", "peers:b", "peers:absent")
    assert bars.faster("x", "core:a", peers, 2.25).judge(medians)["pass"] is True
    judged = bars.faster("x", "core:a", peers, 2.26).judge(medians)
    assert (judged["pass"], judged["peer"]) == (False, "peers:b")
    assert bars.beside("x", "peers:a", "core:a", 0.06).judge(medians)["pass"] is True
    assert bars.beside("x", "peers:a", "core:a", 0.059).judge(medians)["pass"] is False
    assert bars.within("x", "core:a", 0.039).judge(medians)["pass"] is False


def test_what_is_missing_has_not_passed() -> None:
    """A row that nobody measured is no success."""
    row = bars.at_most("x", "core:gone", "peers:a", 1).judge({"peers:a": 1.0})
    assert row["pass"] is None
    assert "core:gone" in str(row["skipped"])
    assert bars.at_most("x", "core:a", "peers:gone", 1).judge({"core:a": 1.0})["pass"] is None


def test_names_are_unique() -> None:
    """A second row of a name would hide the first."""
    names = [bar.name for bar in bars.BARS]
    assert len(names) == len(set(names))


def test_the_report() -> None:
    """A table with every row, and the same in JSON."""
    slow = bars.at_most("seeded/slow", "core:b", "peers:a", 0.40).judge({"core:b": 41.0, "peers:a": 100.0})
    rows = [slow, bars.row("fine", 1, "p", 2, 1), bars.skipped("gone", "why not")]
    text = report.table(rows)
    assert "FAIL" in text
    assert "SKIPPED: why not" in text
    assert text.endswith("1 bars met, 1 not met, 1 skipped")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench" / "report.json"
        report.write(path, rows, {"core:b": 41.0}, {}, {"rounds": 41, "commit": "abc"})
        said = json.loads(path.read_text())
    keys = {"name", "ours_ns", "peer", "peer_ns", "ratio", "bar", "pass"}
    assert all(keys <= set(row) for row in said["rows"])
    assert said["rows"][0]["pass"] is False
    assert (said["rounds"], said["commit"]) == (41, "abc")


def test_only_a_whole_run_writes_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make test` runs each row once: that is no measurement, and what `make bench` has measured stays."""
    monkeypatch.setattr(run, "TARGET", tmp_path)
    monkeypatch.setattr(run, "COMMANDS", {"core": ([sys.executable, "-c", FAKE], HERE)})
    monkeypatch.setattr(run, "BARS", [bars.at_most("x", "core:quick", "core:slow", 1)])
    monkeypatch.setattr(run, "simulate", lambda name, scale: {"ns_each": 1, "longest_pause_ns": 1, "nonces": 1, "bytes": 1})
    path = tmp_path / "bench" / "report.json"
    monkeypatch.setattr("sys.argv", ["run.py", "--rounds", "3", "--rows-only"])
    assert run.main() == 0
    assert not path.exists()
    monkeypatch.setattr("sys.argv", ["run.py", "--rounds", "3"])
    assert run.main() == 0
    said = json.loads(path.read_text())
    assert said["rounds"] == 3
    assert said["commit"]


def test_a_bar_about_a_row_that_is_gone_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be skipped for ever."""
    monkeypatch.setattr(run, "COMMANDS", {"core": ([sys.executable, "-c", FAKE], HERE)})
    monkeypatch.setattr(run, "BARS", [bars.at_most("x", "core:renamed", "core:slow", 1)])
    monkeypatch.setattr("sys.argv", ["run.py", "--rounds", "1", "--rows-only"])
    with pytest.raises(SystemExit, match=r"does not have: renamed$"):
        run.main()


def test_a_path_whose_instructions_nobody_counts_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Where all are asked for, each of the numbers is compared."""
    known = {"part/parse": 100, "part/renamed": 100}
    assert instructions.judge({"part/parse": 100}, known, whole=True) == (1, 1)
    assert "part/renamed" in capsys.readouterr().out
    assert instructions.judge({"part/parse": 100}, known, whole=False) == (1, 0)
    assert instructions.judge({"part/parse": 106, "part/renamed": 100}, known, whole=True) == (1, 1)


def test_rows_of_other_programs() -> None:
    """The lines that the ledger's benchmark prints are understood, and their absence is told."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert [row["pass"] for row in elsewhere.ledger(folder, {})] == [None]
        (folder / "ledger.txt").write_text(
            "sqlite FULL: 8000 transfers/s with 64 clients, 1000 with one commit each: 8.0 x (bar 8 x: pass)\n"
            "sqlite FULL: 5000 visas/s issued\n"
            "sqlite FULL: 9.0 us per transfer at 10 k rows, 9.9 us at 1000000 rows: 1.10 x; "
            "of this process's processors 4.0 us and 6.0 us: 1.50 x\n"
        )
        rows = {row["name"]: row["pass"] for row in elsewhere.ledger(folder, {"core:raw/sign": 100_000.0})}
    assert rows == {
        "ledger/sqlite/transfers": True,
        "ledger/sqlite/visas": False,
        "ledger/sqlite/flat": False,
        "ledger/postgresql": None,
    }, rows
