"""What an ASGI scope says of a request."""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote

from .gate import Incoming

__all__ = ["Scope", "incoming", "is_public", "reassembled", "target"]

Scope = MutableMapping[str, Any]
# What RFC 3986 §3.3 leaves as it is in a path.
_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"


def incoming(scope: Scope, method: str) -> Incoming:
    """The request of a scope."""
    return Incoming(method, _whole_path(scope), target(scope), scope["headers"], partial(is_public, scope))


def is_public(scope: Scope) -> bool:
    """Whether the connection came in by an address that is not loopback; a name or a Unix socket does not tell."""
    try:
        return not ipaddress.ip_address(scope["server"][0]).is_loopback
    except (KeyError, TypeError, ValueError):
        return False


def target(scope: Scope) -> str:
    """The request target as it came to the origin: path and query. The origin is the policy's business."""
    path, whole, raw = scope["path"], _whole_path(scope), scope.get("raw_path")
    if raw is not None and whole != path and unquote(_ascii(raw)) == path:
        # Someone before us has cut the mount off, as `root_path` says: agents sign what they asked for, and rules are written for that.
        raw = _quoted(whole.removesuffix(path)) + raw
    return reassembled(raw, whole, whole, scope.get("query_string", b""))


def reassembled(raw: bytes | None, served: str, path: str, query: bytes) -> str:
    """The raw path if it means what is served, otherwise the path that is served; with the query."""
    if raw is None or unquote(_ascii(raw)) != served:
        # Someone before us changed the path: what is verified must be what is served.
        raw = _quoted(path)
    if not raw.startswith(b"/"):
        # An absolute URL would bring an origin of the client's choice; no rule fits what is no path.
        return "*"
    return _ascii(raw) + (f"?{_ascii(query)}" if query else "")


def _whole_path(scope: Scope) -> str:
    """From the root of the origin: some servers and frameworks leave out of `path` where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    # What is no path becomes none by a mount before it.
    return root + path if path.startswith("/") and path != root and not path.startswith(f"{root}/") else path


def _quoted(path: str) -> bytes:
    return quote(path, safe=_PATH_SAFE, errors="surrogateescape").encode("ascii")


def _ascii(raw: bytes) -> str:
    """As text; bytes outside ASCII, which no valid target has, percent-encoded."""
    return raw.decode("ascii") if raw.isascii() else "".join(chr(b) if b < 0x80 else f"%{b:02X}" for b in raw)
