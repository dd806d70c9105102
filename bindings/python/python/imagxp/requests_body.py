"""An answer of requests of which the beginning is read, and which whoever gets it reads from the start."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import requests
from urllib3 import HTTPResponse

from .beginning import begin

__all__ = ["beginning"]

_PIECE: Final = 4096
# Of a body that is decoded already.
_GONE: Final = ("content-encoding", "content-length", "transfer-encoding")


def beginning(response: requests.Response) -> bytes:
    """All of the body, decoded, or more than `MAX_OFFER_BYTES`."""
    raw: HTTPResponse = response.raw
    # Reads in the answer's place, which remains unread, and fails as it would.
    same = requests.Response()
    same.raw = raw
    pieces = same.iter_content(_PIECE)
    begun = begin(pieces)
    headers = raw.headers.copy()
    for name in _GONE:
        headers.discard(name)
    response.raw = HTTPResponse(
        body=_Begun(begun, pieces, raw),
        headers=headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        # From there the session takes cookies.
        original_response=raw._original_response,
        request_url=raw.geturl(),
    )
    return begun


class _Begun(io.RawIOBase):
    """A body whose beginning was read, from its start."""

    def __init__(self, head: bytes, rest: Iterator[bytes], raw: HTTPResponse) -> None:
        self._at_hand = head
        self._rest = rest
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._at_hand = self._at_hand or next(self._rest, b"")
        piece, self._at_hand = self._at_hand[: len(buffer)], self._at_hand[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._raw.close()
        # Closed or not, the pool counts it.
        self._raw.release_conn()
        super().close()
