"""Provenance receipts for ASGI answers: the body is hashed while it passes, and the receipt goes out with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .receipt import ReceiptDraft

__all__ = ["ReceiptSender"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# The server reads these bodies from a file.
_FILES = ("http.response.pathsend", "http.response.zerocopysend")


class ReceiptSender:
    """A `send` that adds a receipt to a successful answer, when that may wait for it ([`ReceiptDraft`]).

    Whatever else the application streams goes out at once, with the receipt as a trailer where the server supports trailers, otherwise
    without one. A body that the server reads from a file has no receipt.
    """

    def __init__(self, send: Send, draft: ReceiptDraft, *, trailers: bool) -> None:
        self._send = send
        self._draft = draft
        self._trailers = trailers
        self._start: Message | None = None
        self._headers: list[tuple[str, str]] = []
        self._waiting: list[Message] = []
        self._streaming = False
        self._unread = False
        self._done = False

    async def __call__(self, message: Message) -> None:
        """Takes one message of the application."""
        kind = message["type"]
        if kind == "http.response.start" and self._start is None and self._takes(message):
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self._done:
            await self._body(message)
        elif kind in _FILES and self._start is not None and not self._done:
            await self._file(message)
        else:
            # Push promises, trailers of the application's own: whatever waits must not be overtaken.
            await self._stream()
            await self._send(message)

    def _takes(self, start: Message) -> bool:
        self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", [])]
        return not start.get("trailers") and self._draft.belongs_to(start["status"], self._headers)

    async def _body(self, message: Message) -> None:
        more: bool = message.get("more_body", False)
        self._draft.update(message.get("body", b""))
        if not self._streaming:
            self._waiting.append(message)
            if not more:
                await self._finish()
            elif not self._draft.may_wait(self._headers):
                await self._stream()
            return
        await self._send(message)
        if not more:
            await self._end()

    async def _file(self, message: Message) -> None:
        """Nobody hashes what the server reads from a file: no trailers are promised, and ones that were promised are empty."""
        self._unread = True
        if not self._streaming:
            self._trailers = False
            await self._stream()
        await self._send(message)
        if not message.get("more_body", False):
            await self._end()

    async def _end(self) -> None:
        """The body that passed through is over."""
        self._done = True
        if self._trailers:
            headers = [] if self._unread else await self._receipt()
            await self._send({"type": "http.response.trailers", "headers": headers, "more_trailers": False})

    async def _finish(self) -> None:
        """The whole body is here: the receipt becomes a header."""
        assert self._start is not None  # noqa: S101 (set before any body is taken)
        self._done = True
        headers = [*self._start.get("headers", []), *await self._receipt()]
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

    async def _receipt(self) -> list[tuple[bytes, bytes]]:
        headers = await asyncio.to_thread(self._draft.headers) if self._draft.waits else self._draft.headers()
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
