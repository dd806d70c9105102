"""The sum that `make test` ends with: what node's runner counts in a step of several parts is counted once, and what it skipped, too."""

from __future__ import annotations

import subprocess
from pathlib import Path

from campaigns import tally

ROOT = Path(__file__).resolve().parents[2]
TAP = """TAP version 13
# \\# imagxp.wasm: 1103168 bytes
ok 1 - the module is small
ok 2 - Deno takes it # SKIP no deno
1..2
# tests 2
# pass 1
# fail 0
# cancelled 0
# skipped 1
# todo 0
"""


def test_a_run_of_node_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tests.tap").write_text(TAP)
    # The name of a script beside lib.sh, by which that finds itself.
    command = ["sh", "-c", '. scripts/lib.sh && tap_sum wasm "$1" 1', "scripts/test.sh", tmp_path / "tests.tap"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["skipped: Deno takes it: no deno", "wasm: 2 passed, 0 failed, 1 skipped"]
    assert tally.counts(said) == [[2, 0, 1]]
