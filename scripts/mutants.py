#!/usr/bin/env python3
"""Mutation testing: changes one comparison, sum or answer at a time, and expects a test to fail.

Usage: scripts/mutants.sh [-c] [--again] [--only WORD] [--figures FILE] [--seed-fault] [PART...]
  -c            comparisons and limits only, of which none may be missed
  --again       only what was missed the last time
  --only WORD   only mutants whose name has this word
  --seed-fault  leaves out all tests but one, and exits 0 only when what is missed then is noticed
Parts: replay verify visa claim jws json rate ledger; default all.

The mutants are cargo-mutants', and the edges of `<=` and `>=`. It would build each by itself; here all of them stand in one build, each
behind a switch (tests/mutants), and each is tried by the tests that reach it, the quickest first. Outcomes: target/mutants/outcomes.json.
The bar: 90 % noticed in each part; nothing missed in a comparison that scripts/mutants.json does not explain, with one sentence for each
mutant that means the same as the program, all of which are missed; and for each mutant that no switch can be given, of a constant above
all, a test that pins its line, named in scripts/mutants_pins.json. Noticed is what a test fails for, and what takes far more of the
processor's time than without it, or waits for ever, twice: these two are said apart.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

from mutants_pins import NO_PROGRAM, check, pins
from mutants_tests import Tests
from mutants_woven import OUT, ROOT, copy_tree, listed, programs, viable

EXPLAINED = ROOT / "scripts" / "mutants.json"
OUTCOMES = OUT / "outcomes.json"
LEAST = 0.9
PROTOCOL = "core/protocol/src"
PARTS = {
    "rate": ("imagxp", [f"{PROTOCOL}/publisher/rate.rs"]),
    "replay": ("imagxp", [f"{PROTOCOL}/replay"]),
    "verify": ("imagxp", [f"{PROTOCOL}/publisher"]),
    "visa": ("imagxp", [f"{PROTOCOL}/visa"]),
    "claim": ("imagxp", [f"{PROTOCOL}/claim"]),
    "jws": ("imagxp", [f"{PROTOCOL}/crypto/jws.rs", f"{PROTOCOL}/jwks.rs"]),
    "json": ("imagxp", [f"{PROTOCOL}/json"]),
    "ledger": ("imagxp-broker", ["core/broker/src"]),
}
COMPARISON = re.compile(r"replace (==|!=|<=|>=|<|>|&&|\|\||match guard .*) with ")
# Line and column move with every change; what is changed to what, in which function and line of text, does not.
PLACE = re.compile(r"^(\S+?):\d+:\d+: ")


def key(row):
    """A mutant's name that a change elsewhere does not change."""
    name = PLACE.sub(r"\1: ", row["name"])
    return f"{name} | {row['line']}"


def tried(parts, arguments):
    """Builds, tries and keeps the outcome of each mutant."""
    copy_tree()
    rows = listed(parts)
    before = json.loads(OUTCOMES.read_text()) if OUTCOMES.exists() else {}
    if arguments.comparisons:
        rows = [row for row in rows if COMPARISON.search(row["name"])]
    if arguments.only:
        rows = [row for row in rows if arguments.only in row["name"]]
    if arguments.again:
        rows = [row for row in rows if before.get(key(row), {}).get("outcome") == "missed"]
    if not rows:
        raise SystemExit("error: there is no such mutant")
    print(f"mutants: {len(rows)} are listed", flush=True)
    chosen, unviable, left = viable(rows)
    tests = Tests(programs(sorted({row["package"] for row in rows}))[: 1 if arguments.seed_fault else None])
    print(
        f"mutants: {len(chosen)} to try, {tests.count} tests, {len(unviable)} do not compile, {len(left)} behind no switch",
        flush=True,
    )
    outcomes = {}

    def keep():
        kept = before if arguments.again or arguments.only else {}
        OUTCOMES.write_text(json.dumps({**kept, **outcomes}, indent=1) + "\n")

    for row in rows:
        if row["number"] in unviable or row["number"] in left:
            why = (unviable | left)[row["number"]]
            kind = "unviable" if row["number"] in unviable or why in NO_PROGRAM else "left"
            place = f"{row['file']} | {row['line']}"
            outcomes[key(row)] = {"part": row["part"], "name": row["name"], "outcome": kind, "why": why, "place": place}
    begin = time.monotonic()
    for index, row in enumerate(chosen):
        outcome = tests.outcome(row["number"])
        # One line may hold two that are named alike: the one that was missed is what counts.
        if outcomes.get(key(row), {}).get("outcome") != "missed":
            outcomes[key(row)] = {"part": row["part"], "name": row["name"], "outcome": outcome}
        if outcome == "missed" or index % 100 == 99:
            seconds = time.monotonic() - begin
            print(f"[{index + 1}/{len(chosen)}, {seconds:.0f} s] {outcome} {row['name']} | {row['line']}", flush=True)
        # Whoever ends it half way keeps what was found.
        if not arguments.seed_fault and (index % 20 == 19 or index + 1 == len(chosen)):
            keep()
    return outcomes


