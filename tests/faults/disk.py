"""The disk of disk.c: which write fails, and what a power cut would have left of everything that was written."""

from __future__ import annotations

import errno
import mmap
import os
import random
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
# As disk.c has it: counts, which fail, errno, how, how many have.
CONTROL = struct.Struct("=2Q2QQQQ")
RECORD = struct.Struct("=QQQQ")
KINDS = {"write": 0, "sync": 1}
HOW = {"eio": (errno.EIO, 0), "enospc": (errno.ENOSPC, 0), "half": (errno.ENOSPC, 1), "swallowed": (0, 2)}


def compiled(folder: Path) -> Path | None:
    """The library to be put before the C library; None where there is no compiler or another kind of system."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    library = folder / "disk.so"
    if compiler is None or os.uname().sysname != "Linux":
        return None
    source = Path(__file__).with_name("disk.c")
    subprocess.run(
        [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"], check=True
    )
    return library


class Faults:
    """Which write or sync fails: shared with the process whose disk it is."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(mmap.PAGESIZE))
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def arm(self, kind: str, number: int, how: str) -> None:
        """From now on count anew; the one of this number fails."""
        error, manner = HOW[how]
        at = [number if index == KINDS[kind] else 0 for index in range(2)]
        CONTROL.pack_into(self._map, 0, 0, 0, *at, error, manner, 0)

    @property
    def counts(self) -> tuple[int, int]:
        """Writes and syncs since."""
        return CONTROL.unpack_from(self._map)[:2]

    @property
    def fired(self) -> bool:
        """Whether it has failed."""
        return CONTROL.unpack_from(self._map)[6] > 0


@dataclass
class File:
    """What is on the disk for certain, and what was written since the last sync."""

    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)

    def apply(self, kind: str, offset: int, data: bytes) -> None:
        """One change, on the disk."""
        end = offset + len(data)
        if kind == "t":
            del self.kept[offset:]
        if len(self.kept) < end:
            self.kept.extend(bytes(end - len(self.kept)))
        self.kept[offset:end] = data

    def sync(self) -> None:
        """All of it."""
        for change in self.pending:
            self.apply(*change)
        self.pending.clear()

    def cut(self, chance: random.Random) -> None:
        """Each sector that was not synced may be there or not, in any order; so may be a new length."""
        share = chance.choice([0.0, 0.5, 1.0])
        for kind, offset, data in self.pending:
            if kind == "t":
                if chance.random() < share:
                    self.apply(kind, offset, data)
                continue
            at = 0
            while at < len(data):
                length = min(SECTOR - (offset + at) % SECTOR, len(data) - at)
                if chance.random() < share:
                    self.apply(kind, offset + at, data[at : at + length])
                at += length
        self.pending.clear()


class PowerCut:
    """What a folder held, and what was done to it since. Names count when their folder was synced, the earlier before the later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = {str(path): File(bytearray(path.read_bytes())) for path in sorted(folder.rglob("*")) if path.is_file()}
        self.folders = {str(path) for path in folder.rglob("*") if path.is_dir()}
        self._kept = dict(self.names)
        # A name and what it stands for; None: nothing any more.
        self._renamed: list[tuple[str, File | None]] = []

    def replay(self, log: Path) -> int:
        """Follows what disk.c has written down; how many changes that were."""
        content, at, count = log.read_bytes() if log.exists() else b"", 0, 0
        while at + RECORD.size <= len(content):
            kind, path_length, length, offset = RECORD.unpack_from(content, at)
            at += RECORD.size
            # What the kill has cut off was not done, or nobody was told.
            if at + path_length + length > len(content):
                break
            path = content[at : at + path_length].decode()
            data = content[at + path_length : at + path_length + length]
            at += path_length + length
            self._follow(chr(kind), path, offset, data)
            count += 1
        return count

    def _follow(self, kind: str, path: str, offset: int, data: bytes) -> None:
        if kind in "wt":
            self.names[path].pending.append((kind, offset, data))
        elif kind == "s" and path in self.names:
            self.names[path].sync()
        elif kind == "s":
            here = [change for change in self._renamed if os.path.dirname(change[0]) == path]
            self._renamed = [change for change in self._renamed if change not in here]
            self._settle(here)
        elif kind == "d":
            self.folders.add(path)
        elif kind == "c":
            self._name(path, File())
        elif kind == "u":
            self._name(path, None)
        elif kind in "lr":
            self._name(data.decode(), self.names[path])
            if kind == "r":
                self._name(path, None)

    def _name(self, path: str, file: File | None) -> None:
        self._renamed.append((path, file))
        if file is None:
            self.names.pop(path, None)
        else:
            self.names[path] = file

    def _settle(self, changes: list[tuple[str, File | None]]) -> None:
        for path, file in changes:
            if file is None:
                self._kept.pop(path, None)
            else:
                self._kept[path] = file

    def cut(self, chance: random.Random) -> int:
        """Leaves in the folder what the disk has when the power goes; how many changes hung in the air."""
        hung = len(self._renamed) + sum(len(file.pending) for file in self.names.values())
        self._settle(self._renamed[: chance.randint(0, len(self._renamed))])
        for file in {id(file): file for file in self._kept.values()}.values():
            file.cut(chance)
        for path in [path for path in self.folder.rglob("*") if path.is_file()]:
            path.unlink()
        for path in sorted(self.folders):
            Path(path).mkdir(mode=0o700, exist_ok=True)
        for name, file in self._kept.items():
            with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(file.kept)
        return hung
