"""Serving an agent's manifest from any ASGI server.

app = ManifestApp(Rotation("keys"))
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ._imagxp import Manifest, Rotation

__all__ = ["ManifestApp"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("imagxp")
_PATH = "/.well-known/imagxp-agent.json"


class ManifestApp:
    """Answers `/.well-known/imagxp-agent.json` with an agent's manifest: GET and HEAD, with `ETag` and `Cache-Control`.

    The source is a `Manifest`, or a `Rotation`, whose folder is read again for each request, so that the manifest follows its steps.
    With an `app` every other path goes there; without one it is answered with 404.
    """

    def __init__(self, source: Manifest | Rotation, app: App | None = None) -> None:
        self._source = source
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection."""
        if scope["type"] == "http" and (self._app is None or scope["path"] == _PATH):
            await self._http(scope, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1008})
        else:
            raise ValueError(f"unknown ASGI scope type {scope['type']!r}")

    async def _http(self, scope: Scope, send: Send) -> None:
        conditions = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"if-none-match"]
        manifest = await self._manifest()
        status, headers, body = manifest.response(scope["method"], scope["path"], ",".join(conditions) if conditions else None)
        encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    async def _manifest(self) -> Manifest:
        if isinstance(self._source, Manifest):
            return self._source
        try:
            await asyncio.to_thread(self._source.reload)
        except Exception:
            # What was read last is still the manifest that publishers expect.
            _LOG.exception("the rotation cannot be read again")
        return self._source.manifest()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
