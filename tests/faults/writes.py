#!/usr/bin/env python3
"""Lets the n-th write, or the n-th sync, of the broker on SQLite fail, for each n, while clients that retry book and pay.

    tests/faults/writes.py [--from 1] [--to 300] [--step 1] [--clients 4] [--seed-fault]

Each n is counted from the start of a process: early ones hit the opening of the database, later ones commits, checkpoints and nonces.
The disk answers EIO or ENOSPC, or takes half of what it is given. The process may refuse to start, and must then start without the
fault; one that runs must go on by itself, without a fault of its own. After each n: everything that was acknowledged is there, once,
before and after a SIGKILL; every balance adds up; the audit is sound. Most faults of each kind have to come.
`--seed-fault`: the disk says that it has written and has not.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import check
from client import MISCOUNTED, Crowd
from disk import Faults, compiled
from server import AgentDomain, Victim, stage

# How long a fault is waited for, and how long all clients may need after it.
FIRES_S = 30.0
GOES_ON_S = 20.0


class Trial:
    """One broker, over and over."""

    def __init__(self, broker: Victim, crowd: Crowd, faults: Faults) -> None:
        self.broker, self.crowd, self.faults = broker, crowd, faults
        self.came: Counter[str] = Counter()
        # By kind: how many faults were to come, and how many did.
        self.tried: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.found: list[str] = []

    def fail(self, kind: str, number: int, how: str) -> None:
        """One failure, and what is to be seen after it."""
        name = f"{kind} {number} {how}"
        self.broker.kill()
        self.faults.arm(kind, number, how)
        fired = False
        try:
            self.broker.restart()
        except RuntimeError:
            self.came["did not start"] += 1
            # Arming anew forgets it.
            fired = self.faults.fired
            if not fired:
                self.found.append(f"{name}: the broker does not start, and nothing has failed")
            self.faults.arm("write", 0, "eio")
            self.broker.restart()
        self.crowd.resume()
        if not fired:
            self._wait(lambda: self.faults.fired, FIRES_S)
            fired = self.faults.fired
            self.came["failed" if fired else "was not reached"] += 1
        self.tried[kind] += 1
        self.fired[kind] += fired
        # After it all go on, without a new start.
        before = [client.payments for client in self.crowd.clients]
        moved = self._wait(lambda: all(c.payments > b for c, b in zip(self.crowd.clients, before, strict=True)), GOES_ON_S)
        self.crowd.pause()
        found = [] if moved else [f"the clients do not go on: {self.crowd.answers}"]
        found += self.crowd.wrong()
        if number % 25 == 0:
            found += self.broker.audit()
        self.found += [f"{name}: {line}" for line in found]

    def unreached(self) -> list[str]:
        """The kinds of which half or more did not come: a broker that writes elsewhere is broken by nothing."""
        return [
            f"of {tried} faults of kind {kind} only {self.fired[kind]} came"
            for kind, tried in self.tried.items()
            if self.fired[kind] * 2 <= tried
        ]

    def _wait(self, until: object, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not until():  # type: ignore[operator]
            if time.monotonic() > deadline or any(client.fault for client in self.crowd.clients):
                return False
            time.sleep(0.005)
        return True


def main() -> int:
    """Exit code 0 when nothing was lost or doubled; with `--seed-fault`, when it was seen that something was."""
    parser = check.parser(__doc__)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--to", dest="last", type=int, default=300)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.last + 1, arguments.step)
    with stage("sqlite") as (folder, town, broker):
        library = compiled(folder)
        if library is None:
            return check.missing(arguments, "failing writes need Linux and a C compiler")
        faults = Faults(folder / "control")
        broker.environment = {"LD_PRELOAD": str(library), "DISK_FOLDER": str(broker.data), "DISK_CONTROL": str(faults.path)}
        crowd = Crowd(broker, [AgentDomain(town).identity for _ in range(arguments.clients)])
        crowd.start()
        crowd.pause()
        trial = Trial(broker, crowd, faults)
        for number in numbers:
            for kind in ("write", "sync"):
                how = ("eio", "enospc", "half")[number % (3 if kind == "write" else 2)]
                trial.fail(kind, number, "swallowed" if arguments.seed_fault else how)
            if trial.found:
                break
        # What the last one has left behind, too.
        broker.kill()
        faults.arm("write", 0, "eio")
        try:
            broker.restart()
            crowd.end()
            trial.found += crowd.wrong() + broker.audit() + broker.panics()
        except Exception as error:
            trial.found.append(f"at the end: {error}")
        trial.found += trial.unreached()
        if trial.came["was not reached"] and not arguments.seed_fault:
            print(f"SKIPPED: {trial.came['was not reached']} faults were not reached within {FIRES_S:.0f} s each")
        figures = {
            "numbers": f"{numbers[0]}..{numbers[-1]} step {arguments.step}",
            "faults": dict(trial.came),
            "fired": dict(trial.fired),
            "acknowledged": crowd.acknowledged,
            "retries": crowd.retries,
            "answers": dict(crowd.answers),
            "slowest_restart_s": round(broker.slowest, 2),
        }
    return check.conclude(arguments, trial.found, figures, rf"swallowed: (the audit: |.*{MISCOUNTED})")


if __name__ == "__main__":
    sys.exit(main())
