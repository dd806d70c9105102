"""A publisher behind the middleware, and an agent's domain: real uvicorn, a real Starlette application, real manifests on loopback."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
from imagxp import Identity, Policy
from imagxp.asgi import ImagxpMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from support import MANIFEST_PATH, Server, address, reserve, respond

BROWSER = {"User-Agent": "Mozilla/5.0 Firefox/140.0", "Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}


class Domain:
    """An agent's domain: serves its manifest, counts how often, as slowly as told."""

    def __init__(self) -> None:
        self.listener = reserve()
        self.identity = Identity.generate(address(self.listener), allow_loopback=True)
        self.body = self.identity.manifest().to_json()
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.delay = 0.0
        self.fetched = 0
        self.requests: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == MANIFEST_PATH
        self.fetched += 1
        self.requests.append(scope)
        await asyncio.sleep(self.delay)
        await respond(send, self.status, self.body, self.headers)


async def echo(request: Request) -> Response:
    """Tells what the application sees."""
    verdict = request.scope["imagxp"]
    body = await request.body()
    lines = [[name.decode(), value.decode("latin-1")] for name, value in request.headers.raw]
    facts = {"path": request.url.path, "verdict": verdict.to_dict(), "headers": lines, "body": body.decode()}
    return JSONResponse(facts, headers={"x-app": "yes"})


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.scope["imagxp"].visitor)
    await websocket.close()


class Site:
    """A publisher on loopback."""

    def __init__(self, *, middleware: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **members: Any) -> None:
        self.listener = reserve()
        self.origin = f"http://{address(self.listener)}"
        self.reached = 0
        self.closed = False
        document = {
            "version": 1,
            "origins": [self.origin],
            "allow_loopback": True,
            "purposes": {"RAG_RETRIEVAL": {}, "CRAWL_TRAINING": {"allow": False}},
            **members,
        }
        self.policy = Policy.from_dict(document)
        methods = ["GET", "HEAD", "POST"]
        inner = Starlette(
            routes=[
                WebSocketRoute("/ws", greet),
                Mount("/mounted", routes=[Route("/{rest:path}", echo, methods=methods)]),
                Route("/{rest:path}", echo, methods=methods),
            ]
        )

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self.reached += scope["type"] != "lifespan"
            await inner(scope, receive, send)

        self.app = ImagxpMiddleware(counted, self.policy, **(middleware or {}))
        self.server = Server(self.app, self.listener, **(server or {}))

    def __enter__(self) -> Site:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def get(
        self, path: str, identity: Identity | None = None, *, method: str = "GET", purpose: str = "RAG_RETRIEVAL", **options: Any
    ) -> httpx.Response:
        """One request, signed when there is an identity."""
        headers = list(options.pop("headers", {}).items())
        content = options.pop("content", None)
        if identity is not None:
            headers += identity.sign(method, self.origin + path, purpose, **options)
            headers.append(("User-Agent", "test IMAGXP/1.0"))
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.request(method, self.origin + path, headers=headers, content=content)


def raw_request(site: Site, head: str) -> bytes:
    with socket.create_connection(("127.0.0.1", site.listener.getsockname()[1])) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


async def call(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """One connection without a server, for scopes that uvicorn does not make."""
    sent: list[dict[str, Any]] = []
    base = {"method": "GET", "headers": [], "query_string": b"", "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app({**base, **scope}, receive, send)
    return sent


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, 200, scope["path"].encode("utf-8", "surrogateescape"))
