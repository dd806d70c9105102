"""What an ASGI scope says of a request."""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import quote, unquote

__all__ = ["Scope", "is_public", "is_robots", "target"]

Scope = MutableMapping[str, Any]
# What RFC 3986 §3.3 leaves as it is in a path.
_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"


def is_robots(scope: Scope) -> bool:
    """Whether somebody reads the site's rules for robots."""
    return scope["method"] in ("GET", "HEAD") and scope["path"] == "/robots.txt"


def is_public(scope: Scope) -> bool:
    """Whether the connection came in by an address that is not loopback; a name or a Unix socket does not tell."""
    try:
        return not ipaddress.ip_address(scope["server"][0]).is_loopback
    except (KeyError, TypeError, ValueError):
        return False


def target(scope: Scope) -> str:
    """The request target as it came: path and query. The origin is the policy's business."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    served = (path, scope.get("root_path", "") + path)
    if raw is None or unquote(_ascii(raw)) not in served:
        # Someone before us changed the path: what is verified must be what is served.
        raw = quote(path, safe=_PATH_SAFE, errors="surrogateescape").encode("ascii")
    if not raw.startswith(b"/"):
        # An absolute URL would bring an origin of the client's choice; no rule fits what is no path.
        return "*"
    query: bytes = scope.get("query_string", b"")
    return _ascii(raw) + (f"?{_ascii(query)}" if query else "")


def _ascii(raw: bytes) -> str:
    """As text; bytes outside ASCII, which no valid target has, percent-encoded."""
    return raw.decode("ascii") if raw.isascii() else "".join(chr(b) if b < 0x80 else f"%{b:02X}" for b in raw)
