"""A control holds when it has seen its own fault, and by nothing else."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import check
import pytest
from check import conclude

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


def test_the_commit_is_that_which_is_checked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGXP_COMMIT", raising=False)
    assert check.commit()
