#!/usr/bin/env python3
"""Puts the figures of all proofs of target/soak into target/soak/report.json, and prints them as a table."""

from __future__ import annotations

import json
import sys

from check import REPORTS


def main() -> int:
    """Exit code 0 when there is a figure."""
    rows = {path.stem: json.loads(path.read_text()) for path in sorted(REPORTS.glob("*.json")) if path.stem != "report"}
    (REPORTS / "report.json").write_text(json.dumps(rows, indent=1) + "\n")
    for name, row in rows.items():
        figures = ", ".join(f"{key} {value}" for key, value in row["figures"].items() if not isinstance(value, dict))
        print(f"{'pass' if row['pass'] else 'FAIL'}  {name:24} {figures}")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
