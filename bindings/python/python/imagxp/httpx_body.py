"""Answers of httpx of which a beginning is read, and which whoever gets them reads from the start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

import httpx

from .beginning import MAX_OFFER_BYTES, abegin, begin

__all__ = ["abeginning", "beginning"]

# Decoders have no bound of their own: little in, not too much out.
_PIECE: Final = 1024


def beginning(response: httpx.Response) -> bytes:
    """All of the body, decoded, or more than `MAX_OFFER_BYTES`."""
    if response.is_stream_consumed:
        # A hook has read it.
        return response.read()
    begun = _Begun(response)
    pieces = begun.same.iter_raw(_PIECE)
    return begun.decoded(begin(pieces), pieces)


async def abeginning(response: httpx.Response) -> bytes:
    """[`beginning`] with `httpx.AsyncClient`."""
    if response.is_stream_consumed:
        return await response.aread()
    begun = _Begun(response)
    pieces = begun.same.aiter_raw(_PIECE)
    return begun.decoded(await abegin(pieces), pieces)


class _Begun(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose beginning was read, from its start."""

    def __init__(self, response: httpx.Response) -> None:
        # Reads in the answer's place, which remains unread.
        self.same = httpx.Response(
            response.status_code, headers=response.headers, stream=response.stream, request=response.request
        )
        self._response = response

    def decoded(self, head: bytes, rest: Iterator[bytes] | AsyncIterator[bytes]) -> bytes:
        """What the beginning says; the answer begins with it again."""
        self._head = head
        self._rest = rest
        self._response.stream = self
        if len(head) > MAX_OFFER_BYTES:
            return head
        pieces = (head[at : at + _PIECE] for at in range(0, len(head), _PIECE))
        same = self.same
        return begin(httpx.Response(same.status_code, headers=same.headers, content=pieces, request=same.request).iter_bytes())

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._rest, Iterator)  # noqa: S101 (for the type checker)
        yield self._head
        yield from self._rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._rest, AsyncIterator)  # noqa: S101 (for the type checker)
        yield self._head
        async for piece in self._rest:
            yield piece

    def close(self) -> None:
        self.same.close()

    async def aclose(self) -> None:
        await self.same.aclose()
