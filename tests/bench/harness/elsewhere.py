"""Rows that other programs have measured: nginx, the ledger; and the size of the library."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.bars import row, skipped

Row = dict[str, object]
SIZE_BAR = 1_000_000
VISAS_BAR, FLAT_BAR = 0.7, 1.2


def nginx(folder: Path) -> list[Row]:
    """What bindings/nginx/bench/bench.py has written."""
    path = folder / "nginx.json"
    if not path.exists():
        return [skipped("nginx", "scripts/nginx.sh bench has not run")]
    said = json.loads(path.read_text())
    rows = [{"at_least": True, "unit": "ns", **row} for row in said["rows"]]
    return rows + [skipped(name, reason) for name, reason in said.get("skipped", {}).items()]


def ledger(folder: Path, medians: dict[str, float]) -> list[Row]:
    """What scripts/bench_ledger.sh has printed. Visas are compared with the back end's raw signatures."""
    path = folder / "ledger.txt"
    if not path.exists():
        return [skipped("ledger", "scripts/bench_ledger.sh has not run")]
    text = path.read_text()
    rows = []
    for name, label in (("sqlite FULL", "sqlite"), ("postgresql", "postgresql")):
        rates = re.search(
            rf"^{name}: (\d+) transfers/s with \d+ clients, (\d+) with one commit each.*\(bar ([\d.]+) x", text, re.M
        )
        visas = re.search(rf"^{name}: (\d+) visas/s", text, re.M)
        flat = re.search(rf"^{name}: .*processors ([\d.]+) us\s+and ([\d.]+) us", text, re.M)
        if not (rates and visas and flat):
            rows.append(skipped(f"ledger/{label}", "the benchmark of the ledger has not measured it"))
            continue
        many, one, bar = (float(part) for part in rates.groups())
        rows.append(row(f"ledger/{label}/transfers", 1e9 / many, "one commit each", 1e9 / one, bar, at_least=True))
        if "core:raw/sign" in medians:
            issued = 1e9 / float(visas[1])
            rows.append(row(f"ledger/{label}/visas", issued, "core:raw/sign", medians["core:raw/sign"], VISAS_BAR, at_least=True))
        small, big = (float(part) * 1000 for part in flat.groups())
        rows.append(row(f"ledger/{label}/flat", big, "at 10 k rows", small, FLAT_BAR))
    return rows


def size(target: Path) -> list[Row]:
    """The stripped shared library that only verifies."""
    library = target / "release" / "libimagxp_verifier.so"
    if not library.exists() or not shutil.which("strip"):
        return [skipped("size/verifier", "no release of libimagxp_verifier.so, or no strip")]
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, library], check=True)
        return [row("size/verifier", Path(copy.name).stat().st_size, "1 MB", SIZE_BAR, 1, unit="B")]
