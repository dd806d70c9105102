"""Provenance receipts for ASGI answers: the body is hashed while it passes, and the receipt goes out with it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from ._imagxp import Identity, Receipt, Verdict

__all__ = ["ReceiptSender"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class ReceiptSender:
    """A `send` that adds a receipt to a successful answer.

    A receipt is a header over the whole body, so the head of the answer waits until the body is complete: when that has one piece, or a
    `Content-Length` of at most `max_body`. Whatever else the application streams goes out at once, with the receipt as a trailer where the
    server supports trailers, otherwise without one.
    """

    def __init__(
        self,
        send: Send,
        identity: Identity,
        verdict: Verdict,
        *,
        url: str,
        origin: Literal["HUMAN", "SYNTHETIC", "HYBRID"],
        max_body: int,
        trailers: bool,
    ) -> None:
        self._send = send
        self._identity = identity
        self._verdict = verdict
        self._url = url
        self._origin = origin
        self._max_body = max_body
        self._trailers = trailers
        self._hash = hashlib.sha256()
        self._start: Message | None = None
        self._waiting: list[Message] = []
        self._size = 0
        self._streaming = False
        self._done = False

    async def __call__(self, message: Message) -> None:
        """Takes one message of the application."""
        kind = message["type"]
        if kind == "http.response.start" and self._start is None and _gets_receipt(message):
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self._done:
            await self._body(message)
        else:
            # Push promises, paths of files to send, trailers of the application's own: whatever waits must not be overtaken.
            await self._stream()
            await self._send(message)

    async def _body(self, message: Message) -> None:
        chunk: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        self._hash.update(chunk)
        self._size += len(chunk)
        if not self._streaming:
            self._waiting.append(message)
            if not more:
                await self._finish()
            elif self._size > self._max_body or not self._may_wait():
                await self._stream()
            return
        await self._send(message)
        if not more:
            self._done = True
            if self._trailers:
                await self._send({"type": "http.response.trailers", "headers": self._receipt(), "more_trailers": False})

    def _may_wait(self) -> bool:
        """Whether the body's length is known and small; a stream without a length may never end."""
        assert self._start is not None  # noqa: S101 (set before any body is taken)
        lengths = [value for name, value in self._start.get("headers", []) if name.lower() == b"content-length"]
        return len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= self._max_body

    async def _finish(self) -> None:
        """The whole body is here: the receipt becomes a header."""
        assert self._start is not None  # noqa: S101 (set before any body is taken)
        self._done = True
        headers = [*self._start.get("headers", []), *self._receipt()]
        await self._send({**self._start, "headers": headers})
        await self._flush()

    async def _stream(self) -> None:
        """The body is longer than may wait: from here on it passes through."""
        if self._start is None or self._streaming or self._done:
            return
        self._streaming = True
        start = self._start
        if self._trailers:
            start = {**start, "trailers": True}
        await self._send(start)
        await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            await self._send(message)

    def _receipt(self) -> list[tuple[bytes, bytes]]:
        receipt = Receipt(
            self._url,
            self._hash.digest(),
            origin=self._origin,
            trace_id=self._verdict.trace_id,
            agent_id=self._verdict.agent_id,
        )
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in receipt.sign(self._identity)]


def _gets_receipt(start: Message) -> bool:
    """Successful answers with a body of their own; not those that speak of trailers, or have a receipt already."""
    names = {name.lower() for name, _ in start.get("headers", [])}
    return (
        200 <= start["status"] < 300
        and start["status"] != 204
        and not start.get("trailers")
        and b"x-imagxp-provenance" not in names
    )
