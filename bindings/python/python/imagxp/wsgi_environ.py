"""What a WSGI environ says of a request.

A server has joined lines of one name with commas before we see them. Ours never contain a comma, except feedback that is raw JSON, so the
lines are taken apart again, and the core refuses duplicates as it does everywhere. What is lost for good: a server that keeps only one
of several lines (uWSGI keeps the last) hides them; a name with underscores looks like one with hyphens, unless the server drops it;
and a server that tells neither `REQUEST_URI` nor `RAW_URI` (wsgiref) has decoded the path, so that a signed `%2F` does not match.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any, Final

from .asgi_scope import reassembled
from .gate import ClientGone, Incoming, is_verdict_header

__all__ = ["BodyReader", "Environ", "incoming", "is_public", "lines", "remove_verdicts", "target"]

Environ = dict[str, Any]

_OURS: Final = "HTTP_X_IMAGXP_"
_CHUNK: Final = 64 * 1024
# Behind a JSON object; within one that is feedback a brace and a comma are followed by a name.
_BEHIND_AN_OBJECT: Final = re.compile(r"(?<=\})\s*,(?!\s*\")\s*")


def incoming(environ: Environ) -> Incoming:
    """The request of an environ."""
    requested = target(environ)
    # What is announced is at the root of the origin, and nowhere where a client chose the mount.
    path = "" if requested == "*" else _whole_path(environ).decode("utf-8", "replace")
    return Incoming(environ["REQUEST_METHOD"], path, requested, lines(environ), partial(is_public, environ))


def lines(environ: Environ) -> list[tuple[bytes, bytes]]:
    """Every header line; those of ours that the server has joined are apart again."""
    found = []
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = _bytes(key[5:].replace("_", "-").lower())
            if "," in value and key.startswith(_OURS):
                found += [(name, _bytes(part)) for part in _apart(value)]
            else:
                found.append((name, _bytes(value)))
    return found


def remove_verdicts(environ: Environ) -> None:
    """Removes what a stranger says of verdicts."""
    for key in [key for key in environ if key.startswith(_OURS) and is_verdict_header(_bytes(key[5:]))]:
        del environ[key]


def is_public(environ: Environ) -> bool:
    """Whether the server's address, or the visitor's, is not loopback; names and Unix sockets do not tell."""
    return any(_is_outside(environ.get(name)) for name in ("SERVER_NAME", "REMOTE_ADDR"))


def target(environ: Environ) -> str:
    """The request target as it came, as far as the server tells: path and query. The origin is the policy's business.

    gunicorn believes a header `SCRIPT_NAME`, the client's too, and cuts that from what the application routes by: `/open/private` with
    `/open` would be verified, and `/private` served. Where such a header may have had a say, the target is no path, which no rule opens.
    """
    if environ.get("SCRIPT_NAME") and "HTTP_SCRIPT_NAME" in environ:
        return "*"
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    path = _whole_path(environ).decode("utf-8", "surrogateescape")
    query = _bytes(environ.get("QUERY_STRING", ""))
    # As `unquote` decodes: what is no UTF-8 is compared as replaced.
    served = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return reassembled(_bytes(raw).partition(b"?")[0] if raw else None, served, path, query)


class BodyReader:
    """Reads an environ's body, and leaves it there for the application.

    Raises [`ClientGone`] when the client stops in the middle. Gives `None` for more than `limit` bytes, of which none are lost. With `keep`
    the application may have read of it before: that is kept, up to so many bytes.
    """

    def __init__(self, environ: Environ, keep: int = 0) -> None:
        self._environ = environ
        self._kept = _Kept(environ["wsgi.input"], keep) if keep else None
        if self._kept is not None:
            environ["wsgi.input"] = self._kept

    def __call__(self, limit: int) -> bytes | None:
        """The body."""
        environ, kept = self._environ, self._kept
        stream = environ["wsgi.input"] if kept is None else kept.source
        declared: str = environ.get("CONTENT_LENGTH") or ""
        if declared and not (declared.isascii() and declared.isdigit()):
            return None
        if declared:
            wanted = int(declared)
            if wanted > limit:
                return None
        elif environ.get("wsgi.input_terminated"):
            wanted = limit + 1
        else:
            return b""
        begun = b"" if kept is None else kept.begun
        if begun is None:
            return None
        body = bytes(begun)
        while len(body) < wanted:
            try:
                chunk = stream.read(min(wanted - len(body), _CHUNK))
            except OSError as error:
                raise ClientGone from error
            if not chunk:
                break
            body += chunk
        if declared and len(body) < wanted:
            raise ClientGone
        unread = body[len(begun) :]
        rest = BufferedReader(_Chained(unread, stream)) if len(body) > limit else BytesIO(unread)
        if kept is None:
            environ["wsgi.input"] = rest
        else:
            kept.source = rest
        return body if len(body) <= limit else None


class _Kept:
    """An input of which is kept what the application has read."""

    def __init__(self, source: Any, limit: int) -> None:
        self.source = source
        self.begun: bytearray | None = bytearray()
        """What the application has read; `None` when that is more than is kept."""
        self._limit = limit

    def read(self, *size: int) -> bytes:
        return self._keep(self.source.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._keep(self.source.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        lines: list[bytes] = self.source.readlines(*hint)
        self._keep(b"".join(lines))
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _keep(self, chunk: bytes) -> bytes:
        if self.begun is not None:
            self.begun += chunk
            if len(self.begun) > self._limit:
                self.begun = None
        return chunk


class _Chained(RawIOBase):
    """What was read already, and then the rest."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count], self._head = self._head[:count], self._head[count:]
            return count
        chunk: bytes = self._rest.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _whole_path(environ: Environ) -> bytes:
    return _bytes(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))


def _apart(value: str) -> list[str]:
    return _BEHIND_AN_OBJECT.split(value) if value.lstrip().startswith("{") else value.split(",")


def _bytes(text: str) -> bytes:
    """As it was on the wire (PEP 3333); a server that decodes otherwise must not raise here."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _is_outside(address: object) -> bool:
    try:
        return not ipaddress.ip_address(str(address)).is_loopback
    except ValueError:
        return False
