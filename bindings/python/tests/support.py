"""Real servers and a few values that many tests need."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from imagxp import Identity, Policy, PrivateKey, Publisher, issue_visa

NOW = "2026-03-01T12:00:00.000Z"
NOW_MS = 1_772_366_400_000
ORIGIN = "https://pub.example"
MANIFEST_PATH = "/.well-known/imagxp-agent.json"
SECRET = bytes(range(16))
AGENT_UA = ("User-Agent", "test IMAGXP/1.0")
BROWSER = {"User-Agent": "Mozilla/5.0 Firefox/140.0", "Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}
PURPOSES: dict[str, Any] = {"RAG_RETRIEVAL": {}, "SUMMARY": {}}


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


def fresh(identity: Identity, path: str, purpose: str) -> dict[str, str]:
    """The headers of a good request that is signed now."""
    return dict(signed(identity, path, purpose, now=None))


class Bank:
    """A broker whose keys a publisher is told; every page costs five cents."""

    def __init__(self, issuer: str = "https://broker.example") -> None:
        self.issuer = issuer
        self.key = PrivateKey.generate()
        self.sold = 0

    def members(self, check: str) -> dict[str, Any]:
        """What a policy says of it."""
        broker = {"issuer": self.issuer, "jwks_uri": self.issuer + "/jwks.json", "check": check}
        return {"price": {"amount": "0.05", "currency": "EUR"}, "payment": {"brokers": [broker]}}

    def introduce(self, publisher: Publisher) -> None:
        """Hands its keys to a publisher."""
        key = self.key.public_key
        publisher.supply(self.issuer + "/jwks.json", {"keys": [{**key.to_jwk(), "kid": key.thumbprint}]})

    def visa(self, agent: Identity) -> str:
        """For one read of any page."""
        self.sold += 1
        return issue_visa(
            self.key,
            issuer=self.issuer,
            audience=ORIGIN,
            agent_id=agent.agent_id,
            jti=f"visa-{self.sold:06}",
            amount="0.05",
            currency="EUR",
        )


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


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something holds that another thread sees to."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "still waiting"
        time.sleep(0.005)


def reserve() -> socket.socket:
    """A socket on a free port."""
    return socket.create_server(("127.0.0.1", 0))


def address(listener: socket.socket) -> str:
    """`127.0.0.1:port`."""
    host, port = listener.getsockname()
    return f"{host}:{port}"


class NameServer:
    """A name server on loopback over UDP: every name has these addresses; counts what it is asked for."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = [ipaddress.ip_address(text) for text in addresses]
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        host, port = self.socket.getsockname()
        return f"{host}:{port}"

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        kind = int.from_bytes(query[at + 1 : at + 3])
        question = query[12 : at + 5]
        version = {1: 4, 28: 6}.get(kind)
        if version == 4:
            self.asked.append(".".join(labels))
        found = [address.packed for address in self.addresses if address.version == version]
        records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed for packed in found]
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0) + question + b"".join(records)

    def close(self) -> None:
        """Ends it."""
        self.socket.close()


async def respond(send: Any, status: int, body: bytes, headers: Any = ()) -> None:
    """Sends one answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def respond_in_pieces(send: Any, status: int, body: bytes, headers: Any = ()) -> None:
    """Sends one answer whose length nobody tells."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
