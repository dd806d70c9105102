"""The report: a table to read, and report.json for programs."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

Row = dict[str, object]


def table(rows: list[Row]) -> str:
    """One line for each row."""
    lines = [f"{'row':34} {'ours':>11} {'peer':>11}  {'ratio':>8} {'bar':>9}  result   peer"]
    for row in rows:
        if "skipped" in row:
            lines.append(f"{row['name']:34} SKIPPED: {row['skipped']}")
            continue
        sense = "≥" if row["at_least"] else "≤"
        result = "pass" if row["pass"] else "FAIL"
        ours, peer = (amount(row[key], row["unit"]) for key in ("ours_ns", "peer_ns"))
        bar = f"{sense} {row['bar']:g}"
        lines.append(f"{row['name']:34} {ours:>11} {peer:>11}  {row['ratio']:8.3f} {bar:>9}  {result:8} {row['peer']}")
    count = {state: sum(row["pass"] is state for row in rows) for state in (True, False, None)}
    lines.append(f"{count[True]} bars met, {count[False]} not met, {count[None]} skipped")
    return "\n".join(lines)


def amount(value: object, unit: object) -> str:
    """A number as people write it."""
    number = float(str(value))
    if unit != "ns":
        return f"{number:,.0f} {unit}"
    return f"{number / 1000:.2f} µs" if number < 1e6 else f"{number / 1e6:.2f} ms"


def write(
    path: Path, rows: list[Row], series: dict[str, float], simulations: dict[str, object], facts: dict[str, object]
) -> None:
    """Rows, what they were made from, where, and the facts of the run: of how many rounds and of which commit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    content = {**facts, "rows": rows, "series_ns": series, "simulations": simulations, "machine": machine}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def processor() -> str:
    """Its name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
