"""What scripts/mutants.py calls noticed: a test that fails, or one that does not end; a slow machine is neither."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import mutants
import mutants_tests

EDGE = "core/a.rs: replace < with <= in f | a < b"
ANSWER = "core/a.rs: replace f -> bool with true | a"


def row(outcome: str) -> dict[str, str]:
    return {"part": "json", "name": "a mutant", "outcome": outcome}


def judged(outcomes: dict[str, str], explained: dict[str, str]) -> tuple[dict[str, Any], list[str], list[str]]:
    return mutants.judged({name: row(outcome) for name, outcome in outcomes.items()}, explained, {})


def test_what_never_ends_is_noticed_and_said_apart() -> None:
    figures, wrong, lines = judged({"a": "caught", "b": "endless", "c": "stuck", "d": "endless"}, {})
    assert not wrong
    expected = {"caught": 1, "timeouts": 3, "stuck": 1, "missed": 0, "rate": 1.0}
    assert expected.items() <= figures["json"].items()
    assert "1 caught, 2 by the processor's time, 1 by the clock," in lines[0]


@pytest.mark.parametrize("outcome", ["caught", "endless", "stuck", "unviable", "left"])
def test_what_is_explained_and_not_missed_is_wrong(outcome: str) -> None:
    """One of the two is: the explanation, or the machine."""
    _, wrong, _ = judged({EDGE: outcome, ANSWER: "caught"}, {EDGE: "the same"})
    assert f"scripts/mutants.json explains what was {outcome}: {EDGE}" in wrong
    figures, wrong, _ = judged({EDGE: "missed", ANSWER: "caught"}, {EDGE: "the same"})
    assert (wrong, figures["json"]["explained"]) == ([], 1)


def test_a_missed_comparison_and_a_low_rate_are_wrong() -> None:
    _, wrong, _ = judged({EDGE: "missed", ANSWER: "caught"}, {})
    assert wrong == [f"a comparison was missed: {EDGE}", "json: 50.0% noticed, and 90% is the bar"]


def program(folder: Path, lines: str) -> str:
    """A test program: it is given the names of its tests after two options."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\nshift 2\n{lines}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ("exit 0", "missed"),
        ("exit 1", "caught"),
        ("while :; do :; done", "endless"),
        ("sleep 30", "stuck"),
        # Only beside others, or only the first time.
        ('[ $# = 1 ] || sleep 30; [ "$1" != b ]', "caught"),
        ("[ -e ran ] || { : >ran; sleep 30; }", "missed"),
        # Slow, and no more than that.
        ("sleep 1", "missed"),
    ],
)
def test_a_mutant_is_limited_by_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str, outcome: str) -> None:
    monkeypatch.setattr(mutants_tests, "PROCESSOR", (1, 8))
    monkeypatch.setattr(mutants_tests, "CLOCK", (60 if outcome == "endless" else 3, 8))
    tests = mutants_tests.Tests([])
    path = program(tmp_path, lines)
    tests.reaching[7] = [(0.01, 0.01, path, tmp_path, name) for name in ("a", "b")]
    assert tests.outcome(7) == outcome


def test_what_tests_took_is_the_time_of_their_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mutants_tests, "OUT", tmp_path)
    note = '[ "$1" = --format ] && { echo "a: test"; exit; }; echo 7 >"$IMAGXP_MUTANTS_REACHED"; sleep 1'
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\nshift\n{note}\n")
    path.chmod(0o755)
    ((took, processor, *_),) = mutants_tests.Tests([(str(path), tmp_path)]).reaching[7]
    assert took > 0.9
    assert processor < 0.5
    # The clock ends nobody whom the processor's limit would end, also at a tenth of a processor.
    assert mutants_tests.allowed(mutants_tests.CLOCK, 0) >= 10 * mutants_tests.allowed(mutants_tests.PROCESSOR, 0)
