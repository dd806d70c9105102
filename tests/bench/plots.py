"""Draws docs/performance/*.svg, and writes the figures into docs/performance.md, from target/bench/report.json.

Usage: plots.py [REPORT]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import report, svg  # noqa: E402 (its folder is on no path before)

ROOT = HERE.parents[1]
DOCS = ROOT / "docs"
BEGIN, END = "<!-- figures: tests/bench/plots.py -->", "<!-- end of figures -->"

# Series, as readers should see them; ours first. The quickest form of each peer.
PEERS = {
    "core:verify/hot": "imagxp, verdict, key seen before",
    "core:verify/hot-1000": "imagxp, verdict, 1 000 agents",
    "core:verify/batch-64": "imagxp, verdict, batches of 64",
    "c:verify": "imagxp in C",
    "python:verify": "imagxp in Python",
    "node:verify": "imagxp in Node",
    "core:verify/cold": "imagxp, verdict, first request (p256)",
    "core-aws-lc:verify/cold": "imagxp, verdict, first request (aws-lc)",
    "peers:raw/aws-lc-rs/verify": "aws-lc-rs, signature only",
    "peers:raw/ring/verify": "ring, signature only",
    "peers:raw/openssl/verify": "OpenSSL, signature only",
    "peers:raw/p256/verify": "p256, signature only",
    "peers:web-bot-auth/verify": "web-bot-auth in Rust (Ed25519)",
    "peers:jsonwebtoken/verify": "jsonwebtoken (aws-lc)",
    "python-peers:cryptography": "Python, by hand with cryptography",
    "python-peers:pyjwt": "Python, PyJWT",
    "python-peers:http-message-signatures": "Python, http-message-signatures",
    "node-peers:fast-jwt": "Node, fast-jwt",
    "node-peers:jose": "Node, jose",
    "node-peers:web-bot-auth": "Node, web-bot-auth (Ed25519)",
    "node-peers:http-message-sig": "Node, http-message-sig",
}


TITLES = {
    "peers": "One verification, by library",
    "agents": "One verdict, by the number of known agents",
    "memory": "Memory of tables, by the number of keys seen again",
    "refusals": "A refusal, by the size of the claim",
    "threads": "Verdicts, by threads",
}


def plots(said: dict[str, Any]) -> dict[str, str]:
    """The files that can be drawn from this report."""
    series, simulations = said["series_ns"], said["simulations"]
    drawn = {}
    rows = [(label, series[name] / 1000, "imagxp" in label) for name, label in PEERS.items() if name in series]
    if rows:
        drawn["peers"] = svg.bars("One verification, by library", rows, "µs")
    if "agents" in simulations:
        points = [(row["agents"], row["ns_each"] / 1000) for row in simulations["agents"]["rows"]]
        title = "One verdict by the number of known agents (Zipf, 1 % seen before)"
        drawn["agents"] = svg.lines(title, "agents", "µs", [svg.Line("imagxp", points)])
    if "memory" in simulations:
        points = [(row["keys"], row["bytes"] / 2**20) for row in simulations["memory"]["rows"]]
        drawn["memory"] = svg.lines(
            "Memory of tables by the number of keys seen again", "keys", "MiB", [svg.Line("tables", points)]
        )
    kinds: dict[str, list[tuple[float, float]]] = {}
    for name, value in series.items():
        if name.startswith("core:refuse/size/"):
            kind, size = name.split("/")[2:]
            kinds.setdefault(kind, []).append((float(size), value / 1000))
    if kinds:
        filled = [svg.Line(kind, sorted(points)) for kind, points in kinds.items()]
        drawn["refusals"] = svg.lines("A refusal before the signature, by the size of the claim", "bytes", "µs", filled, limit=20)
    points = sorted((float(name.split("/")[1]), 1e6 / value) for name, value in series.items() if name.startswith("core:scale/"))
    if points:
        drawn["threads"] = svg.lines(
            "Verdicts of one publisher by threads", "threads", "thousands per second", [svg.Line("imagxp", points)]
        )
    return drawn


def figures(said: dict[str, Any]) -> str:
    """The table, and where it was measured."""
    machine = said["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f}"
    told = "\n".join(simulated(said["simulations"]))
    pictures = "\n\n".join(
        f"![{title}](performance/{name}.svg)" for name, title in TITLES.items() if (DOCS / "performance" / f"{name}.svg").exists()
    )
    return f"{BEGIN}\n\n{pictures}\n\nMeasured on: {where}.\n\n```text\n{report.table(said['rows'])}\n```\n\n{told}\n\n{END}"


def simulated(simulations: dict[str, Any]) -> list[str]:
    """A line for each simulation that ran."""
    told = []
    if zipf := simulations.get("zipf"):
        told.append(
            f"- Zipf: {zipf['requests']:,} requests of {zipf['agents']:,} agents: {zipf['ns_each'] / 1000:.1f} µs a verdict; "
            f"{zipf['hits']:.1%} of them met a table; {zipf['tables']:,} tables take {mebibytes(zipf['table_bytes'])}."
        )
    if attack := simulations.get("attack"):
        for kind, names in (("unknown", "agents that nobody knows"), ("forged", "known agents")):
            found = attack[kind]
            told.append(
                f"- Attack in the names of {names}: {attack['requests']:,} forgeries, `{found['code']}`: {found['ns_each'] / 1000:.1f} µs "
                f"each; memory grew by {mebibytes(found['grown_bytes'])}, and there are {attack['tables']} tables."
            )
    return told


def mebibytes(number: int | None) -> str:
    """For people."""
    return "an unknown amount" if number is None else f"{number / 2**20:.1f} MiB"


def main() -> None:
    """Writes what is new."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    said = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else target / "bench" / "report.json").read_text())
    folder = DOCS / "performance"
    folder.mkdir(exist_ok=True)
    for name, text in plots(said).items():
        (folder / f"{name}.svg").write_text(text)
    page = DOCS / "performance.md"
    text = page.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(before + figures(said) + after)


if __name__ == "__main__":
    main()
