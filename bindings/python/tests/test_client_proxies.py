"""Clients behind a proxy: whatever they send goes through it, to brokers, too."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from clients import Broker, Recorder, offer
from imagxp import Caps, Identity, Wallet
from imagxp.aiohttp import ImagxpMiddleware
from imagxp.httpx import ImagxpAuth
from support import Server, respond, serving


class Proxy:
    """Forwards what is asked for by http, and remembers where to and for whom."""

    def __init__(self) -> None:
        self.server = Server(self, lifespan="off")
        self.passed: list[tuple[str, str | None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.passed.append((headers["host"], headers.pop("proxy-authorization", None)))
        url = f"http://{headers['host']}{urlsplit(scope['path']).path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(scope["method"], url, headers=headers, content=body)
        await respond(send, answer.status_code, answer.content, [(b"content-length", str(len(answer.content)).encode())])


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    with serving(proxy, proxy.server.listener, lifespan="off"):
        yield proxy


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("where", ["session", "request", "user", "environment"])
def test_aiohttp_asks_brokers_through_the_proxy_of_the_page(
    agent: Identity, server: Recorder, broker: Broker, proxy: Proxy, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = {"/p": [(402, offer(broker))]}
    paying = ImagxpMiddleware(
        agent, "SUMMARY", wallet=Wallet([Caps("EUR", "0.05")]), brokers=[broker.origin], allow_loopback=True
    )
    url = proxy.server.origin
    with_user = url.replace("//", "//user:word@")
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", with_user)
    of_session: dict[str, Any] = {"session": {"proxy": with_user}, "environment": {"trust_env": True}}.get(where, {})
    of_request: dict[str, Any] = {
        "request": {"proxy": with_user},
        "user": {"proxy": url, "proxy_auth": aiohttp.BasicAuth("user", "word")},
    }.get(where, {})

    async def get() -> int:
        async with (
            aiohttp.ClientSession(middlewares=[paying], **of_session) as session,
            session.get(server.origin + "/p", **of_request) as answer,
        ):
            return answer.status

    assert asyncio.run(get()) == 200
    site, seller = urlsplit(server.origin).netloc, urlsplit(broker.origin).netloc
    assert proxy.passed == [(host, "Basic dXNlcjp3b3Jk") for host in (site, seller, site)]


@pytest.fixture
def refusing() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that takes each connection, says what the list ends with, and closes."""
    says: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(says[-1])

        thread = threading.Thread(target=answer)
        thread.start()
        host, port = listener.getsockname()
        yield f"http://{host}:{port}", says
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("tunnel", [b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_broker_that_a_proxy_cannot_reach_costs_nothing(
    agent: Identity, server: Recorder, broker: Broker, refusing: tuple[str, list[bytes]], tunnel: bytes
) -> None:
    server.answers = {"/p": [(402, offer(broker))]}
    url, says = refusing
    says.append(tunnel)
    wallet = Wallet([Caps("EUR", "0.05")])
    brokers = [(broker.origin, "https://broker.example/oauth/token")]
    auth = ImagxpAuth(agent, "SUMMARY", wallet=wallet, brokers=brokers, allow_loopback=True)
    mounts = {"https://": httpx.HTTPTransport(proxy=url)}
    with httpx.Client(auth=auth, trust_env=False, mounts=mounts) as client, pytest.raises(httpx.TransportError):
        client.get(server.origin + "/p")
    assert (wallet.spent("EUR"), wallet.open) == ("0", ())
