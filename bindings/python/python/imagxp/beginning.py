"""The beginning of a body: enough to see an offer or a token, whether or not its length was told, and not more."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Final

__all__ = ["MAX_OFFER_BYTES", "abegin", "begin"]

MAX_OFFER_BYTES: Final = 64 * 1024


def begin(pieces: Iterable[bytes]) -> bytes:
    """All of a body, or more than [`MAX_OFFER_BYTES`] of it; an iterator goes on with the rest."""
    begun = bytearray()
    for piece in pieces:
        begun += piece
        if len(begun) > MAX_OFFER_BYTES:
            break
    return bytes(begun)


async def abegin(pieces: AsyncIterable[bytes]) -> bytes:
    """[`begin`] of a body that is waited for."""
    begun = bytearray()
    async for piece in pieces:
        begun += piece
        if len(begun) > MAX_OFFER_BYTES:
            break
    return bytes(begun)
