"""Provenance receipts for ASGI answers: the body is hashed while it passes, and the receipt goes out with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .receipt import ReceiptDraft

__all__ = ["ReceiptSender"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class ReceiptSender:
    """A `send` that adds a receipt to a successful answer, when that may wait for it ([`ReceiptDraft`]).

    Whatever else the application streams goes out at once, with the receipt as a trailer where the server supports trailers, otherwise
    without one.
    """

    def __init__(self, send: Send, draft: ReceiptDraft, *, trailers: bool) -> None:
        self._send = send
        self._draft = draft
        self._trailers = trailers
        self._start: Message | None = None
        self._headers: list[tuple[str, str]] = []
        self._waiting: list[Message] = []
        self._streaming = False
        self._done = False

    async def __call__(self, message: Message) -> None:
        """Takes one message of the application."""
        kind = message["type"]
        if kind == "http.response.start" and self._start is None and self._takes(message):
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self._done:
            await self._body(message)
        else:
            # Push promises, paths of files to send, trailers of the application's own: whatever waits must not be overtaken.
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
            self._done = True
            if self._trailers:
                await self._send({"type": "http.response.trailers", "headers": await self._receipt(), "more_trailers": False})

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
