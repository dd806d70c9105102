#!/usr/bin/env python3
"""Puts the figures of all proofs of target/soak into target/soak/report.json, and prints them as a table.

A row that was skipped is said to be, with its reason, and counts as passed by nobody; so is each part of a row that was. A campaign that
left no figures is a failure, and so is a row that has only the time it took: the names are in campaigns.py, and `--all` (scripts/soak.sh)
asks for all of them.
Each row says of which commit it is. Rows of several are said to be; `--all` refuses them.

Usage: report.py [--all | NAME...]   with names: only these rows are printed and judged, and each must be there; the file has all
"""

from __future__ import annotations

import json
import sys
from typing import Any

from campaigns import CAMPAIGNS, ROWS, measured
from check import REPORTS

NAMES = [each for name in CAMPAIGNS for each in (name, *ROWS.get(name, []))]


def holds(row: dict[str, Any]) -> bool:
    """Whether a row that was not skipped says that something was measured, and that it is right."""
    return bool(row.get("pass")) and measured(row.get("figures", {}))


def commits(rows: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The rows of each commit."""
    found: dict[str, list[str]] = {}
    for name, row in rows.items():
        found.setdefault(row.get("commit", "unknown"), []).append(name)
    return found


def main() -> int:
    """Exit code 0 when there is a figure for each, and none is wrong."""
    every = "--all" in sys.argv
    named = [word for word in sys.argv[1:] if word != "--all"]
    rows = {path.stem: json.loads(path.read_text()) for path in sorted(REPORTS.glob("*.json")) if path.stem != "report"}
    missing = [name for name in (NAMES if every else named) if name not in rows]
    (REPORTS / "report.json").write_text(json.dumps({**rows, "missing": missing} if missing else rows, indent=1) + "\n")
    if named:
        rows = {name: row for name, row in rows.items() if name in named}
    for name, row in rows.items():
        if "skipped" in row:
            print(f"SKIPPED: {name}: {row['skipped']}")
            continue
        figures = ", ".join(f"{key} {value}" for key, value in row["figures"].items() if not isinstance(value, dict))
        print(f"{'pass' if holds(row) else 'FAIL'}  {name:24} {row.get('commit', 'unknown'):20} {figures}")
        for part in row.get("skipped_parts", []):
            print(f"SKIPPED: {name}: {part}")
    for name in missing:
        print(f"FAIL  {name:24} it left no figures")
    failed = [name for name, row in rows.items() if not holds(row) and "skipped" not in row] + missing
    measured_at = commits(rows)
    mixed = len(measured_at) > 1
    if mixed:
        print(f"{'FAIL' if every else 'NOTE'}  the rows are of {len(measured_at)} commits:")
        for each, names in measured_at.items():
            print(f"      {each}: {' '.join(names)}")
    skipped = sum("skipped" in row for row in rows.values())
    passed = len(rows) - skipped - len(failed) + len(missing)
    skipped += sum(len(row.get("skipped_parts", [])) for row in rows.values())
    print(f"{passed} passed, {len(failed) + (mixed and every)} failed, {skipped} skipped")
    return 0 if (rows or named) and not failed and not (mixed and every) else 1


if __name__ == "__main__":
    sys.exit(main())
