"""A worker's half of the conversation with run.py: `NAME COUNT` comes in, the nanoseconds of one operation go out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any


def serve(rows: dict[str, Callable[[int], float]]) -> None:
    """Answers until standard input ends. A row takes a count, and gives the nanoseconds of all."""
    print(*rows, flush=True)
    for line in sys.stdin:
        name, count = line.split()
        print(f"{rows[name](int(count)) / int(count):.1f}", flush=True)


def timed(act: Callable[[Any], Any], items: list[Any]) -> float:
    """The processor time of `act` on each item, as every worker measures it."""
    begin = time.process_time_ns()
    for item in items:
        act(item)
    return float(time.process_time_ns() - begin)
