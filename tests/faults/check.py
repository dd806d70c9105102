"""How every proof here ends: figures, what was wrong, and whether a seeded fault was seen; or why it could not run.

Standard library only: scripts/soak.sh reads the list of campaigns before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

REPORTS = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parents[2] / "target")) / "soak"


def parser(doc: str | None) -> argparse.ArgumentParser:
    """With what every proof has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--seed", type=int, default=int(time.time()), help="of what is random; a run is not wholly repeatable by it"
    )
    made.add_argument("--seed-fault", action="store_true", help="a fault that must be seen")
    made.add_argument("--report", metavar="NAME", help="writes the figures to target/soak/NAME.json")
    return made


def commit() -> str:
    """What is measured: what is checked out, `-dirty` with changes; `IMAGXP_COMMIT`, where a campaign has noted it as it began."""
    if noted := os.environ.get("IMAGXP_COMMIT"):
        return noted
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        ran = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return ran.stdout.strip() or "unknown"


def conclude(arguments: argparse.Namespace, found: list[str], figures: dict[str, Any], seen: str) -> int:
    """Exit code 0 when nothing is wrong; with `--seed-fault`, when something is that matches `seen`, as only the seeded fault has it: a
    control that failed for another reason has shown nothing."""
    print(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items()), flush=True)
    for line in found[:20]:
        print(f"WRONG: {line[:2000]}")
    if len(found) > 20:
        print(f"WRONG: and {len(found) - 20} more")
    passed = not found
    if arguments.seed_fault:
        passed = any(re.search(seen, line) for line in found)
        said = "was seen" if passed else "was NOT seen, but what is above" if found else "was NOT seen"
        print(f"the seeded fault {said}", flush=True)
    note(arguments, {"pass": passed, "seed": arguments.seed, "figures": figures, "wrong": found[:20]})
    return 0 if passed else 1


def note(arguments: argparse.Namespace, row: dict[str, Any]) -> None:
    """Writes the row of a proof, where one is asked for."""
    if arguments.report:
        REPORTS.mkdir(parents=True, exist_ok=True)
        whole = {**row, "seed_fault": arguments.seed_fault, "commit": commit()}
        (REPORTS / f"{arguments.report}.json").write_text(json.dumps(whole, indent=1) + "\n")


def skipped(arguments: argparse.Namespace, reason: str) -> int:
    """Says that this machine cannot run the proof, and never could: exit code 0, and a row that is no proof."""
    print(f"SKIPPED: {reason}", flush=True)
    note(arguments, {"skipped": reason})
    return 0


def missing(arguments: argparse.Namespace, reason: str) -> int:
    """The same of what the set-up installs: on CI (`CI=true`) a failure, as there everything must be there."""
    if os.environ.get("CI") != "true":
        return skipped(arguments, reason)
    print(f"WRONG: {reason}", flush=True)
    note(arguments, {"pass": False, "seed": arguments.seed, "figures": {}, "wrong": [reason]})
    return 1


def timed(what: str, took: float, bound: float) -> list[str]:
    """Whether something took longer than its bound, in seconds."""
    return [] if took <= bound else [f"{what} took {took:.2f} s; the bound is {bound} s"]