def judged(outcomes, explained, pinned):
    """The figures of each part, what is wrong, and a line to print for each part."""
    figures, wrong, lines = {}, [], []
    for part in sorted({row["part"] for row in outcomes.values()}):
        by_outcome = {}
        for name, row in outcomes.items():
            if row["part"] == part:
                by_outcome.setdefault(row["outcome"], []).append(name)
        caught, missed = (by_outcome.get(kind, []) for kind in ("caught", "missed"))
        # A mutant that never ends is noticed by whoever waits for it, and by no test: said apart.
        endless, stuck = (len(by_outcome.get(kind, [])) for kind in ("endless", "stuck"))
        noticed = len(caught) + endless + stuck
        known = [each for each in missed if each in explained]
        wrong += [f"a comparison was missed: {each}" for each in missed if COMPARISON.search(each) and each not in known]
        wrong += [
            f"scripts/mutants.json explains what was {kind}: {each}"
            for kind, names in by_outcome.items()
            for each in names
            if kind != "missed" and each in explained
        ]
        rate = noticed / max(noticed + len(missed) - len(known), 1)
        if rate < LEAST:
            wrong.append(f"{part}: {rate:.1%} noticed, and {LEAST:.0%} is the bar")
        bare = [each for each in by_outcome.get("left", []) if outcomes[each].get("place") not in pinned]
        wrong += [f"no test pins it, and it was not tried: {each}" for each in bare]
        left, unviable = len(by_outcome.get("left", [])) - len(bare), len(by_outcome.get("unviable", []))
        figures[part] = {
            "caught": len(caught),
            "timeouts": endless + stuck,
            "stuck": stuck,
            "missed": len(missed) - len(known),
            "explained": len(known),
            "pinned": left,
            "untried": len(bare),
            "unviable": unviable,
            "rate": round(rate, 3),
        }
        lines.append(
            f"{part:8} {len(caught):4} caught, {endless} by the processor's time, {stuck} by the clock,"
            f" {len(missed) - len(known):3} missed, {len(known):3} explained: {rate:.1%};"
            f" {unviable} do not compile, {left} are pinned by a test of figures, {len(bare)} were not tried"
        )
    return figures, wrong, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", dest="comparisons", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--seed-fault", action="store_true")
    parser.add_argument("parts", nargs="*")
    arguments = parser.parse_args()
    outcomes = tried({name: PARTS[name] for name in arguments.parts or PARTS}, arguments)
    pinned = pins()
    figures, wrong, lines = judged(outcomes, json.loads(EXPLAINED.read_text()), pinned)
    wrong = check(pinned) + wrong
    print("\n".join(lines))
    if arguments.seed_fault:
        noticed = any("comparison" in line for line in wrong) and any("is the bar" in line for line in wrong)
        print("the seeded fault was noticed" if noticed else "error: the seeded fault was not noticed")
        return 0 if noticed else 1
    for line in wrong:
        print(f"WRONG: {line}")
    if arguments.figures:
        counted = ("caught", "timeouts", "stuck", "missed", "explained", "pinned", "untried")
        total = {name: sum(part[name] for part in figures.values()) for name in counted}
        row = {"pass": not wrong, "seed_fault": False, "seed": None, "figures": {**total, "parts": figures}, "wrong": wrong[:20]}
        arguments.figures.parent.mkdir(parents=True, exist_ok=True)
        arguments.figures.write_text(json.dumps(row, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
