"""ASGI middleware: one verdict per request, for any ASGI 3 application.

    app = ImagxpMiddleware(app, policy=Policy.from_file("policy.toml"))

The verdict is in `scope["imagxp"]`. A refused request is answered here and never reaches the application. What verdicts need is fetched
in threads, so that the event loop goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final, Unpack

from ._imagxp import Policy, Publisher, Verdict
from .asgi_receipt import ReceiptSender
from .asgi_scope import Scope, incoming
from .gate import (
    WELL_KNOWN_PATH,
    Admission,
    Answer,
    ClientGone,
    Gate,
    GateOptions,
    Incoming,
    OnFeedback,
    Redeem,
    Redemption,
    is_verdict_header,
)
from .gate_async import AsyncGate
from .manifest import ManifestApp

__all__ = ["WELL_KNOWN_PATH", "ImagxpMiddleware", "ManifestApp", "OnFeedback", "Redeem", "Redemption"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_PAYLOAD: Final = b"x-imagxp-payload"


class ImagxpMiddleware:
    """Verifies every request before the application sees it; put it outermost.

    Everything beside the application is said in [`imagxp.gate.Gate`]. Websockets are verified like a GET of their path. With an `audit`
    log or other Python code that may wait, requests are verified in a worker thread and the event loop goes on.

    `everywhere=False` verifies a request only when the application asks: `await scope["imagxp.ask"]()` gives an `Admission`, or the
    `Answer` to send instead; `["imagxp.ask"](["SUMMARY"])` refuses every other purpose, before a visa is spent. Websockets, which have
    no answer to send, then pass without a verdict.
    """

    def __init__(
        self, app: App, policy: Policy | None = None, *, everywhere: bool = True, **options: Unpack[GateOptions]
    ) -> None:
        self._app = app
        self._gate = AsyncGate(Gate(policy, **options))
        self._everywhere = everywhere

    @property
    def publisher(self) -> Publisher:
        """The publisher that decides."""
        return self._gate.gate.publisher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            # An unknown kind of connection would pass without a verdict.
            raise ValueError(f"unknown ASGI scope type {scope['type']!r}")

    async def aclose(self) -> None:
        """Ends fetches that run; called when the server's lifespan ends."""
        await self._gate.aclose()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self.aclose()
            await send(message)

        await self._app(scope, receive, closing)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: _Exchange | None = None
        answer: Answer | Admission | None
        try:
            request = incoming(scope, scope["method"])
            answer = await self._gate.announce(request)
            if answer is None:
                exchange = _Exchange(self._gate, request, scope, receive, send)
                answer = await exchange.ask() if self._everywhere else None
        except ClientGone:
            return
        except Exception:
            answer = Answer.fault(scope["method"])
        if isinstance(answer, Answer):
            await _answer(send, answer)
        elif exchange is not None:
            await self._app(exchange.scope, exchange.receive, exchange.send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._everywhere:
            await self._app(_passed_on(scope), receive, send)
            return
        verdict: Verdict | Answer
        try:
            verdict = await self._gate.judge(incoming(scope, "GET"))
        except Exception:
            verdict = Answer.fault("GET")
        if isinstance(verdict, Verdict) and verdict.is_allowed:
            await self._app({**_passed_on(scope), "imagxp": verdict}, receive, send)
            return
        await receive()  # websocket.connect
        if "websocket.http.response" in (scope.get("extensions") or {}):
            if isinstance(verdict, Verdict):
                verdict = Answer.of("GET", verdict.http, verdict.response_headers, verdict.body())
            await _answer(send, verdict, prefix="websocket.http.response")
        else:
            await send({"type": "websocket.close", "code": 1008 if isinstance(verdict, Verdict) else 1011})


class _Exchange:
    """One request and its answer."""

    def __init__(self, gate: AsyncGate, request: Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate = gate
        self._request = request
        self._send = send
        self._sender: Send = send
        self._body = _Body(receive, gate.gate.max_body if request.values(_PAYLOAD) else 0)
        self._outcome: Answer | Admission | None = None
        self.scope = {**_passed_on(scope), "imagxp.ask": self.ask, "imagxp.gate": gate.gate}
        self.receive = self._body.receive

    async def ask(self, purposes: Sequence[str] = ()) -> Answer | Admission:
        """Whether the request may go on, for one of these purposes; asked again, it says the same."""
        if self._outcome is None:
            outcome = await self._gate.admit(self._request, self._body.read, purposes)
            self._outcome = outcome
            if isinstance(outcome, Admission):
                self.scope["imagxp"] = outcome.verdict
                self._sender = self._adding(outcome)
        return self._outcome

    async def send(self, message: Message) -> None:
        """The application's `send`: the admission's headers are added, and a receipt."""
        await self._sender(message)

    def _adding(self, admission: Admission) -> Send:
        send = self._send
        added = _encoded(admission.headers)

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        if admission.receipt is None:
            return adding if added else send
        trailers = "http.response.trailers" in (self.scope.get("extensions") or {})
        return ReceiptSender(adding, admission.receipt, trailers=trailers)


class _Body:
    """The request's body, for the application and, when its digest is signed, for the gate before or after it."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._undelivered: deque[Message] = deque()
        self._chunks: list[bytes] | None = []
        self._size = 0
        self._complete = False

    async def receive(self) -> Message:
        """The application's `receive`."""
        return self._undelivered.popleft() if self._undelivered else await self._next()

    async def read(self, _limit: int) -> bytes | None:
        """The whole body, which the application can still receive as far as it has not; `None` when it is too large."""
        while not self._complete and self._chunks is not None:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self._undelivered.append(message)
        return None if self._chunks is None else b"".join(self._chunks)

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            chunk: bytes = message.get("body", b"")
            self._size += len(chunk)
            self._complete = not message.get("more_body", False)
            if self._size > self._limit:
                self._chunks = None
            elif self._chunks is not None:
                self._chunks.append(chunk)
        return message


def _passed_on(scope: Scope) -> Scope:
    """The scope for the application, in which only we speak of verdicts."""
    headers = [(name, value) for name, value in scope["headers"] if not is_verdict_header(name)]
    return {**scope, "headers": headers}


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]


async def _answer(send: Send, answer: Answer, *, prefix: str = "http.response") -> None:
    await send({"type": f"{prefix}.start", "status": answer.status, "headers": _encoded(answer.headers)})
    await send({"type": f"{prefix}.body", "body": answer.body})
