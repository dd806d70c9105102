#!/usr/bin/env python3
"""Cuts the power of the broker on SQLite again and again, while clients that retry book and pay, and goes on with what the disk has kept.

    tests/faults/power.py [--cuts 200] [--clients 8] [--disk model|loop] [--seed-fault]

`model`: every write and sync of the process is written down (disk.c); after the cut a file is what it was at its last sync, and of each
later sector and name chance says whether it came to the disk. `loop`: ext4 on a loop device; after the cut the broker goes on with a copy
of what had reached the device, and with nothing of what the kernel still held (needs root).

What must hold: everything that was acknowledged is there, once; every balance adds up; the audit is sound; a request that was answered
before the cut is not answered again after it. `--seed-fault` is the control: the syncs of the write-ahead log are answered and not done,
which is what `synchronous=NORMAL` comes to; then something must be lost.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import check
from client import MADE_AGAIN, MISCOUNTED, Crowd
from disk import PowerCut, compiled
from server import AgentDomain, stage

LOOP_MIB = 96
# Less than what the broker refuses as of the future.
AHEAD_S = 45.0


class Disk(Protocol):
    """Where the data folder is."""

    def cut(self, chance: random.Random) -> int:
        """Replaces the folder with what the power cut has left; a number of changes that were on their way, if known."""

    def end(self) -> None:
        """Gives everything back."""


class Model:
    """The changes that disk.c writes down."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._log = folder, folder.with_name("disk.log")
        environment["DISK_LOG"] = str(self._log)
        self._before = PowerCut(folder)

    def cut(self, chance: random.Random) -> int:
        """By what was synced, and by chance."""
        self._before.replay(self._log)
        hung = self._before.cut(chance)
        self._log.unlink(missing_ok=True)
        self._before = PowerCut(self._folder)
        return hung

    def end(self) -> None:
        """Nothing is held."""


class Loop:
    """A file system in a file. What is in the file has reached the device; what is only in the kernel's memory is lost."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._image = folder.with_name("disk-0.img")
        with self._image.open("wb") as file:
            file.truncate(LOOP_MIB << 20)
        _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image)
        kept = shutil.copytree(folder, folder.with_name("kept"))
        self._mount()
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        _run("sync", "-f", folder)

    def _mount(self) -> None:
        _run("mount", "-o", "loop", self._image, self._folder)

    def cut(self, chance: random.Random) -> int:
        """A copy of the image, taken while it is mounted; twice the same, so that nothing was written meanwhile."""
        before, after = self._image, self._image.with_name(f"disk-{self._number + 1}.img")
        while True:
            _run("cp", "--sparse=always", before, after)
            if subprocess.run(["cmp", "-s", before, after], check=False).returncode == 0:
                break
        _run("umount", self._folder)
        before.unlink()
        self._image, self._number = after, self._number + 1
        self._mount()
        return 0

    def end(self) -> None:
        """The folder is an empty one again."""
        subprocess.run(["umount", self._folder], check=False, capture_output=True)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def main() -> int:
    """Exit code 0 when nothing was lost or doubled; with `--seed-fault`, when it was seen that something was."""
    parser = check.parser(__doc__)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--disk", choices=["model", "loop"], default="model")
    arguments = parser.parse_args()
    print(f"{arguments.disk}: {arguments.cuts} power cuts, {arguments.clients} clients, seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    with stage("sqlite") as (folder, town, broker):
        library = compiled(folder)
        if library is None:
            return check.missing(arguments, "power cuts need Linux and a C compiler")
        if arguments.disk == "loop" and (os.geteuid() != 0 or not Path("/dev/loop-control").exists()):
            return check.skipped(arguments, "power cuts of a loop device need root and loop devices")
        boot = folder / "boot"
        broker.environment = {"LD_PRELOAD": str(library), "DISK_FOLDER": str(broker.data), "DISK_BOOT": str(boot)}
        if arguments.seed_fault:
            broker.environment["DISK_LIES"] = "ledger.db-wal"
        broker.kill()
        disk: Disk = Loop(broker.data) if arguments.disk == "loop" else Model(broker.data, broker.environment)
        crowd = Crowd(broker, [AgentDomain(town).identity for _ in range(arguments.clients)])
        # Every other one has a clock that is ahead, by as much as the broker takes.
        for client in crowd.clients[::2]:
            client.ahead = AHEAD_S
        found, hung, cuts = [], [], 0
        try:
            boot.write_text(f"{uuid4()}\n")
            broker.restart()
            crowd.start()
            for cuts in range(1, arguments.cuts + 1):
                crowd.work(chance.randint(1, 80))
                time.sleep(chance.random() * 0.02)
                broker.kill()
                hung.append(disk.cut(chance))
                boot.write_text(f"{uuid4()}\n")
                broker.restart()
                heard = crowd.heard()
                found += crowd.made_again([chance.choice(heard)] if heard else [])
                if cuts % 10 == 0 or arguments.seed_fault:
                    crowd.pause()
                    found += crowd.wrong()
                    crowd.resume()
                if found:
                    break
            crowd.end()
            found += crowd.wrong() + broker.audit() + broker.panics()
        except RuntimeError as error:
            found.append(str(error))
        finally:
            while broker._running:
                broker.kill()
            disk.end()
        figures = {
            "disk": arguments.disk,
            "cuts": cuts,
            "acknowledged": crowd.acknowledged,
            "retries": crowd.retries,
            "answers": dict(crowd.answers),
            "changes_in_the_air": sum(hung),
            "slowest_restart_s": round(broker.slowest, 2),
        }
        status = check.conclude(arguments, found, figures, f"{MISCOUNTED}|{MADE_AGAIN}")
        # Whoever still asks finds nobody.
        for client in crowd.clients:
            client.ends.set()
    return status


if __name__ == "__main__":
    sys.exit(main())
