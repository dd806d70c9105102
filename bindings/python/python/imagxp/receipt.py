"""Provenance receipts while an answer is on its way: the body is hashed as it passes (PROTOCOL §10)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from ._imagxp import Identity, Receipt, Verdict

__all__ = ["ReceiptDraft", "served_url"]

_LOG = logging.getLogger("imagxp")


def served_url(identity: Identity, origins: Sequence[str], host: str, target: str, verdict: Verdict) -> str | None:
    """The absolute URL of what is served, if it is on the host whose manifest has our key; `None` when nobody can tell which it is.

    Path and query are those that came: what the agent has signed need not be what it asked for (`resource_match: off`). Among our own
    origins, and only among them, `Host` may choose, or else the agent, where something before us has changed `Host`.
    """
    named = next((origin for origin in origins if host.lower() in _authorities(origin)), None)
    resource = verdict.resource or ""
    signed = next((origin for origin in origins if resource.startswith(f"{origin}/")), None)
    origin = named or signed
    if origin is None or (signed is not None and signed != origin) or not target.startswith("/"):
        return None
    parts = urlsplit(origin)
    return origin + target if identity.agent_id in (parts.hostname, parts.netloc) else None


def _authorities(origin: str) -> tuple[str, str]:
    """How `Host` may name an origin: as it is written, and with the port that its scheme has anyway."""
    scheme, _, authority = origin.partition("://")
    return authority, f"{authority}:{443 if scheme == 'https' else 80}"


class ReceiptDraft:
    """The receipt of one answer.

    A receipt is a header over the whole body, so the head of the answer waits until the body is complete: when that has one piece, or a
    `Content-Length` of at most `max_body`. Whatever else is streamed goes out at once.
    """

    def __init__(
        self,
        identity: Identity,
        verdict: Verdict,
        *,
        url: str,
        origin: Literal["HUMAN", "SYNTHETIC", "HYBRID"],
        max_body: int,
    ) -> None:
        self._identity = identity
        self._verdict = verdict
        self._url = url
        self._origin = origin
        self._max_body = max_body
        self._hash = hashlib.sha256()
        self._size = 0

    def anew(self) -> ReceiptDraft:
        """The draft of another answer to the same request, in place of this one."""
        return ReceiptDraft(self._identity, self._verdict, url=self._url, origin=self._origin, max_body=self._max_body)

    def belongs_to(self, status: int, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether this is a successful answer with a body of its own, and without a receipt."""
        # A part (206) must not be taken for the whole.
        if not 200 <= status < 300 or status in (204, 206):
            return False
        return all(name.lower() != "x-imagxp-provenance" for name, _ in headers)

    def may_wait(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether the rest of the body may be waited for: its length is known and small. A stream without a length may never end."""
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        known = len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdigit()
        return known and int(lengths[0]) <= self._max_body and self._size <= self._max_body

    def update(self, chunk: bytes) -> None:
        """Takes the next piece of the body."""
        self._hash.update(chunk)
        self._size += len(chunk)

    @property
    def waits(self) -> bool:
        """Whether signing asks somebody else, who may take time."""
        return self._identity.is_external

    def headers(self) -> list[tuple[str, str]]:
        """The two headers for the body so far; none when signing fails, for the content is not to blame."""
        try:
            receipt = Receipt(
                self._url,
                self._hash.digest(),
                origin=self._origin,
                trace_id=self._verdict.trace_id,
                agent_id=self._verdict.agent_id,
            )
            return receipt.sign(self._identity)
        except Exception:
            _LOG.exception("an answer goes out without its receipt")
            return []
