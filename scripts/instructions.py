#!/usr/bin/env python3
"""Instructions of the core's paths, counted by callgrind, against the numbers in tests/bench/instructions.json: more than 5 % more fails.

Times differ by machine and by minute; what a program executes does not. Each path runs twice, once only with what it makes ready: the
difference is the path's own. valgrind shows every program the same processor (without SHA instructions; AVX2 where the machine has it),
keys and nonces are seeded, and the build is the release profile: the numbers depend on the compiler, whose version is kept with them.

Usage: scripts/instructions.py [--update | --seed-fault] [PREFIX...]
  --update      writes the numbers that it finds
  --seed-fault  does 112 operations and says that they were 100: every path must fail, or this check checks nothing. A processor without
                some instructions is up to 5 % from the numbers, in either direction; hence not 106.
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
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BASELINE = ROOT / "tests" / "bench" / "instructions.json"
PROGRAM = TARGET / "release" / "imagxp-bench"
MOST = 1.05
# How many operations are counted: few where each is long. Prefixes; what is not named is not counted.
COUNTS = {"verify/": 10, "sign/": 10, "part/": 100, "refuse/typical/": 100, "refuse/worst/": 10}
# What takes too long to make ready: many agents who have been seen.
LEFT_OUT = ("verify/hot-1000", "verify/batch-")
LIBC = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM"


def paths(prefixes):
    """The names of the rows that are counted."""
    said = subprocess.run([PROGRAM], input="", capture_output=True, text=True, check=True).stdout.split()
    known = [name for name in said if name.startswith(tuple(COUNTS)) and not name.startswith(LEFT_OUT)]
    return [name for name in known if not prefixes or name.startswith(tuple(prefixes))]


def operations(name):
    """How many of them."""
    return next(count for prefix, count in COUNTS.items() if name.startswith(prefix))


def count(name, fault):
    """Instructions of one operation."""
    number = operations(name)
    done = number * 112 // 100 if number >= 100 else number + 2
    return round((run("once", name, done if fault else number) - run("idle", name, done if fault else number)) / number)


def run(what, name, number):
    """All instructions of one run."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", PROGRAM, what, name, str(number)]
        environment = {"PATH": os.environ["PATH"], "GLIBC_TUNABLES": LIBC}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"error: {name} does not run under valgrind\n{done.stderr[-2000:]}")
    return int(found[1])


def compiler():
    """What the numbers depend on."""
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    facts = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    return f"rustc {facts['release']} {facts['host']}"


def judge(found, known, whole):
    """One line for each path; how many passed, and how many did not: beyond the limit, or, of the whole, not found."""
    passed = 0
    for name, number in found.items():
        before = known.get(name)
        ratio = number / before if before else float("inf")
        good = ratio <= MOST
        passed += good
        note = "" if good else "  FAILED: more than 5 % more" if before else "  FAILED: unknown, run with --update"
        print(f"{name:40} {number:>10} {f'{(ratio - 1) * 100:+.1f} %' if before else 'new':>9}{note}")
    gone = sorted(set(known) - set(found)) if whole else []
    for name in gone:
        print(f"{name:40} {'':>10} {'gone':>9}  FAILED: no row has this name, run with --update")
    return passed, len(found) - passed + len(gone)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--seed-fault", action="store_true")
    parser.add_argument("prefixes", nargs="*")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed: no instructions were counted")
        return 0
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"compiler": compiler(), "instructions": {}}
    if baseline["compiler"] != compiler() and not arguments.update:
        print(
            f"SKIPPED: the numbers are those of {baseline['compiler']}, and this is {compiler()}: scripts/instructions.py --update"
        )
        return 0
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--release", "-p", "imagxp-bench"], cwd=ROOT, check=True)
    names = paths(arguments.prefixes)
    if not names:
        sys.exit("error: no path has such a name")
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        found = dict(zip(names, pool.map(lambda name: count(name, arguments.seed_fault), names), strict=True))
    if arguments.update:
        kept = {} if not arguments.prefixes else baseline["instructions"]
        content = {"compiler": compiler(), "instructions": dict(sorted({**kept, **found}.items()))}
        BASELINE.write_text(json.dumps(content, indent=1) + "\n")
        print(f"wrote {len(found)} numbers to {BASELINE.relative_to(ROOT)}")
        return 0
    passed, failed = judge(found, baseline["instructions"], whole=not arguments.prefixes and not arguments.seed_fault)
    if arguments.seed_fault:
        noticed = failed == len(found)
        if noticed:
            print("the seeded fault was noticed\n1 passed, 0 failed")
        else:
            # A path that has become quicker leaves room for a regression until its number is lowered.
            print(
                "error: the seeded fault was not noticed; where a path has become quicker, run scripts/instructions.py --update"
            )
        return 0 if noticed else 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
