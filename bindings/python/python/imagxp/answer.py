"""What a gate answers instead of the application."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from . import codes

__all__ = ["Answer"]

_LOG = logging.getLogger("imagxp")


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer instead of the application."""

    status: int
    headers: list[tuple[str, str]]
    """All of them, `content-length` included."""
    body: bytes
    """What to send: nothing for HEAD."""

    @classmethod
    def of(cls, method: str, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """JSON, without the body for HEAD."""
        own = [("content-type", "application/json"), ("content-length", str(len(body)))]
        return cls(status, [*own, *headers], b"" if method == "HEAD" else body)

    @classmethod
    def error(cls, method: str, code: str, headers: Sequence[tuple[str, str]] = ()) -> Answer:
        """A refusal for which there is no verdict."""
        row = codes.by_name(code)
        error = {"code": row.name, "hint": row.hint, "message": row.message, "retry": row.retry}
        body = json.dumps({"error": error}, separators=(",", ":")).encode("ascii")
        return cls.of(method, row.http, [("cache-control", "no-store"), *headers], body)

    @classmethod
    def fault(cls, method: str) -> Answer:
        """What becomes of an exception that is being handled: it is logged, and it must not become a way in."""
        _LOG.exception("verification failed")
        return cls.error(method, "internal.invariant")

    @property
    def status_line(self) -> str:
        """Status and phrase, as WSGI wants them."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"
