"""The worker for the Python package: what an ASGI adapter does for a request, and the core alone in the same process."""

from __future__ import annotations

import time

from conversation import serve, timed
from imagxp import Identity, Policy, Publisher

ORIGIN = "https://pub.example"
PATH = "/2026/03/01/what-the-spring-tides-left-behind?page=2"
NOW = "2026-03-01T12:00:00.000Z"
NOW_MS = 1_772_366_400_000
WARM = 64
# As uvicorn has them, beside the three of the agent: names in lower case, bytes.
USUAL = [
    (b"host", b"pub.example"),
    (b"user-agent", b"bot/1.0 (+https://bot.example.com) IMAGXP/1.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"accept-language", b"en"),
    (b"connection", b"keep-alive"),
    (b"x-forwarded-for", b"192.0.2.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"4bf92f3577b34da6a3ce929d0e0e4736"),
]
Lines = list[tuple[bytes, bytes]]


class Site:
    """A publisher that knows one agent well."""

    def __init__(self, algorithm: str) -> None:
        self.publisher = Publisher(Policy.from_dict({"version": 1, "origins": [ORIGIN], "purposes": {"RAG_RETRIEVAL": {}}}))
        self.agent = Identity.generate("bot.example.com", algorithm)
        self.publisher.supply("https://bot.example.com/.well-known/imagxp-agent.json", self.agent.manifest().to_json(), now=NOW)
        self.used = self.requests(WARM)
        timed(self.verify, self.used)

    def requests(self, count: int) -> list[Lines]:
        """Requests with fresh nonces."""
        signed = self.agent.sign_batch([("GET", ORIGIN + PATH, "RAG_RETRIEVAL")] * count, now=NOW)
        return [[*USUAL, *((name.encode(), value.encode()) for name, value in headers)] for headers in signed]

    def verify(self, headers: Lines) -> None:
        """What an adapter does, and reads."""
        verification = self.publisher.verify("GET", PATH, headers, now=NOW_MS)
        verdict = verification.verdict
        if verification.pending is not None or not (
            verdict.is_allowed and verdict.response_headers is not None and verdict.resource
        ):
            raise RuntimeError(f"refused: {verdict.code}")

    def refuse(self, headers: Lines) -> None:
        """The same with a nonce that has been seen."""
        if self.publisher.verify("GET", PATH, headers, now=NOW_MS).verdict.is_allowed:
            raise RuntimeError("allowed twice")

    def core(self, count: int) -> float:
        """The core alone: its wall-clock time, or, when that is less, the processor time of the call, which converts, too."""
        requests = self.requests(count)
        begin = time.process_time_ns()
        wall = self.publisher._core_nanoseconds("GET", PATH, requests, now=NOW_MS)
        return float(min(wall, time.process_time_ns() - begin))


def main() -> None:
    """ES256 is what the bars are about; Ed25519 has no tables."""
    es256, eddsa = Site("ES256"), Site("EdDSA")
    serve(
        {
            "verify": lambda count: timed(es256.verify, es256.requests(count)),
            "core": es256.core,
            "refused": lambda count: timed(es256.refuse, (es256.used * (count // WARM + 1))[:count]),
            "eddsa": lambda count: timed(eddsa.verify, eddsa.requests(count)),
            "eddsa-core": eddsa.core,
        }
    )


if __name__ == "__main__":
    main()
