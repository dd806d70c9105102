"""ASGI middleware: one verdict per request, for any ASGI 3 application.

    app = ImagxpMiddleware(app, policy=Policy.from_file("policy.toml"))

The verdict is in `scope["imagxp"]`. A refused request is answered here and never reaches the application. What verdicts need is fetched
in threads, so that the event loop goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from . import codes
from ._imagxp import (
    AuditLog,
    Feedback,
    FeedbackVerification,
    Fetcher,
    Identity,
    Need,
    Policy,
    Publisher,
    Resolver,
    Verdict,
    Verification,
    content_digest,
)
from .asgi_receipt import ReceiptSender
from .asgi_scope import Scope, is_public, is_robots, target
from .errors import ImagxpError
from .manifest import ManifestApp

__all__ = ["WELL_KNOWN_PATH", "ImagxpMiddleware", "ManifestApp", "OnFeedback", "Redeem", "Redemption"]

WELL_KNOWN_PATH: Final = "/.well-known/imagxp-policy.json"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Redemption = Literal["accepted", "refused", "unavailable"]
Redeem = Callable[[Need, str], Awaitable[Redemption]]
"""Asks a broker about a visa: gets the need (its `url` is the broker's) and the visa."""
OnFeedback = Callable[[Feedback, Verdict], Awaitable[None]]
"""Takes feedback that holds, and the verdict on it, which names the agent."""

_LOG = logging.getLogger("imagxp")
_VERDICT_PREFIX: Final = b"x-imagxp-verdict-"
_FEEDBACK: Final = b"x-imagxp-feedback"
_FEEDBACK_STATUS: Final = b"x-imagxp-feedback-status"
_TOKEN_HEADERS: Final = (b"x-imagxp-payment", b"x-imagxp-credential")
# More than the fetcher's own 32: whoever comes after those is told at once that it is busy, and waits in no queue.
_THREADS: Final = 40
# Manifest, key set, redemption; a refresh may ask for one of the first two again.
_MAX_ROUNDS: Final = 6


class ImagxpMiddleware:
    """Verifies every request before the application sees it; put it outermost.

    Give a `policy` for a publisher of its own, or a `publisher` that is shared. `redeem` asks brokers about visas where the policy
    says `check: redeem`; without it such visas are answered with 503. `max_body` bounds what is buffered of a body whose digest the
    agent has signed. A policy with `allow_loopback` is refused on any other address. Websockets are verified like a GET of their path.
    Visitors without a signature get `/robots.txt` whatever the policy says, and the public policy; both are announcements.

    `identity` signs a provenance receipt for each successful answer, if the policy names the content's origin: its domain is the
    publisher's own, where its manifest lies. `max_receipt_body` bounds how much of an answer waits for its receipt. `on_feedback` takes
    what agents say in `x-imagxp-feedback`; the answer's `x-imagxp-feedback-status` is `accepted` or the code.

    `audit` records each decided verdict; since a log may wait for the disk, requests are then verified in a worker thread and the event
    loop goes on.
    """

    def __init__(
        self,
        app: App,
        policy: Policy | None = None,
        *,
        publisher: Publisher | None = None,
        resolver: Resolver | None = None,
        redeem: Redeem | None = None,
        max_body: int = 1024 * 1024,
        identity: Identity | None = None,
        max_receipt_body: int = 1024 * 1024,
        on_feedback: OnFeedback | None = None,
        audit: AuditLog | Callable[[bytes, bytes | None], object] | None = None,
    ) -> None:
        if publisher is not None and audit is not None:
            raise TypeError("give the audit log to the publisher")
        if (policy is None) == (publisher is None):
            raise TypeError("give either a policy or a publisher")
        self._app = app
        self._publisher = publisher if publisher is not None else Publisher(policy, audit=audit)  # type: ignore[arg-type]
        self._resolver = resolver or Resolver(Fetcher(allow_loopback=self._publisher.policy.allow_loopback))
        self._threads: ThreadPoolExecutor | None = None
        self._flights = _SingleFlight()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._redeem = redeem
        self._max_body = max_body
        self._public = self._publisher.policy.public_json()
        self._identity = identity
        self._origin = self._publisher.policy.content_origin
        self._max_receipt_body = max_receipt_body
        self._on_feedback = on_feedback
        if identity is not None and self._origin is None:
            raise TypeError("receipts say who made the content: give the policy a provenance.origin")

    @property
    def publisher(self) -> Publisher:
        """The publisher that decides."""
        return self._publisher

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
        await self._flights.cancel()
        if self._threads is not None:
            threads, self._threads = self._threads, None
            # What runs there ends by its own deadline.
            threads.shutdown(wait=False)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self.aclose()
            await send(message)

        await self._app(scope, receive, closing)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD") and scope["path"] == WELL_KNOWN_PATH:
            return await self._serve_policy(scope, send)
        try:
            verification = await self._call(scope["method"], scope, None)
            # The check of the digest comes before anything is spent, so the request can be verified again with it. It also comes
            # before the signature: a stranger can make us hold `max_body` bytes for as long as the server lets a body take.
            if verification.verdict.code == "claim.digest_mismatch":
                body, again = await self._read_body(receive)
                if again is None:
                    return None
                receive = again
                if body is not None:
                    verification = await self._call(scope["method"], scope, await self._digest(body))
            verdict = await self._complete(scope, verification)
            extra = await self._take_feedback(scope, verdict)
        except Exception:
            # Whatever it is, it must not become a way in.
            _LOG.exception("verification failed")
            await _answer(send, 500, [], _internal_body(), head=scope["method"] == "HEAD")
            return None
        headers = _encoded(verdict.response_headers) + extra
        if not verdict.is_allowed and is_robots(scope) and verdict.visitor in ("unsigned_browser", "unsigned_client"):
            # Rules that nobody may read bind nobody (RFC 9309 §2.3.1.3).
            headers = extra
        elif not verdict.is_allowed:
            await _answer(send, verdict.http, headers, verdict.body(), head=scope["method"] == "HEAD")
            return None
        adding = _adding(send, headers)
        await self._app(_passed_on(scope, verdict), receive, self._receipts(scope, verdict, adding))
        return None

    def _receipts(self, scope: Scope, verdict: Verdict, send: Send) -> Send:
        """Where a receipt belongs, a `send` that adds it."""
        url = self._url(scope, verdict)
        if self._identity is None or self._origin is None or url is None or scope["method"] == "HEAD":
            return send
        return ReceiptSender(
            send,
            self._identity,
            verdict,
            url=url,
            origin=self._origin,
            max_body=self._max_receipt_body,
            trailers="http.response.trailers" in (scope.get("extensions") or {}),
        )

    def _url(self, scope: Scope, verdict: Verdict) -> str | None:
        """The absolute URL that is served, if it is on the host whose manifest has our key."""
        url = verdict.resource
        if url is None or url.startswith("/"):
            # Unsigned: among our own origins, and only among them, `Host` may choose.
            host = next((value.decode("latin-1").lower() for name, value in scope["headers"] if name.lower() == b"host"), "")
            origins = [origin for origin in self._publisher.policy.origins if origin.partition("://")[2] == host]
            requested = target(scope)
            url = origins[0] + requested if origins and requested.startswith("/") else None
        if url is None or self._identity is None:
            return None
        parts = urlsplit(url)
        return url if self._identity.agent_id in (parts.hostname, parts.netloc) else None

    async def _take_feedback(self, scope: Scope, verdict: Verdict) -> list[tuple[bytes, bytes]]:
        """What came in `x-imagxp-feedback`. It never decides about the request that carries it."""
        values = [value for name, value in scope["headers"] if name.lower() == _FEEDBACK]
        if self._on_feedback is None or len(values) != 1:
            return []
        carrier = verdict if verdict.visitor == "verified_agent" else None
        taken = await self._judge_feedback(values[0], carrier)
        for need in taken.verdict.needs:
            await self._fetch(need)
            taken = await self._judge_feedback(values[0], carrier)
        status = taken.verdict.code or "accepted"
        if taken.feedback is not None:
            try:
                await self._on_feedback(taken.feedback, taken.verdict)
            except Exception:
                _LOG.exception("taking feedback failed")
                status = "internal.invariant"
        return [(_FEEDBACK_STATUS, status.encode("ascii"))]

    async def _judge_feedback(self, value: bytes, carrier: Verdict | None) -> FeedbackVerification:
        if self._publisher.calls_python:
            return await asyncio.to_thread(self._publisher.feedback, value, carrier=carrier)
        return self._publisher.feedback(value, carrier=carrier)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            verdict: Verdict | None = await self._complete(scope, await self._call("GET", scope, None))
        except Exception:
            _LOG.exception("verification failed")
            verdict = None
        if verdict is not None and verdict.is_allowed:
            await self._app(_passed_on(scope, verdict), receive, send)
            return
        await receive()  # websocket.connect
        if "websocket.http.response" in (scope.get("extensions") or {}):
            status = 500 if verdict is None else verdict.http
            body = _internal_body() if verdict is None else verdict.body()
            headers = [] if verdict is None else _encoded(verdict.response_headers)
            await _answer(send, status, headers, body, head=False, prefix="websocket.http.response")
        else:
            await send({"type": "websocket.close", "code": 1008 if verdict is not None else 1011})

    async def _call(self, method: str, scope: Scope, body_digest: str | None) -> Verification:
        if self._publisher.policy.allow_loopback and is_public(scope):
            raise RuntimeError("the policy has allow_loopback, which is for development; this server listens on another address")
        arguments = (method, target(scope), scope["headers"])
        if self._publisher.calls_python:
            # A replay store or rule of the site's own may wait for a network.
            return await asyncio.to_thread(self._publisher.verify, *arguments, body_digest=body_digest)
        return self._publisher.verify(*arguments, body_digest=body_digest)

    async def _resume(self, verification: Verification) -> Verification:
        assert verification.pending is not None  # noqa: S101 (the caller's loop condition, for the type checker)
        if self._publisher.calls_python:
            return await asyncio.to_thread(self._publisher.resume, verification.pending)
        return self._publisher.resume(verification.pending)

    async def _complete(self, scope: Scope, verification: Verification) -> Verdict:
        """Fetches what the verdict needs until it needs nothing more."""
        for _ in range(_MAX_ROUNDS):
            if verification.pending is None:
                break
            for need in verification.verdict.needs:
                if need.kind == "redeem":
                    verification.pending.redeemed(await self._ask_broker(scope, need))
                else:
                    await self._fetch(need)
            verification = await self._resume(verification)
        return verification.verdict

    async def _fetch(self, need: Need) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Tasks belong to the loop that made them; a test may run several after another.
            self._loop = loop
            self._flights = _SingleFlight()

        async def fetch_and_supply() -> None:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="imagxp")
            try:
                await loop.run_in_executor(self._threads, self._resolver.supply, self._publisher, need)
            except ImagxpError as error:
                # The publisher has recorded it; the verdict will say so.
                _LOG.info("cannot use %s: %s", need.url, error)

        await self._flights.run(need.url, fetch_and_supply)

    async def _ask_broker(self, scope: Scope, need: Need) -> Redemption:
        if self._redeem is None:
            return "unavailable"
        visas = [value for name, value in scope["headers"] if name.lower() in _TOKEN_HEADERS]
        try:
            return await self._redeem(need, visas[0].strip().decode("ascii"))
        except Exception:
            _LOG.exception("asking the broker failed")
            return "unavailable"

    async def _digest(self, body: bytes) -> str:
        return await asyncio.to_thread(content_digest, body)

    async def _read_body(self, receive: Receive) -> tuple[bytes | None, Receive | None]:
        """The whole body and a `receive` that gives it again; no body when it is too large; no `receive` when the client has gone."""
        messages: list[Message] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None, None
            messages.append(message)
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > self._max_body:
                _LOG.info("a signed body has more than %d bytes", self._max_body)
                return None, _replaying(messages, receive)
        return b"".join(message.get("body", b"") for message in messages), _replaying(messages, receive)

    async def _serve_policy(self, scope: Scope, send: Send) -> None:
        headers = [(b"cache-control", b"public, max-age=300"), (b"access-control-allow-origin", b"*")]
        await _answer(send, 200, headers, self._public, head=scope["method"] == "HEAD")


