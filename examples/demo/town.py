"""The demo's world on loopback: real servers on free ports, run by one event loop in one thread."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from imagxp import AuditLog, Feedback, Identity, Policy, PrivateKey, Verdict
from imagxp.asgi import ImagxpMiddleware, ManifestApp

if TYPE_CHECKING:
    from broker import Broker

App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]
MANIFEST_PATH = "/.well-known/imagxp-agent.json"


class Documents:
    """A site that serves JSON documents: an agent's domain, or a broker's keys. What it serves can be exchanged while it runs."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.fetched = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        body = self.bodies.get(scope["path"])
        self.fetched += body is not None
        await respond(send, 404 if body is None else 200, body or b"{}")


async def articles(scope: Any, receive: Any, send: Any) -> None:
    """The publisher's application: tells the reader what the middleware found out about it."""
    verdict = scope["imagxp"]
    facts = {"visitor": verdict.visitor, "agent_id": verdict.agent_id, "paid": verdict.payment.state}
    await respond(send, 200, json.dumps({"article": scope["path"], **facts}).encode())


async def respond(send: Any, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    """Sends one answer."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Town:
    """Starts servers on 127.0.0.1 and stops them at the end of the `with` block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="town")
        self._running: list[tuple[uvicorn.Server, Any]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server, _ in self._running:
            server.should_exit = True
        for _, future in self._running:
            future.result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def reserve(self) -> socket.socket:
        """A socket on a free port: the address is known before the application that needs to know it exists."""
        return socket.create_server(("127.0.0.1", 0))

    def serve(self, listener: socket.socket, app: App) -> None:
        """Serves an application until the end."""
        config = uvicorn.Config(app, log_level="error", access_log=False, ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        future = asyncio.run_coroutine_threadsafe(server.serve(sockets=[listener]), self._loop)
        self._running.append((server, future))
        deadline = time.monotonic() + 5
        while not server.started:
            if future.done() or time.monotonic() > deadline:
                raise RuntimeError("a server of the demo does not start")
            time.sleep(0.005)


def address(listener: socket.socket) -> str:
    """`127.0.0.1:port`, which is also an agent_id under `allow_loopback`."""
    host, port = listener.getsockname()
    return f"{host}:{port}"


class AgentDomain:
    """An agent's domain: a name, its current key, and the site with its manifest."""

    def __init__(self, town: Town) -> None:
        listener = town.reserve()
        self.site = Documents()
        self.identity = Identity.generate(address(listener), allow_loopback=True)
        self.publish()
        town.serve(listener, self.site)

    def publish(self, *others: Any) -> None:
        """Publishes the current key, and others with it."""
        manifest = self.identity.manifest(contact="demo@agent.example", others=others)
        self.site.bodies[MANIFEST_PATH] = manifest.to_json()

    @property
    def manifest_url(self) -> str:
        """Where the manifest is."""
        return f"http://{self.identity.agent_id}{MANIFEST_PATH}"

    @property
    def manifest(self) -> bytes:
        """The manifest as it is served now."""
        return self.site.bodies[MANIFEST_PATH]


class Publisher:
    """A publisher: a uvicorn server behind the middleware, which signs receipts, takes feedback and keeps an audit log in a folder."""

    def __init__(self, town: Town, broker: Broker, folder: Path) -> None:
        listener = town.reserve()
        self.origin = f"http://{address(listener)}"
        self.key = PrivateKey.generate()
        self.feedback: list[Feedback] = []
        self.presented: list[dict[str, Any]] = []
        self.policy: dict[str, Any] = {
            "version": 1,
            "origins": [self.origin],
            "allow_loopback": True,
            "unsigned": "browsers",
            "purposes": {"RAG_RETRIEVAL": {"allow": True}, "CRAWL_TRAINING": {"allow": False}},
            "paths": [{"match": "/premium/*", "price": {"amount": "0.05", "currency": "EUR"}}],
            "payment": {"brokers": [{"issuer": broker.issuer, "jwks_uri": broker.jwks_url}]},
            "provenance": {"origin": "HUMAN"},
        }
        policy = Policy.from_dict(self.policy)
        # What it announces is what it would say on the Internet; where its policy lies is not announced for loopback.
        public = Policy.from_dict({**self.policy, "origins": ["https://publisher.example"]}).emit("robots")
        lines = [line for line in public.splitlines() if not line.startswith("IMAGXP-Policy")]
        self.robots = "\n".join([*lines, "Disallow: /drafts/", ""]).encode()
        self.log = folder / "audit"
        self.audit = AuditLog(self.log, self.key, f"{address(listener)}/imagxp-audit")
        self.identity = Identity(address(listener), self.key, allow_loopback=True)
        verified = ImagxpMiddleware(self._content, policy, identity=self.identity, on_feedback=self._take, audit=self.audit)
        town.serve(listener, ManifestApp(self.identity.manifest(), verified))

    async def _content(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/robots.txt":
            await respond(send, 200, self.robots, b"text/plain")
            return
        if scope["imagxp"].payment.state == "visa":
            # Kept, to be redeemed: each visa with the signed request that it came with.
            lines = {name.decode(): value.decode() for name, value in scope["headers"]}
            request = {name: lines[f"x-imagxp-{name.replace('_', '-')}"] for name in ("payload", "signature", "public_key")}
            self.presented.append({"visa": lines["x-imagxp-payment"], "request": request})
        await articles(scope, receive, send)

    async def _take(self, feedback: Feedback, verdict: Verdict) -> None:
        self.feedback.append(feedback)
