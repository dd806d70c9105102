"""A wallet by itself: its caps, its file, and who may write it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from imagxp import Caps, Identity, ImagxpError, UsageError, Wallet

TERMS = {
    "agent_id": "a.example",
    "issuer": "https://broker.example",
    "audience": "https://pub.example",
    "purpose": "SUMMARY",
    "amount": "1",
    "currency": "USD",
}


def test_a_wallet_keeps_its_file_when_the_process_goes_to_another_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    goes = (
        "import json, os, sys\n"
        "from imagxp import Caps, Wallet\n"
        "wallet = Wallet([Caps('USD', '1')], path='spend.json')\n"
        "os.chdir(sys.argv[1])\n"
        "assert wallet.reserve('purchase-0000000000000001', **json.loads(sys.argv[2])) is None\n"
    )
    command = [sys.executable, "-c", goes, str(second), json.dumps(TERMS)]
    subprocess.run(command, cwd=first, check=True, timeout=60)
    assert list(second.iterdir()) == []
    wallet = Wallet([Caps("USD", "1")], path=first / "spend.json")
    assert [payment["phase"] for payment in wallet.open] == ["unknown"]
    assert wallet.spent("USD") == "1"


def test_a_closed_wallet_lets_its_file_go(tmp_path: Path) -> None:
    path = tmp_path / "spend.json"
    with Wallet([Caps("USD", "1")], path=path) as wallet:
        assert wallet.reserve("purchase-0000000000000001", **TERMS) is None
        with pytest.raises(ImagxpError, match="open already, here or in another process") as held:
            Wallet(path=path)
        assert held.value.code == "io.failed"
    wallet.close()
    after = Wallet([Caps("USD", "1")], path=path)
    assert (wallet.spent("USD"), after.spent("USD"), len(after.open)) == ("1", "1", 1)
    in_memory = Wallet([Caps("USD", "1")])
    in_memory.close()
    for closed in (wallet, in_memory):
        with pytest.raises(ImagxpError, match="closed") as refused:
            closed.reserve("purchase-0000000000000002", **TERMS)
        assert refused.value.code == "io.failed"
    with pytest.raises(ImagxpError, match="closed"):
        wallet.settle("purchase-0000000000000001", "released")
    assert after.spent("USD") == "1"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_pay_from_its_parents_file(tmp_path: Path) -> None:
    """It inherits the lock with the open file: both would spend the caps, and write over each other's books."""
    path = tmp_path / "spend.json"
    wallet = Wallet([Caps("USD", "1", total="2")], path=path)
    assert wallet.reserve("purchase-0000000000000001", **TERMS) is None
    written = path.read_bytes()
    child = os.fork()
    if child == 0:
        # Nothing of pytest's may run here, and a child that hangs ends.
        try:
            signal.alarm(60)
            refused = []
            for act in (
                lambda: wallet.reserve("purchase-0000000000000002", **TERMS),
                lambda: wallet.settle("purchase-0000000000000001", "released"),
            ):
                try:
                    act()
                except ImagxpError as error:
                    refused.append((error.code, "fork" in str(error)))
            # Books of its own are its own.
            own = Wallet([Caps("USD", "1")], path=tmp_path / "child.json")
            own.reserve("purchase-0000000000000002", **TERMS)
            os._exit(0 if refused == [("io.failed", True)] * 2 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert path.read_bytes() == written
    wallet.settle("purchase-0000000000000001", "spent")
    assert (wallet.reserve("purchase-0000000000000003", **TERMS), wallet.spent("USD")) == (None, "2")


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
