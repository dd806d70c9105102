"""Measures by turns, so that whatever the machine does meanwhile happens to everybody: A B C … A B C …, medians."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.worker import Worker

# A round of one series lasts about so long; long enough for the clock, short enough to fit between other programs' turns.
ROUND_NS = 6e6
MOST, LEAST = 2000, 8


@dataclass
class Series:
    """What is measured: a row of a worker."""

    worker: Worker
    row: str
    count: int = LEAST

    @property
    def name(self) -> str:
        """The worker and its row."""
        return f"{self.worker.name}:{self.row}"

    def measure(self) -> float:
        """One round."""
        return self.worker.measure(self.row, self.count)


def measure(series: list[Series], rounds: int) -> dict[str, float]:
    """The median of each series' rounds, in nanoseconds, by name."""
    for one in series:
        # The first round makes what is needed and warms it; the second says how long an operation takes.
        one.measure()
        one.count = max(LEAST, min(MOST, int(ROUND_NS / max(one.measure(), 1))))
    values: dict[str, list[float]] = {one.name: [] for one in series}
    for number in range(rounds):
        # Another neighbour each time.
        start = number * 7 % len(series)
        for one in series[start:] + series[:start]:
            values[one.name].append(one.measure())
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {name: statistics.median(rows) for name, rows in values.items()}
