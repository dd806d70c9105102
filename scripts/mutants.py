#!/usr/bin/env python3
"""Judges what cargo-mutants found (scripts/mutants.sh): 90 % caught in each part, and no comparison missed that nobody has explained.

Usage: scripts/mutants.py [--figures FILE] [--seed-fault] PART...

scripts/mutants.json explains mutants that mean the same as the program, one sentence for each.
With --seed-fault the first mutant that was caught counts as a comparison that was missed, and exit code 0 says that this was noticed.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutants"
EXPLAINED = ROOT / "scripts" / "mutants.json"
LEAST = 0.9
COMPARISON = re.compile(r"replace (==|!=|<=|>=|<|>|&&|\|\|) with ")
# Line and column move with every change; what is changed to what, in which file and function, does not.
PLACE = re.compile(r"^(\S+?):\d+:\d+: ")


def read(part, kind):
    """The mutants of one outcome."""
    path = OUT / part / "mutants.out" / f"{kind}.txt"
    return [line for line in path.read_text().splitlines() if line] if path.exists() else []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--seed-fault", action="store_true")
    parser.add_argument("parts", nargs="+")
    arguments = parser.parse_args()
    explained = json.loads(EXPLAINED.read_text())
    figures, wrong = {}, []
    for part in arguments.parts:
        # A mutant that never ends is noticed by whoever waits for it.
        caught, missed = read(part, "caught") + read(part, "timeout"), read(part, "missed")
        if arguments.seed_fault:
            missed.append(PLACE.sub(r"\1:0:0: replace == with != for ", caught[0]))
        if not caught + missed:
            wrong.append(f"{part}: no mutant was tried")
            continue
        known = [each for each in missed if PLACE.sub(r"\1: ", each) in explained]
        wrong += [f"a comparison was missed: {each}" for each in missed if COMPARISON.search(each) and each not in known]
        rate = len(caught) / (len(caught) + len(missed) - len(known))
        if rate < LEAST:
            wrong.append(f"{part}: {rate:.1%} caught, and {LEAST:.0%} is the bar")
        figures[part] = {"caught": len(caught), "missed": len(missed), "explained": len(known), "rate": round(rate, 3)}
        print(f"{part:8} {len(caught):4} caught, {len(missed):3} missed, of these {len(known)} explained: {rate:.1%}")
        for each in missed:
            print(f"  {'explained' if each in known else 'MISSED'}  {each}")
    if arguments.seed_fault:
        noticed = any("comparison" in line for line in wrong)
        print("the seeded fault was noticed" if noticed else "error: the seeded fault was not noticed")
        return 0 if noticed else 1
    for line in wrong:
        print(f"WRONG: {line}")
    if arguments.figures:
        total = {name: sum(figures[part][name] for part in figures) for name in ("caught", "missed", "explained")}
        row = {"pass": not wrong, "seed_fault": False, "seed": 0, "figures": {**total, "parts": figures}, "wrong": wrong[:20]}
        arguments.figures.parent.mkdir(parents=True, exist_ok=True)
        arguments.figures.write_text(json.dumps(row, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
