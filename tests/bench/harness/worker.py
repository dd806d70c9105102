"""A worker: a program that measures what it is asked for. `NAME COUNT` goes in, the nanoseconds of one operation come out."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Worker:
    """One process, and the rows that it can measure."""

    def __init__(self, name: str, command: list[str], folder: Path | None = None) -> None:
        """Starts it; its first line lists its rows."""
        self.name = name
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.rows = set(self._line().split())

    def measure(self, row: str, count: int) -> float:
        """Nanoseconds of one of `count` operations."""
        assert self.process.stdin
        self.process.stdin.write(f"{row} {count}\n")
        self.process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        """Ends it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {self.name} has ended with {self.process.wait()}")
        return line
