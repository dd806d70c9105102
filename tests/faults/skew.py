"""A broker's process whose wall clock the test sets while it runs."""

from __future__ import annotations

import os
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

    def __enter__(self) -> None:
        """Processes that are started now have this clock."""
        os.environ["LD_PRELOAD"] = str(self._library)
        os.environ["IMAGXP_FAULT_CLOCK"] = str(self._file)

    def __exit__(self, *_: object) -> None:
        del os.environ["LD_PRELOAD"], os.environ["IMAGXP_FAULT_CLOCK"]
