"""A control holds when it has seen its own fault, and by nothing else."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import check
import pytest
from check import conclude, missing, skipped

SEEN = r" has \S+, and \S+ were acknowledged$"
LOST = "agent-1.example has 0.03, and 0.04 were acknowledged"


def arguments(seed_fault: bool) -> argparse.Namespace:
    """As a proof has them."""
    return argparse.Namespace(seed_fault=seed_fault, seed=7, report="proof")


@pytest.mark.parametrize(
    ("seed_fault", "found", "status"),
    [
        (False, [], 0),
        (False, [LOST], 1),
        (False, ["the broker does not start"], 1),
        (True, [], 1),
        (True, [LOST], 0),
        (True, ["the broker does not start", LOST], 0),
        # It failed, but not as it was to.
        (True, ["the broker does not start"], 1),
    ],
)
def test_a_proof_and_its_control(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed_fault: bool, found: list[str], status: int
) -> None:
    monkeypatch.setattr(check, "REPORTS", tmp_path)
    monkeypatch.setenv("IMAGXP_COMMIT", "abc")
    assert conclude(arguments(seed_fault), found, {"kills": 3}, SEEN) == status
    row = json.loads((tmp_path / "proof.json").read_text())
    assert (row["pass"], row["commit"]) == (status == 0, "abc")


@pytest.mark.parametrize("seed_fault", [False, True])
def test_what_cannot_run_writes_a_row_and_on_ci_only_what_no_set_up_installs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed_fault: bool
) -> None:
    monkeypatch.setattr(check, "REPORTS", tmp_path)
    monkeypatch.setenv("IMAGXP_COMMIT", "abc")
    for ci, ends, status in [("", skipped, 0), ("", missing, 0), ("true", skipped, 0), ("true", missing, 1)]:
        monkeypatch.setenv("CI", ci)
        (tmp_path / "proof.json").unlink(missing_ok=True)
        assert ends(arguments(seed_fault), "no such library") == status
        row = json.loads((tmp_path / "proof.json").read_text())
        assert row["commit"] == "abc"
        if status:
            assert (row["pass"], row["wrong"]) == (False, ["no such library"])
        else:
            assert row["skipped"] == "no such library"
        assert ("SKIPPED: no such library\n" in capsys.readouterr().out) == (status == 0)


def test_the_commit_is_that_which_is_checked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGXP_COMMIT", raising=False)
    assert check.commit()
