"""Memory stays flat, and whoever measures it would see a leak."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# A million in `make soak`.
CALLS = int(os.environ.get("IMAGXP_CALLS", "100000"))
MOST = 1024 * 1024


def grown(*arguments: str) -> int:
    program = Path(__file__).with_name("memory.py")
    done = subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="SKIPPED: the memory of a process is read from /proc")
def test_verdicts_leave_nothing_behind() -> None:
    bytes_more = grown(str(CALLS))
    print(f"{CALLS} verdicts: grown by {bytes_more} bytes")
    assert bytes_more <= MOST
    assert grown("30000", "--leak") > MOST
