"""What the applications behind the adapters answer: the same, whatever the framework."""

from __future__ import annotations

import json
from collections.abc import Iterable

from imagxp import Verdict

PIECES = [b"one, ", b"two, ", b"three"]


def stream_head(length: str) -> tuple[int, dict[str, str]]:
    """Status and headers of `/stream/known`, `/stream/part` and others, whose length nobody knows."""
    known = {"content-length": str(sum(map(len, PIECES)))} if length in ("known", "part") else {}
    return 206 if length == "part" else 200, known


def facts(path: str, verdict: Verdict, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """What the application sees, as JSON."""
    lines = [[name.lower(), value] for name, value in headers]
    document = {"path": path, "verdict": verdict.to_dict(), "headers": lines, "body": body.decode("latin-1")}
    return json.dumps(document).encode()
