"""Verifies many requests and tells how the process has grown since the first third, in bytes: memory.py CALLS [--leak]

A fifth are fresh requests, which pass; the others are replayed, denied, malformed and unsigned ones. The clock advances, so that the
replay store forgets. With `--leak` every verdict is kept: who measures must see that.
"""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

from imagxp import Identity, Policy, Publisher

ORIGIN = "https://pub.example"
BATCH = 1000
STEP_MS = 60_000


def resident() -> int:
    """Bytes in memory now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(calls: int, leak: bool) -> int:
    """The growth."""
    policy = {
        "version": 1,
        "origins": [ORIGIN],
        "unsigned": "deny",
        "purposes": {"SUMMARY": {}, "CRAWL_TRAINING": {"allow": False}},
    }
    publisher = Publisher(Policy.from_dict(policy))
    agents = [Identity.generate(f"bot{number}.example.com", "EdDSA") for number in range(8)]
    now = 1_772_366_400_000
    kept: list[object] = []
    begin = passed = 0
    batches = calls // BATCH
    for number in range(batches):
        now += STEP_MS
        agent = agents[number % len(agents)]
        publisher.supply(f"https://{agent.agent_id}/.well-known/imagxp-agent.json", agent.manifest().to_json(), now=now)
        fresh = agent.sign_batch([("GET", f"{ORIGIN}/{index}", "SUMMARY") for index in range(BATCH // 5)], now=now)
        denied = agent.sign("GET", ORIGIN + "/0", "CRAWL_TRAINING", now=now)
        others = [fresh[0], denied, [("x-imagxp-payload", "!")], [("user-agent", "curl/8")]]
        for index in range(BATCH):
            headers = fresh[index // 5] if index % 5 == 0 else others[index % 5 - 1]
            pairs = [(name.encode(), value.encode()) for name, value in headers]
            path = f"/{index // 5}" if index % 5 == 0 else "/0"
            verification = publisher.verify("GET", path, pairs, now=now)
            verdict = verification.verdict
            passed += verdict.is_allowed
            verdict.response_headers, verdict.warnings, verdict.payment, verdict.to_dict() if index % 50 == 0 else None
            if leak:
                kept.append(verification)
        if number == batches // 3:
            begin = resident()
    grown = resident() - begin
    if passed != batches * (BATCH // 5):
        raise SystemExit(f"{passed} have passed")
    return grown


if __name__ == "__main__":
    print(main(int(sys.argv[1]), "--leak" in sys.argv))
