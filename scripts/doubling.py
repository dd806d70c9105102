#!/usr/bin/env python3
"""Instructions of every parser, by callgrind, while its input grows from 1 to 256 KiB: twice the length is at most 2.3 times the work.

What core/protocol/tests/endurance/doubling.rs takes the time of is counted here: the same in every run, whatever else the machine does.

Usage: scripts/doubling.py [--figures FILE] [--seed-fault] [PARSER...]
  --seed-fault  counts a parser that compares each piece with each, and exits 0 only when that is noticed
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARSERS = ROOT / "core" / "protocol" / "tests" / "endurance" / "parsers.rs"
MOST = 2.3
# Fewer instructions than these are what a call costs that looks at nothing.
FLOOR = 20_000
BOUNDARY = "boundary_of_a_count"


def program():
    """The tests, built; where they are."""
    command = ["cargo", "test", "--quiet", "--locked", "-p", "imagxp", "--test", "endurance", "--no-run", "--message-format=json"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if told.returncode:
        sys.exit(f"error: the tests do not build\n{told.stderr[-3000:]}")
    messages = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    found = [
        each["executable"] for each in messages if each.get("executable") and each.get("target", {}).get("name") == "endurance"
    ]
    return found[-1]


def count(executable, parser):
    """Instructions by shape and size."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", f"--dump-before=*{BOUNDARY}*"]
        command += [executable, "--exact", "doubling::counted", "--ignored", "--nocapture", "--test-threads=1"]
        environment = {**os.environ, "IMAGXP_DOUBLING": parser}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
        told = re.findall(r"^counted (\d+) (\S+) (\d+)$", done.stdout, re.MULTILINE)
        if done.returncode or not told:
            sys.exit(f"error: {parser} does not run under valgrind\n{done.stderr[-2000:]}")
        # Dump 1 ends at the first boundary; what lies between the two of one call is the next one.
        return {(name, int(size)): total(Path(folder), int(number) + 1) for number, name, size in told}


def total(folder, number):
    """What one dump counts."""
    for path in sorted(folder.glob(f"out*.{number}")):
        if found := re.search(r"^(?:totals|summary): (\d+)", path.read_text(errors="replace"), re.MULTILINE):
            return int(found[1])
    sys.exit(f"error: callgrind has left no dump {number}")


def worst(counts):
    """By how much each doubling multiplies the work at most, for each shape."""
    found = {}
    for (name, size), number in counts.items():
        if (before := counts.get((name, size // 2))) is not None:
            ratio = number / max(before, FLOOR)
            found[name] = max(found.get(name, (0.0, 0)), (ratio, size))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--seed-fault", action="store_true")
    parser.add_argument("parsers", nargs="*")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed: no instructions were counted")
        return 0
    known = re.findall(r'^    Parser \{ name: "([^"]+)"', PARSERS.read_text(), re.MULTILINE)
    wanted = ["seeded"] if arguments.seed_fault else arguments.parsers or known
    executable = program()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = {key: number for each in pool.map(lambda name: count(executable, name), wanted) for key, number in each.items()}
    ratios = worst(counts)
    wrong = []
    for name, (ratio, size) in sorted(ratios.items()):
        note = "" if ratio <= MOST else "  FAILED"
        print(f"{name:28} {ratio:5.2f} times from {size // 2} to {size} bytes{note}")
        if ratio > MOST:
            wrong.append(f"{name}: {ratio:.2f} times from {size // 2} to {size} bytes")
    if arguments.seed_fault:
        print("the seeded fault was noticed" if wrong else "error: the seeded fault was not noticed")
        return 0 if wrong else 1
    if arguments.figures:
        figures = {
            "parsers": len(wanted),
            "shapes": len(ratios),
            "inputs": len(counts),
            "most": round(max(ratio for ratio, _ in ratios.values()), 3),
        }
        row = {"pass": not wrong, "seed_fault": False, "seed": None, "figures": figures, "wrong": wrong}
        arguments.figures.write_text(json.dumps(row, indent=1) + "\n")
    print(f"{len(ratios) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
