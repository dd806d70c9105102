#!/usr/bin/env python3
"""Branches of the pipeline and of the ledger's state machine that no test takes, counted by LLVM; a ratchet: in no file may there be more.

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
]
TESTS = {
    "imagxp": ["--lib", *(f"--test={name}" for name in IMAGXP)],
    "imagxp-broker": [],
}
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


def measure(programs):
    """Branches and missed ones by file. A branch is one place and one side of it, in whatever programs and for whatever types it was
    compiled: LLVM's own summary does not add these up. What is generic and compiled for no type at all has no branches."""
    profile = TARGET / "all.profdata"
    raw = [str(path) for path in (TARGET / "profiles").glob("*.profraw")]
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", str(profile), *raw], check=True)
    objects = [word for program in programs[1:] for word in ("-object", program)]
    common = [programs[0], *objects, f"-instr-profile={profile}", *map(str, sorted(FILES))]
    export = subprocess.run([tool("llvm-cov"), "export", *common], capture_output=True, text=True, check=True)
    known = {str(path): str(path.relative_to(ROOT)) for path in FILES}
    found = {name: {} for name in known.values()}
    for function in json.loads(export.stdout)["data"][0]["functions"]:
        for line, column, _, _, taken, not_taken, file, *_ in function.get("branches", []):
            name = known.get(function["filenames"][file])
            for side, count in (("true", taken), ("false", not_taken)) if name else ():
                place = (line, column, side)
                found[name][place] = found[name].get(place, 0) + count
    missed = {name: sorted(place for place, count in places.items() if not count) for name, places in found.items()}
    lines = [f"{name}:{line}:{column} is never {side}" for name in sorted(missed) for line, column, side in missed[name]]
    (TARGET / "missed.txt").write_text("".join(f"{line}\n" for line in lines))
    return {name: (len(places), len(missed[name])) for name, places in found.items()}


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
    ratchet = json.loads(RATCHET.read_text()) if RATCHET.exists() else {}
    wrong = [
        f"{name}: {missed} branches are missed, and {ratchet.get(name, 0)} were"
        for name, (_, missed) in found.items()
        if missed > ratchet.get(name, 0)
    ]
    for name, (count, missed) in sorted(found.items()):
        if count:
            print(f"{name:44} {count:4} branches, {missed:3} missed: {(count - missed) / count:.1%}")
    branches, missed = (sum(row[index] for row in found.values()) for index in (0, 1))
    print(f"{branches} branches, {missed} missed: {(branches - missed) / max(branches, 1):.1%}; each in {TARGET / 'missed.txt'}")
    if arguments.seed_fault:
        print("the seeded fault was noticed" if wrong else "error: the seeded fault was not noticed")
        return 0 if wrong else 1
    if arguments.update:
        RATCHET.write_text(json.dumps({name: missed for name, (_, missed) in sorted(found.items()) if missed}, indent=1) + "\n")
        return 0
    for line in wrong:
        print(f"WRONG: {line}")
    if arguments.figures:
        row = {
            "pass": not wrong,
            "seed_fault": False,
            "seed": 0,
            "wrong": wrong,
            "figures": {"branches": branches, "missed": missed},
        }
        arguments.figures.write_text(json.dumps(row, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
