"""A wallet by itself: its caps, its file, and who may write it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from imagxp import Caps, Identity, ImagxpError, UsageError, Wallet


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_pay_from_its_parents_file(tmp_path: Path) -> None:
    """It inherits the lock with the open file: both would spend the caps, and write over each other's books."""
    path = tmp_path / "spend.json"
    wallet = Wallet([Caps("USD", "1", total="2")], path=path)
    terms = {"agent_id": "a.example", "issuer": "https://broker.example", "audience": "https://pub.example"}
    terms |= {"purpose": "SUMMARY", "amount": "1", "currency": "USD"}
    assert wallet.reserve("purchase-0000000000000001", **terms) is None
    written = path.read_bytes()
    child = os.fork()
    if child == 0:
        # Nothing of pytest's may run here, and a child that hangs ends.
        try:
            signal.alarm(60)
            refused = []
            for act in (
                lambda: wallet.reserve("purchase-0000000000000002", **terms),
                lambda: wallet.settle("purchase-0000000000000001", "released"),
            ):
                try:
                    act()
                except ImagxpError as error:
                    refused.append((error.code, "fork" in str(error)))
            # Books of its own are its own.
            own = Wallet([Caps("USD", "1")], path=tmp_path / "child.json")
            own.reserve("purchase-0000000000000002", **terms)
            os._exit(0 if refused == [("io.failed", True)] * 2 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert path.read_bytes() == written
    wallet.settle("purchase-0000000000000001", "spent")
    assert (wallet.reserve("purchase-0000000000000003", **terms), wallet.spent("USD")) == (None, "2")


def test_wallets_of_those_who_pay_by_themselves(agent: Identity) -> None:
    wallet = Wallet([Caps("USD", "0.05", per_day="0.1", total="0.06")])
    terms: dict[str, Any] = {
        "agent_id": agent.agent_id,
        "issuer": "https://broker.example",
        "audience": "https://pub.example",
        "purpose": "SUMMARY",
        "amount": "0.05",
        "currency": "USD",
    }
    assert wallet.reserve("purchase-00000001", **terms) is None
    wallet.settle("purchase-00000001", "unknown")
    assert wallet.reserve("purchase-00000002", **terms) == "purchase-00000001"
    wallet.settle("purchase-00000001", "spent")
    with pytest.raises(ImagxpError, match=r"spend\.limit"):
        wallet.reserve("purchase-00000002", **terms)
    with pytest.raises(UsageError):
        wallet.settle("purchase-00000001", "lost")
