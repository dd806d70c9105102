#!/usr/bin/env python3
"""Our verifier against verifiers that share no code with it: every disagreement is explained in intended.json, or it fails. No entry
explains one in which ours stands alone: what one stack does in its own way, the other must see as ours does.

Usage: compare.py [--count N] [--seed S] [--release] [--figures FILE] [--show N] [--seed-fault]

`--seed-fault` gives ours alone a policy that does not compare resources: the comparison must notice, and exits 0 only if it does.
"""

import argparse
import collections
import itertools
import json
import os
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flaws import FLAWS
from generate import AGAIN, cases

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
STACKS = {"python": [sys.executable, str(HERE / "stack.py")], "node": ["node", str(HERE / "stack.mjs")]}
# At once in memory.
CHUNK = 5000
# From so many requests on, whatever the seed, every flaw and every entry of the table has been seen; the rarest comes once in 2 000 or so.
ALL_SEEN = 50_000
# And what only a publisher that remembers says.
REMEMBERED = {"replay.nonce_seen", "payment.already_used"}


def ask(command, lines):
    """The answers to each case, one for each of its requests: outcome, code and status."""
    done = subprocess.run(command, input="".join(lines), capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(answers) != len(lines):
        raise SystemExit(f"{command}: {len(answers)} answers to {len(lines)} cases\n{done.stderr[-2000:]}")
    return [[tuple(one.get(name) for name in ("outcome", "code", "http")) for one in answer["results"]] for answer in answers]


def explains(entry, stack, names, ours, theirs, third):
    """Whether an entry of the table is about this disagreement of a stack with ours; `third` is what the other stack answers."""
    fits = entry["stack"] == stack and entry["flaw"] in names and ours == third
    return fits and ours[1] in entry["ours"] and (entry["theirs"] == "*" or theirs[1] in entry["theirs"])


def differences(ours, others):
    """The first request of a case about which each stack disagrees: its number, the stack, and the three answers."""
    # What follows depends on it.
    for stack, theirs in others.items():
        third = next(answers for name, answers in others.items() if name != stack)
        for index, (one, other, another) in enumerate(zip(ours, theirs, third, strict=True)):
            if one != other:
                yield index, stack, one, other, another
                break


def note(options, figures, wrong):
    """Writes the row, where one is asked for."""
    if options.figures:
        row = {"pass": not wrong, "seed_fault": options.seed_fault, "seed": options.seed, "figures": figures, "wrong": wrong}
        options.figures.parent.mkdir(parents=True, exist_ok=True)
        options.figures.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--seed-fault", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    # What ends before its figures are there has a row that says so.
    note(options, {}, ["it did not come to its end"])
    table = json.loads((HERE / "intended.json").read_text(encoding="utf-8"))
    used, codes, flaws = collections.Counter(), collections.Counter(), collections.Counter()
    unexplained = []
    ours_command = [str(TARGET / ("release" if options.release else "debug") / "imagxp-conformance")]
    generated = cases(options.seed, options.count, FLAWS)
    begin = time.monotonic()
    while chunk := list(itertools.islice(generated, CHUNK)):
        lines = [json.dumps(case) + "\n" for case, _ in chunk]
        own = lines
        if options.seed_fault:
            lax = [{**case, "policy": {**case["policy"], "resource_match": "off"}} for case, _ in chunk]
            own = [json.dumps(case) + "\n" for case in lax]
        with ThreadPoolExecutor() as pool:
            asked = {name: pool.submit(ask, command, lines) for name, command in STACKS.items()}
            ours = ask(ours_command, own)
            others = {name: answer.result() for name, answer in asked.items()}
        codes.update(code or "allow" for answers in ours for _, code, _ in answers)
        for number, (case, names) in enumerate(chunk):
            flaws.update(names)
            for at, stack, *answers in differences(ours[number], {name: theirs[number] for name, theirs in others.items()}):
                found = [index for index, entry in enumerate(table) if explains(entry, stack, names, *answers)]
                used.update(found[:1])
                if not found:
                    unexplained.append((stack, names, *answers[:2], case["steps"][at]))
    seconds = time.monotonic() - begin
    for stack, names, one, other, step in unexplained[: options.show]:
        print(f"UNEXPLAINED {stack}: {' + '.join(names) or 'no flaw'}: ours {one}, theirs {other}")
        print(f"  {json.dumps(step['request'])[:300]}")
    # A table that explains what never happens would also explain what must not.
    idle = [table[index] for index in range(len(table)) if not used[index]] if options.count >= ALL_SEEN else []
    for entry in idle:
        print(f"IDLE {entry['stack']}: {entry['flaw']}: ours {entry['ours']}, theirs {entry['theirs']} has not been seen")
    wanted = ({*FLAWS, *AGAIN} - set(flaws)) | (REMEMBERED - set(codes))
    untried = sorted(wanted) if options.count >= ALL_SEEN else []
    for name in untried:
        print(f"IDLE {name}: in no case")
    figures = {
        "requests": codes.total(),
        "seed": options.seed,
        "seconds": round(seconds, 1),
        "codes": len(codes) - ("allow" in codes),
        "allowed": codes["allow"],
        "explained": sum(used.values()),
        "unexplained": len(unexplained),
    }
    print(", ".join(f"{name} {value}" for name, value in figures.items()))
    wrong = [f"{stack}: {' + '.join(names)}: ours {one}, theirs {other}" for stack, names, one, other, _ in unexplained[:20]]
    wrong += [f"idle: {entry['stack']} {entry['flaw']}" for entry in idle] + [f"untried: {name}" for name in untried]
    note(options, figures, wrong)
    if options.seed_fault:
        noticed = any(one[1] is None and other[1] == "claim.resource_mismatch" for _, _, one, other, _ in unexplained)
        print("the seeded fault was noticed" if noticed else "the seeded fault was NOT noticed")
        return 0 if noticed else 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
