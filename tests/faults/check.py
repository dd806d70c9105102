"""How every proof here ends: figures, what was wrong, and whether a seeded fault was seen."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "demo"))

from broker import STARTS_WITHIN_S

REPORTS = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parents[2] / "target")) / "soak"
# A restart, and one that came when the machine had much else to do.
RESTART_S, BESIDE_OTHERS_S = 2.0, float(STARTS_WITHIN_S)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """With what every proof has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--seed", type=int, default=int(time.time()), help="of what is random; a run is not wholly repeatable by it"
    )
    made.add_argument("--seed-fault", action="store_true", help="a fault that must be seen")
    made.add_argument("--report", metavar="NAME", help="writes the figures to target/soak/NAME.json")
    return made


def conclude(arguments: argparse.Namespace, found: list[str], figures: dict[str, Any]) -> int:
    """Exit code 0 when nothing is wrong; with `--seed-fault`, when something is."""
    print(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items()), flush=True)
    for line in found[:20]:
        print(f"WRONG: {line[:2000]}")
    if len(found) > 20:
        print(f"WRONG: and {len(found) - 20} more")
    passed = bool(found) if arguments.seed_fault else not found
    if arguments.seed_fault:
        print("the seeded fault was seen" if found else "the seeded fault was NOT seen", flush=True)
    if arguments.report:
        REPORTS.mkdir(parents=True, exist_ok=True)
        row = {
            "pass": passed,
            "seed_fault": arguments.seed_fault,
            "seed": arguments.seed,
            "figures": figures,
            "wrong": found[:20],
        }
        (REPORTS / f"{arguments.report}.json").write_text(json.dumps(row, indent=1) + "\n")
    return 0 if passed else 1


def slow(arguments: argparse.Namespace, restarts: list[float]) -> list[str]:
    """Whether restarts took too long: with `--report` each of them counts, beside all other tests the usual one."""
    if not restarts:
        return []
    slowest = timed("the slowest restart", max(restarts), RESTART_S if arguments.report else BESIDE_OTHERS_S)
    return slowest + timed("the usual restart", median(restarts), RESTART_S)


def timed(what: str, took: float, bound: float) -> list[str]:
    """Whether something took longer than its bound, in seconds."""
    return [] if took <= bound else [f"{what} took {took:.2f} s; the bound is {bound} s"]