class _SingleFlight:
    """Runs one call per key at a time; whoever asks meanwhile waits for that one, and takes no thread."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, key: str, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Waits for `call`, or for the one that is running for this key. A waiter that is cancelled leaves it running."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(call())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        await asyncio.shield(task)

    def _finished(self, key: str, task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # Marks the exception as seen: every waiter may have gone away.
            task.exception()

    async def cancel(self) -> None:
        """Ends what is running."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _passed_on(scope: Scope, verdict: Verdict) -> Scope:
    """The scope for the application, in which only we speak of verdicts."""
    headers = [
        (name, value) for name, value in scope["headers"] if not name.lower().replace(b"_", b"-").startswith(_VERDICT_PREFIX)
    ]
    return {**scope, "headers": headers, "imagxp": verdict}


def _adding(send: Send, added: list[tuple[bytes, bytes]]) -> Send:
    if not added:
        return send

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return adding


def _replaying(messages: list[Message], receive: Receive) -> Receive:
    waiting = list(reversed(messages))

    async def replaying() -> Message:
        return waiting.pop() if waiting else await receive()

    return replaying


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]


def _internal_body() -> bytes:
    code = codes.by_name("internal.invariant")
    error = {"code": code.name, "hint": code.hint, "message": code.message, "retry": code.retry}
    return json.dumps({"error": error}, separators=(",", ":")).encode("ascii")


async def _answer(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    *,
    head: bool,
    prefix: str = "http.response",
) -> None:
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": f"{prefix}.start", "status": status, "headers": own + headers})
    await send({"type": f"{prefix}.body", "body": b"" if head else body})
