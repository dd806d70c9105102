#!/usr/bin/env python3
"""The campaigns of scripts/soak.sh, what each must leave behind, and the one place where what they print is read.

Usage: campaigns.py list                  their names, in the order in which they run
       campaigns.py commit                what is checked out, as the rows name it
       campaigns.py clear NAME            removes what an earlier run of it has left: what failed then may hold now
       campaigns.py row NAME STATUS SECONDS   writes its row by its log and by how it ended; exit code 1 when it does not hold

A row has figures that were measured, or it is a failure: a campaign that ran no test, or whose log no longer says what it counts, proves
nothing. One that left nothing because it could not run says `SKIPPED: reason`, and counts as passed by nobody. Nor does a part of one
that has measured something: each reason that its log names is in `skipped_parts` of its row, unless a row beside it is skipped for that.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from check import REPORTS, commit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import tally

STORES = ("sqlite", "postgres")
# Figures that the campaign prints, by name, as expressions: what they find is added up, kept by its `key` where there is one, and without a
# group counted. What writes its own row (`OWN`) needs none.
OWN: dict[str, str] = {}
CAMPAIGNS: dict[str, dict[str, str]] = {
    "mutation": {
        "mutants": r"\b(\d+) mutants of \d+ requests refused",
        "valid": r"\b(\d+) valid requests passed",
        "numbers": r"\bthe first (1000000) numbers have the published hash",
    },
    "hot-signatures": {"signatures": r"\b(\d+) signatures by the tables and by both others"},
    "endurance": {"campaigns": r"(?m)^(?:.* \.\.\. )?[a-z-]+: \[\(\""},
    "exhaustion-c": {"processes": r"\b(\d+) processes ended without memory"},
    "doubling": OWN,
    "models": OWN,
    "broken-files": {"files": r"\b(\d+) broken files broke nothing"},
    "audit-throughput": {"records": r"\b(\d+) records of", "per_second": r": (\d+) a second"},
    "broker-model": {"commands": r"\b(\d+) in all"},
    "faults": {"proofs": r"(?m)^-- \S+$"},
    "nginx": {
        "answers": r"'\d\d\d [^']*': (\d+)",
        "let_in": r"\b(\d+) let in, ",
        "seconds_of_load": r"\((\d+) s, grown",
        "grown_kib": r"grown by (-?\d+) KiB\)",
    },
    "memory-python": {
        "verdicts": r"\b(\d+) verdicts: grown",
        "grown_bytes": r"verdicts: grown by (-?\d+) bytes",
        "wheels_kib": r"(?P<key>\S+\.whl), (?P<value>\d+) KiB",
    },
    "memory-node": {
        "verifications": r"\b(\d+) verifications: heap",
        "heap_bytes": r"heap (-?\d+) bytes",
        "resident_bytes": r"resident (-?\d+) bytes",
    },
    "reproducible": {"artefacts": r"\b[0-9a-f]{64}  \S+", "sha256": r"\b(?P<value>[0-9a-f]{64})  (?P<key>\S+)"},
    "simulation": OWN,
    "differential": OWN,
    "cross": {"requests": r"\b(\d+) requests, each signed by"},
    "grade": OWN,
    "advisories": {"checks": r"\badvisories ok\b"},
    "fuzz": {"inputs": r"\b(\d+) inputs, +\d+ in its corpus"},
    "coverage": OWN,
    "mutants": OWN,
}
# What a campaign writes beside its own row.
ROWS: dict[str, list[str]] = {
    "endurance": ["clock", "flood-unauthenticated", "flood-live", "huge-inputs", "exhaustion", "doubling-time"],
    "models": ["threadsanitizer", "miri"],
    "fuzz": ["fuzz-nginx", "fuzz-python", "fuzz-node"],
    "faults": [
        *("faketime", "power-model", "power-loop", "writes", "openapi", "connections"),
        *(f"{proof}-{store}" for proof in ("kill", "full", "bank", "idempotent", "clocks") for store in STORES),
    ],
}


def number(text: str) -> int | str:
    """What was found, as a number where it is one."""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text


def printed(log: str, wanted: dict[str, str]) -> dict[str, Any]:
    """The figures that are in a log."""
    found: dict[str, Any] = {}
    for name, expression in wanted.items():
        matches = list(re.finditer(expression, log))
        if not matches:
            continue
        if "key" in matches[0].groupdict():
            found[name] = {match["key"]: number(match["value"]) for match in matches}
        else:
            found[name] = sum(int(match[1]) for match in matches) if matches[0].re.groups else len(matches)
    return found


def measured(figures: dict[str, Any]) -> bool:
    """Whether there is anything but the time that it took."""
    return any(name != "seconds" for name in figures)


def parts(log: str, beside: list[str]) -> list[str]:
    """Why parts could not run, each reason once, but `beside`, which have rows of their own; and how many tests runners left out."""
    said = [reason for reason in dict.fromkeys(re.findall(r"(?m)^SKIPPED: (.*\S)", log)) if not reason.endswith(tuple(beside))]
    lines = [line for line in log.split("\n") if not line.startswith(("SKIPPED:", "test result: "))]
    left = sum(counted[2] for counted in tally.counts(lines))
    return [*said, f"{left} tests, by their runner"] if left else said


def judged(
    name: str, log: str, status: int, seconds: int, own: dict[str, Any] | None, absent: list[str], beside: list[str]
) -> dict[str, Any]:
    """The row of a campaign by its log, how it ended, what it wrote itself, which of the rows beside that it did not write, and for which
    reasons others of these are skipped."""
    log = tally.COLOUR.sub("", log)
    lines = log.split("\n")
    # A line that says SKIPPED counts nothing; a runner that ran nothing does.
    counts = tally.counts([line for line in lines if not line.startswith("SKIPPED:")])
    passed, failed = (sum(counted[index] for counted in counts) for index in (0, 1))
    # What a Rust test says that could not run, its runner has counted as passed.
    passed = max(passed + sum(counted[0] for counted in tally.counts(lines) if counted[0] < 0), 0)
    found = printed(log, CAMPAIGNS[name])
    skipped = parts(log, beside)
    if status == 0 and own is None and skipped and not found and not passed and not failed:
        return {"skipped": skipped[0]}
    if own is not None and "skipped" in own and status == 0:
        return own
    row = own or {"pass": True, "seed_fault": False, "seed": None, "figures": {}, "wrong": []}
    if skipped:
        row = {**row, "skipped_parts": skipped}
    figures, wrong = {**found, **row.get("figures", {})}, list(row.get("wrong", []))
    if passed:
        figures["tests"] = passed
    if status:
        wrong.append(f"it ended with {status}")
    elif counts and not passed:
        wrong.append("no test ran")
    if failed:
        wrong.append(f"{failed} tests failed")
    if not status:
        wrong += [f"it did not say its figure: {each}" for each in CAMPAIGNS[name] if each not in figures]
        # What writes its own row has its figures there, and only there.
        wrong += [f"it did not write the row of {each}" for each in [*([] if own or CAMPAIGNS[name] else [name]), *absent]]
        if not measured(figures):
            wrong.append("it left no figures")
    seeds = [int(seed) for seed in re.findall(r"(?:\bIMAGXP_SEED=|\bseed )(\d+)", log)]
    if row.get("seed") is None and seeds:
        row["seed"] = seeds[0] if len(seeds) == 1 else seeds
    return {**row, "pass": bool(row.get("pass")) and not wrong, "figures": {**figures, "seconds": seconds}, "wrong": wrong}


def stamp(name: str) -> None:
    """Each row of a campaign says of which commit it is."""
    for path in (REPORTS / f"{each}.json" for each in (name, *ROWS.get(name, []))):
        if path.exists():
            path.write_text(json.dumps({"commit": commit(), **json.loads(path.read_text())}, indent=1) + "\n")


def main() -> int:
    """See the usage."""
    match sys.argv[1:]:
        case ["list"]:
            print(" ".join(CAMPAIGNS))
        case ["commit"]:
            print(commit())
        case ["clear", name]:
            for each in (name, *ROWS.get(name, [])):
                (REPORTS / f"{each}.json").unlink(missing_ok=True)
        case ["row", name, status, seconds]:
            path = REPORTS / f"{name}.json"
            log = (REPORTS / "logs" / f"{name}.log").read_text(errors="replace")
            own = json.loads(path.read_text()) if path.exists() else None
            others = {each: REPORTS / f"{each}.json" for each in ROWS.get(name, [])}
            absent = [each for each, other in others.items() if not other.exists()]
            beside = [json.loads(other.read_text()).get("skipped", "") for other in others.values() if other.exists()]
            row = judged(name, log, int(status), int(seconds), own, absent, [reason for reason in beside if reason])
            path.write_text(json.dumps(row, indent=1) + "\n")
            stamp(name)
            for line in row.get("wrong", []):
                print(f"WRONG: {line}")
            return 0 if "skipped" in row or row["pass"] else 1
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
