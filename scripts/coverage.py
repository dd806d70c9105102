#!/usr/bin/env python3
"""Branches and arms of the pipeline and of the ledger's state machine that no test takes, counted by LLVM; a ratchet: in no file
may there be more.

A branch is one side of an `if`, a `while`, `&&` or `||`. An arm is any other code that runs or does not: of a `match`, a closure, what
is behind an early return (LLVM's regions); a `?` that never returns is none.

Usage: scripts/coverage.py [--update] [--figures FILE] [--seed-fault]
  --update      writes scripts/coverage.json, when fewer are missed than before
  --seed-fault  leaves out the tests of the pipeline, and exits 0 only when that is noticed
Where the missed ones are: target/coverage/missed.txt. Needs llvm-profdata and llvm-cov (Debian: llvm-19).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "coverage"
RATCHET = ROOT / "scripts" / "coverage.json"
FILES = [
    *(ROOT / "core/protocol/src/publisher").glob("*.rs"),
    *(ROOT / "core/protocol/src/replay").glob("*.rs"),
    *(ROOT / "core/protocol/src/visa").glob("*.rs"),
    *(ROOT / "core/protocol/src/claim").glob("*.rs"),
    *(ROOT / "core/broker/src").rglob("*.rs"),
]
IMAGXP = [
    "order",
    "codes",
    "abuse",
    "later",
    "pipeline",
    "feedback",
    "policy",
    "audit",
    "hot",
    "visa_limits",
    "claim",
    "decisions",
    "golden",
    "visitors",
    "vectors",
    "payment",
    "visit",
    "evidence",
    "options",
]
TESTS = {
    "imagxp": ["--lib", *(f"--test={name}" for name in IMAGXP)],
    "imagxp-broker": [],
}
# The kind of region that is code: others are gaps, and what was skipped.
CODE = 0
# What takes long and no branch here needs.
SKIPPED = ["hot::", "isbot"]


def tool(name):
    """The newest of LLVM's tools that is here."""
    return next((found for version in range(24, 17, -1) if (found := shutil.which(f"{name}-{version}"))), None)


