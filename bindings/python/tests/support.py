"""Real servers and a few values that many tests need."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from imagxp import Identity, Policy, Publisher

NOW = "2026-03-01T12:00:00.000Z"
NOW_MS = 1_772_366_400_000
ORIGIN = "https://pub.example"
MANIFEST_PATH = "/.well-known/imagxp-agent.json"
SECRET = bytes(range(16))
AGENT_UA = ("User-Agent", "test IMAGXP/1.0")


def policy(**members: Any) -> Policy:
    """A policy that allows retrieval and denies training."""
    document = {
        "version": 1,
        "origins": [ORIGIN],
        "purposes": {"RAG_RETRIEVAL": {"allow": True}, "CRAWL_TRAINING": {"allow": False}},
    }
    return Policy.from_dict({**document, **members})


def knowing(identity: Identity, now: Any = NOW, *, publisher: Publisher | None = None, **members: Any) -> Publisher:
    """A publisher that has the identity's manifest."""
    publisher = publisher or Publisher(policy(**members), secret=SECRET)
    publisher.supply(f"https://{identity.agent_id}{MANIFEST_PATH}", identity.manifest().to_json(), now=now)
    return publisher


def signed(identity: Identity, path: str = "/a", purpose: str = "RAG_RETRIEVAL", **options: Any) -> list[tuple[str, str]]:
    """The headers of a good request."""
    options.setdefault("now", NOW)
    return [*identity.sign("GET", ORIGIN + path, purpose, **options), AGENT_UA]


class Server:
    """A uvicorn server in a thread with an event loop of its own."""

    def __init__(self, app: Any, listener: socket.socket | None = None, **options: Any) -> None:
        self.listener = listener or reserve()
        options = {"log_level": "error", "access_log": False, "ws": "none", "timeout_graceful_shutdown": 2, **options}
        self.server = uvicorn.Server(uvicorn.Config(app, **options))
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self.server.serve(sockets=[self.listener]))

    @property
    def address(self) -> str:
        return address(self.listener)

    @property
    def origin(self) -> str:
        return f"http://{self.address}"

    def start(self) -> Server:
        self.thread.start()
        deadline = time.monotonic() + 10
        while not self.server.started:
            assert self.thread.is_alive(), "the server has stopped"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)
        assert not self.thread.is_alive()


@contextmanager
def serving(app: Any, listener: socket.socket | None = None, **options: Any) -> Iterator[Server]:
    """Serves an application inside the block."""
    server = Server(app, listener, **options).start()
    try:
        yield server
    finally:
        server.stop()


def reserve() -> socket.socket:
    """A socket on a free port."""
    return socket.create_server(("127.0.0.1", 0))


def address(listener: socket.socket) -> str:
    """`127.0.0.1:port`."""
    host, port = listener.getsockname()
    return f"{host}:{port}"


async def respond(send: Any, status: int, body: bytes, headers: Any = ()) -> None:
    """Sends one answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
