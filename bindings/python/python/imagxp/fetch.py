"""Fetching manifests and key sets, with the rules of PROTOCOL §4.

https only, no redirects, no proxy and no credentials from the environment, every address checked and the connection made to the
checked address, one deadline over the whole exchange, a size limit while reading, no `Content-Encoding`, one fetch in flight per URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, Literal, NamedTuple

import httpx

__all__ = ["FailureName", "FetchError", "Fetched", "Fetcher", "SingleFlight", "is_public_address"]

FailureName = Literal["failed", "not_found", "redirect", "address_denied", "busy", "invalid"]

_DEADLINE_S: Final[Mapping[str, float]] = {"manifest": 1.5, "jwks": 3.0}
_MAX_BYTES: Final[Mapping[str, int]] = {"manifest": 16 * 1024, "jwks": 64 * 1024}
_MAX_IN_FLIGHT: Final = 32
_MAX_PER_SECOND: Final = 50
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# What `ipaddress` calls global, at least in some versions of Python, and is not for a manifest: AS112, AMT, 6to4 relays; and in
# IPv6 besides these what leads to IPv4 addresses that nobody would look at: NAT64, 6to4, Teredo; and documentation.
_SPECIAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24"),
        *("64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
# IPv6 global unicast as IANA has allocated it so far; everything else is refused whatever the tables of Python say.
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_MAX_AGE: Final = re.compile(r"max-age=\"?([0-9]{1,10})\"?", re.ASCII)


class FetchError(Exception):
    """A document could not be fetched; `failure` is the name that `Publisher.supply_failure` takes."""

    def __init__(self, failure: FailureName, reason: str) -> None:
        super().__init__(failure, reason)
        self.failure: FailureName = failure
        self.reason = reason


class Fetched(NamedTuple):
    """A document, and the `max-age` of its answer in seconds."""

    body: bytes
    max_age: int | None


def is_public_address(text: str) -> bool:
    """Whether a fetch may connect to this address: global unicast, and no IPv4 address in IPv6 clothes."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class SingleFlight:
    """Runs one call per key at a time; whoever asks meanwhile waits for that one."""

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


class Fetcher:
    """Fetches what a verdict needs. One per event loop; close it with `aclose`.

    `allow_loopback` also admits http to this machine, as the policy's switch of the same name does: for development.
    """

    def __init__(self, *, allow_loopback: bool = False, ssl_context: ssl.SSLContext | None = None) -> None:
        self._allow_loopback = allow_loopback
        context = ssl_context or ssl.create_default_context()
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        # Connections are made to addresses, and checked for names: none may be kept for the next name on the same address.
        # For the same reason nothing may be remembered: cookies would go to whoever has the address next.
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        # The deadline of `fetch` covers the whole exchange; httpx's own starts anew with every chunk.
        self._client = httpx.AsyncClient(
            verify=context,
            trust_env=False,
            follow_redirects=False,
            limits=limits,
            cookies=cookies,
            timeout=None,  # noqa: S113
        )
        self._in_flight = 0
        self._allowance = float(_MAX_PER_SECOND)
        self._allowance_at = time.monotonic()

    async def fetch(self, url: str, kind: Literal["manifest", "jwks"]) -> Fetched:
        """Fetches one document; `FetchError` says why not."""
        if self._in_flight >= _MAX_IN_FLIGHT or not self._take():
            raise FetchError("busy", "too many fetches")
        self._in_flight += 1
        try:
            async with asyncio.timeout(_DEADLINE_S[kind]):
                return await self._exchange(httpx.URL(url), _MAX_BYTES[kind])
        except TimeoutError:
            raise FetchError("failed", "the deadline has passed") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise FetchError("failed", type(error).__name__) from error
        finally:
            self._in_flight -= 1

    async def aclose(self) -> None:
        """Closes what is open."""
        await self._client.aclose()

    def _take(self) -> bool:
        """Takes one of the fetches that a second allows."""
        now = time.monotonic()
        self._allowance = min(_MAX_PER_SECOND, self._allowance + (now - self._allowance_at) * _MAX_PER_SECOND)
        self._allowance_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    async def _exchange(self, url: httpx.URL, most: int) -> Fetched:
        address = await self._checked_address(url)
        request = self._client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={
                "Host": url.netloc.decode("ascii"),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "imagxp-publisher",
            },
            # The certificate must be the name's, not the address's.
            extensions={"sni_hostname": url.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            self._check(response, most)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > most:
                    raise FetchError("invalid", f"more than {most} bytes")
            return Fetched(bytes(body), _max_age(response.headers.get_list("cache-control")))
        finally:
            await response.aclose()

    async def _checked_address(self, url: httpx.URL) -> str:
        loopback = self._allow_loopback and url.host in _LOOPBACK_NAMES
        if url.scheme != "https" and not (loopback and url.scheme == "http"):
            raise FetchError("address_denied", "not https")
        addresses = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        for address in addresses:
            allowed = ipaddress.ip_address(address).is_loopback if loopback else self._may_connect(address)
            # One bad address spoils the name: which of them is used must not be the name's owner's choice.
            if not allowed:
                raise FetchError("address_denied", "the name resolves to an address that is not public")
        if not addresses:
            raise FetchError("failed", "the name has no address")
        return addresses[0]

    async def _resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        return [str(entry[4][0]) for entry in found]

    def _may_connect(self, address: str) -> bool:
        return is_public_address(address)

    @staticmethod
    def _check(response: httpx.Response, most: int) -> None:
        status = response.status_code
        if status in (404, 410):
            raise FetchError("not_found", f"status {status}")
        if 300 <= status < 400:
            raise FetchError("redirect", f"status {status}")
        if status != 200:
            raise FetchError("failed", f"status {status}")
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise FetchError("invalid", "the answer has a Content-Encoding")
        length = response.headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) > most:
            raise FetchError("invalid", f"more than {most} bytes")


def _max_age(lines: list[str]) -> int | None:
    """The answer's `max-age`; 0 for what must not be stored. The core clamps it."""
    directives = [part.strip().lower() for line in lines for part in line.split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0
    ages = [int(match[1]) for part in directives if (match := _MAX_AGE.fullmatch(part))]
    return min(min(ages), 2**32 - 1) if ages else None
