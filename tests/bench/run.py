"""Every row of the bars in one interleaved run: a table, and target/bench/report.json. `make bench` builds what it needs.

Usage: run.py [--rounds N] [--only PREFIX] [--scale SHARE] [--rows-only]

`--rows-only` is for `make test`: that each row still runs. It writes no report: what `make bench` has measured stays.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import elsewhere, report  # noqa: E402 (its folder is on no path before)
from harness.bars import BARS, Bar, refusals, row, skipped  # noqa: E402
from harness.interleave import Series, measure  # noqa: E402
from harness.worker import Worker  # noqa: E402

ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CORE = [str(TARGET / "release" / "imagxp-bench")]

# What is started, and what must be there.
COMMANDS: dict[str, tuple[list[str], Path]] = {
    "core": (CORE, HERE),
    "core-aws-lc": ([str(TARGET / "bench" / "imagxp-bench-aws-lc")], HERE),
    "peers": ([str(TARGET / "bench-peers" / "release" / "imagxp-bench-peers")], HERE),
    "c": ([str(TARGET / "bench-c" / "worker")], HERE),
    "python": ([str(TARGET / "bench-python" / "venv" / "bin" / "python"), "ours.py"], HERE / "python"),
    "python-peers": ([str(TARGET / "bench-python" / "peers" / "bin" / "python"), "peers.py"], HERE / "python"),
    "node": (["node", "ours.mjs", str(TARGET / "node-bench")], HERE / "node"),
    "node-peers": (["node", "peers.mjs"], HERE / "node"),
}
NEEDED = {"node": TARGET / "node-bench" / "index.cjs", "node-peers": HERE / "node" / "node_modules"}


def start() -> tuple[dict[str, Worker], dict[str, str]]:
    """The workers that are there, and why the others are not."""
    workers, missing = {}, {}
    for name, (command, folder) in COMMANDS.items():
        needed = NEEDED.get(name, Path(command[0]))
        if not needed.exists():
            missing[name] = f"{os.path.relpath(needed, ROOT)} has not been built (scripts/bench.sh)"
            continue
        try:
            workers[name] = Worker(name, command, folder)
        except RuntimeError as error:
            missing[name] = str(error)
    return workers, missing


def judge(bars: list[Bar], medians: dict[str, float], missing: dict[str, str]) -> list[report.Row]:
    """A row for each bar; one whose worker is missing says why."""
    rows = []
    for bar in bars:
        judged = bar.judge(medians)
        absent = sorted({missing[name] for name in (series.split(":")[0] for series in bar.series()) if name in missing})
        if "skipped" in judged and absent:
            judged = skipped(bar.name, "; ".join(absent))
        rows.append(judged)
    return rows


def absent(bars: list[Bar], rows: set[str]) -> list[str]:
    """The rows that bars are about and the core's worker, which is always built, does not have: they have other names now."""
    wanted = {name.removeprefix("core:") for bar in bars for name in bar.series() if name.startswith("core:")}
    return sorted(wanted - rows)


def commit() -> str:
    """What is measured, as every report names it."""
    command = [sys.executable, str(ROOT / "tests" / "faults" / "campaigns.py"), "commit"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def simulate(name: str, scale: float) -> dict[str, object]:
    """One report of the core's worker, in a process of its own, whose memory is its own."""
    print(f"simulation: {name}", file=sys.stderr, flush=True)
    said = subprocess.run([*CORE, "report", name, str(scale)], capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said))


def replay(figures: dict[str, object]) -> list[report.Row]:
    """The bars of the replay store: times, bytes, and the longest pause."""
    each, longest, count = (float(str(figures[key])) for key in ("ns_each", "longest_pause_ns", "nonces"))
    rows = [row("replay/insert", each, "200 ns", 200, 1), row("replay/longest-pause", longest, "1 ms", 1e6, 1)]
    if figures["bytes"] is None:
        return [*rows, skipped("replay/bytes", "the memory of a process is known on Linux only")]
    in_all = float(str(figures["bytes"]))
    rows.append(row("replay/bytes-each", in_all / count, "32 B", 32, 1, unit="B"))
    rows.append(row("replay/bytes", in_all, "64 MiB", 64 << 20, 1, unit="B"))
    return rows


def main() -> int:
    """Measures, judges, writes. Bars that are not met are said, and fail nobody: this is a report, of one machine at one time. A bar
    about a row that is gone fails: nobody would ever meet it or miss it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--only", default="", help="rows whose names begin so")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full length of simulations")
    parser.add_argument("--rows-only", action="store_true", help="no simulations, no report")
    arguments = parser.parse_args()
    workers, missing = start()
    if "core" not in workers:
        sys.exit(f"error: {missing['core']}")
    bars = [bar for bar in [*BARS, *refusals(workers["core"].rows)] if bar.name.startswith(arguments.only)]
    if gone := absent(bars, workers["core"].rows):
        sys.exit(f"error: bars are about rows that the core's worker does not have: {' '.join(gone)}")
    wanted = {name for bar in bars for name in bar.series()}
    if not arguments.only:
        wanted |= {f"{worker.name}:{row}" for worker in workers.values() for row in worker.rows}
    series = [
        Series(workers[name.split(":")[0]], name.split(":", 1)[1]) for name in sorted(wanted) if name.split(":")[0] in workers
    ]
    medians = measure([one for one in series if one.row in one.worker.rows], arguments.rounds)
    for worker in workers.values():
        worker.stop()
    rows = judge(bars, medians, missing)
    simulations: dict[str, object] = {}
    path, facts = TARGET / "bench" / "report.json", {"rounds": arguments.rounds, "commit": commit()}
    if not arguments.rows_only:
        # What has been measured is kept even if a simulation takes longer than somebody waits.
        report.write(path, rows, medians, simulations, facts)
        for name in ("replay", "zipf", "attack", "agents", "memory"):
            figures = simulate(name, arguments.scale)
            simulations[name] = figures
            rows += replay(figures) if name == "replay" else []
    if not arguments.only:
        rows += [*elsewhere.nginx(TARGET / "bench"), *elsewhere.ledger(TARGET / "bench", medians), *elsewhere.size(TARGET)]
    print(report.table(rows))
    if not arguments.rows_only:
        report.write(path, rows, medians, simulations, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