def run(seed_fault):
    """Builds and runs the tests; the programs that ran."""
    shutil.rmtree(TARGET / "profiles", ignore_errors=True)
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET),
        "RUSTC_BOOTSTRAP": "1",
        # The same cases each time, so that the same branches are taken.
        "PROPTEST_RNG_SEED": "1",
        "RUSTFLAGS": "-Cinstrument-coverage -Zcoverage-options=branch",
        "LLVM_PROFILE_FILE": str(TARGET / "profiles" / "%p-%m.profraw"),
    }
    programs = []
    for package, chosen in TESTS.items():
        command = ["cargo", "test", "--quiet", "--locked", "-p", package, *(["--lib"] if seed_fault else chosen)]
        told = subprocess.run(
            [*command, "--no-run", "--message-format=json"], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if told.returncode:
            sys.exit(f"error: {package} does not build\n{told.stderr[-3000:]}")
        messages = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
        programs += [each["executable"] for each in messages if each.get("executable") and each.get("profile", {}).get("test")]
        skips = [word for name in SKIPPED for word in ("--skip", name)]
        done = subprocess.run([*command, "--", *skips], cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"error: the tests of {package} fail\n{done.stdout[-3000:]}")
    return programs


class Counted:
    """What LLVM counts in one file. A place counts once, in whatever programs and for whatever types it was compiled: LLVM's own
    summary does not add these up. What is generic and compiled for no type at all has none."""

    def __init__(self, path):
        self.lines = path.read_text().splitlines()
        # A file's own tests stand at its end: what of them does not run is no code without a test.
        self.tests = next((at for at, line in enumerate(self.lines, 1) if line == "mod tests {"), len(self.lines) + 1)
        self.branches = {}
        self.arms = {}

    def branch(self, line, column, side, count):
        if line > self.tests:
            return
        place = (line, column, side)
        self.branches[place] = self.branches.get(place, 0) + count

    def arm(self, line, column, last, end, count):
        if line > self.tests or (line == last and self.lines[line - 1][column - 1 : end - 1] == "?"):
            return
        place = (line, column, last, end)
        self.arms[place] = self.arms.get(place, 0) + count

    def missed(self):
        """The branches, and the outermost arms: what is inside of an arm that never runs does not run either."""
        branches = sorted(place for place, count in self.branches.items() if not count)
        never = [place for place, count in self.arms.items() if not count]
        never.sort(key=lambda place: (place[:2], [-each for each in place[2:]]))
        arms = []
        for place in never:
            if not arms or place[2:] > arms[-1][2:]:
                arms.append(place)
        return branches, arms


def measure(programs):
    """What was counted, by file."""
    profile = TARGET / "all.profdata"
    raw = [str(path) for path in (TARGET / "profiles").glob("*.profraw")]
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", str(profile), *raw], check=True)
    objects = [word for program in programs[1:] for word in ("-object", program)]
    common = [programs[0], *objects, f"-instr-profile={profile}", *map(str, sorted(FILES))]
    export = subprocess.run([tool("llvm-cov"), "export", *common], capture_output=True, text=True, check=True)
    known = {str(path): str(path.relative_to(ROOT)) for path in FILES}
    found = {name: Counted(ROOT / name) for name in known.values()}
    for function in json.loads(export.stdout)["data"][0]["functions"]:
        names = [known.get(name) for name in function["filenames"]]
        for line, column, _, _, taken, not_taken, file, *_ in function.get("branches", []):
            if names[file]:
                found[names[file]].branch(line, column, "true", taken)
                found[names[file]].branch(line, column, "false", not_taken)
        for line, column, last, end, count, file, _, kind in function["regions"]:
            if names[file] and kind == CODE:
                found[names[file]].arm(line, column, last, end, count)
    with (TARGET / "missed.txt").open("w") as missed:
        for name, counted in sorted(found.items()):
            branches, arms = counted.missed()
            missed.writelines(f"{name}:{line}:{column} is never {side}\n" for line, column, side in branches)
            missed.writelines(
                f"{name}:{line}:{column} never runs: {counted.lines[line - 1].strip()}\n" for line, column, *_ in arms
            )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--seed-fault", action="store_true")
    arguments = parser.parse_args()
    if not tool("llvm-cov") or not tool("llvm-profdata"):
        print("SKIPPED: no llvm-cov is installed (Debian: llvm-19): no branches were counted")
        return 0
    found = measure(run(arguments.seed_fault))
    ratchet = json.loads(RATCHET.read_text())
    wrong = []
    all_missed = {"branches": {}, "arms": {}}
    total = {"branches": 0, "arms": 0}
    for name, counted in sorted(found.items()):
        row = []
        for kind, missed, places in zip(total, counted.missed(), (counted.branches, counted.arms), strict=True):
            total[kind] += len(places)
            if missed:
                all_missed[kind][name] = len(missed)
            allowed = None if ratchet[kind] is None else ratchet[kind].get(name, 0)
            if allowed is not None and len(missed) > allowed:
                wrong.append(f"{name}: {len(missed)} {kind} are missed, and {allowed} were")
            row.append(f"{len(places):4} {kind}, {len(missed):3} missed")
        print(f"{name:44} {'; '.join(row)}")
    for kind in (kind for kind, files in ratchet.items() if files is None):
        print(f"SKIPPED: {kind} are counted and not judged: no ratchet has been written yet (--update)")
    missed = {kind: sum(all_missed[kind].values()) for kind in total}
    for kind, count in total.items():
        print(
            f"{count} {kind}, {missed[kind]} missed: {(count - missed[kind]) / max(count, 1):.1%}; each in {TARGET / 'missed.txt'}"
        )
    if arguments.seed_fault:
        noticed = any(line.startswith("core/protocol/src/publisher/") and " branches are missed" in line for line in wrong)
        print("the seeded fault was noticed" if noticed else "error: the seeded fault was not noticed")
        return 0 if noticed else 1
    if arguments.update:
        RATCHET.write_text(json.dumps(all_missed, indent=1) + "\n")
        return 0
    for line in wrong:
        print(f"WRONG: {line}")
    if arguments.figures:
        row = {
            "pass": not wrong,
            "seed_fault": False,
            "seed": None,
            "wrong": wrong,
            "figures": {**total, **{f"{kind}_missed": count for kind, count in missed.items()}},
        }
        arguments.figures.write_text(json.dumps(row, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
