#!/usr/bin/env python3
"""Kills the broker with SIGKILL again and again while clients that retry book deposits and pay each other, and then counts.

    tests/faults/kill.py [--kills 200] [--clients 8] [--store sqlite|postgres] [--seed-fault]

What must hold: everything that was acknowledged is there, once, and nothing else; every balance is the sum of what was acknowledged; the
broker's own audit is sound; it answers again within two seconds (with `--report` every time; else, beside all other tests, usually).
`--seed-fault` lets clients forget their idempotency keys when they retry: the count must then be wrong, or the harness sees nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from statistics import median

import check
from client import MISCOUNTED, Crowd
from server import STARTS_WITHIN_S, AgentDomain, stage

# A restart, and one that came when the machine had much else to do.
RESTART_S, BESIDE_OTHERS_S = 2.0, float(STARTS_WITHIN_S)


def slow(arguments: argparse.Namespace, restarts: list[float]) -> list[str]:
    """Whether restarts took too long: with `--report` each of them counts, beside all other tests the usual one."""
    if not restarts:
        return []
    slowest = check.timed("the slowest restart", max(restarts), RESTART_S if arguments.report else BESIDE_OTHERS_S)
    return slowest + check.timed("the usual restart", median(restarts), RESTART_S)


def main() -> int:
    """Exit code 0 when everything is there once; with `--seed-fault`, when the harness has seen that it is not."""
    parser = check.parser(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    print(f"{arguments.store}: {arguments.kills} kills, {arguments.clients} clients, seed {arguments.seed}", flush=True)
    moments = random.Random(arguments.seed)
    with stage(arguments.store) as (_, town, broker):
        crowd = Crowd(broker, [AgentDomain(town).identity for _ in range(arguments.clients)], forgets=arguments.seed_fault)
        crowd.start()
        for _ in range(arguments.kills):
            # Of a life in which nothing was acknowledged nothing could be lost.
            crowd.work(1)
            time.sleep(0.05 + moments.random() * 0.6)
            broker.kill()
            broker.restart()
        crowd.end()
        found = crowd.wrong() + broker.audit() + broker.panics() + slow(arguments, broker.restarts)
        figures = {
            "kills": arguments.kills,
            "acknowledged": crowd.acknowledged,
            "retries": crowd.retries,
            "usual_restart_s": round(median(broker.restarts), 2),
            "slowest_restart_s": round(broker.slowest, 2),
        }
    return check.conclude(arguments, found, figures, MISCOUNTED)


if __name__ == "__main__":
    sys.exit(main())
