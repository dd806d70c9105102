"""A broker's process whose wall clock the test sets while it runs."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


def compiled(folder: Path) -> Path:
    """The library that moves the clock."""
    library = folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE)], check=True)
    return library


class Skew:
    """How far one clock is off, in seconds; it counts at once, also for a process that runs."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library, self._file = library, file
        self.seconds = 0
        self.set(0)

    def set(self, seconds: int) -> None:
        """Moves the clock."""
        self.seconds = seconds
        # In place: a process has it mapped.
        with self._file.open("r+b" if self._file.exists() else "w+b") as file:
            file.write(struct.pack("=q", seconds))

    @property
    def environment(self) -> dict[str, str]:
        """What a process is started with that has this clock."""
        return {"LD_PRELOAD": str(self._library), "IMAGXP_FAULT_CLOCK": str(self._file)}
