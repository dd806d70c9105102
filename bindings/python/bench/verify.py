"""What a verdict costs in Python, and what of that is the core: python bench/verify.py [ROUNDS]

Headers are those of an ASGI server, a dozen byte pairs; after each call what an adapter reads is read. Core and Python take turns, in the
same process, with the same requests but for their nonces; the medians of the rounds are printed. Build with `--release`.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from imagxp import Identity, Policy, Publisher

ORIGIN = "https://pub.example"
PATH = "/2026/03/01/an-article?page=2"
NOW = "2026-03-01T12:00:00.000Z"
NOW_MS = 1_772_366_400_000
BATCH = 500
GOAL_US = 3.0

Lines = list[tuple[bytes, bytes]]


def lines(signed: list[tuple[str, str]]) -> Lines:
    """The headers as uvicorn has them: names in lower case."""
    usual = [
        ("host", "pub.example"),
        ("user-agent", "bot/1.0 (+https://bot.example.com) IMAGXP/1.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en"),
        ("connection", "keep-alive"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ]
    return [(name.lower().encode(), value.encode()) for name, value in [*usual, *signed]]


def verify(publisher: Publisher, headers: Lines) -> Any:
    """What an adapter does."""
    verification = publisher.verify("GET", PATH, headers, now=NOW_MS)
    verdict = verification.verdict
    assert verification.pending is None
    assert verdict.code != "claim.digest_mismatch"
    return verdict.is_allowed, verdict.response_headers, verdict.resource


def python_nanoseconds(publisher: Publisher, requests: list[Lines]) -> int:
    """The same through the public API."""
    begin = time.perf_counter_ns()
    for headers in requests:
        verify(publisher, headers)
    return time.perf_counter_ns() - begin


def measure(name: str, publisher: Publisher, fresh: Any, rounds: int) -> float:
    """Prints one line, and gives the difference in µs."""
    core, python, differences = [], [], []
    for _ in range(rounds):
        one = publisher._core_nanoseconds("GET", PATH, fresh(), now=NOW_MS) / BATCH / 1000
        other = python_nanoseconds(publisher, fresh()) / BATCH / 1000
        core.append(one)
        python.append(other)
        differences.append(other - one)
    difference = statistics.median(differences)
    print(f"{name:<38} core {statistics.median(core):7.2f}   python {statistics.median(python):7.2f}   + {difference:5.2f} µs")
    return difference


def main() -> int:
    """Reports; it fails nobody, because machines differ."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    policy = Policy.from_dict({"version": 1, "origins": [ORIGIN], "purposes": {"RAG_RETRIEVAL": {}}})
    print(f"µs per verdict, 12 header lines, medians of {rounds} rounds of {BATCH}")
    worst = 0.0
    for algorithm in ("ES256", "EdDSA"):
        publisher = Publisher(policy)
        identity = Identity.generate("bot.example.com", algorithm)  # type: ignore[arg-type]
        publisher.supply("https://bot.example.com/.well-known/imagxp-agent.json", identity.manifest().to_json(), now=NOW)

        def fresh(identity: Identity = identity) -> list[Lines]:
            signed = identity.sign_many([("GET", ORIGIN + PATH)] * BATCH, "RAG_RETRIEVAL", now=NOW)
            return [lines(headers) for headers in signed]

        used = fresh()
        python_nanoseconds(publisher, used)
        worst = max(worst, measure(f"allowed, {algorithm}", publisher, fresh, rounds))
        worst = max(worst, measure(f"refused before the signature, {algorithm}", publisher, lambda used=used: used, rounds))
    publisher = Publisher(policy)
    worst = max(worst, measure("unsigned browser", publisher, lambda: [lines([])] * BATCH, rounds))
    print(f"at most {worst:.2f} µs more than the core; the goal is {GOAL_US} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
