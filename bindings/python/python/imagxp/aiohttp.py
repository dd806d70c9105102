"""Signing and paying for aiohttp's client, as a middleware of it.

    session = aiohttp.ClientSession(middlewares=[ImagxpMiddleware(identity, purpose="RAG_RETRIEVAL")])

Every request is signed anew, each hop of a redirect for its own URL.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any, Final
from weakref import WeakKeyDictionary

from ._extra import missing

try:
    import aiohttp
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL
except ImportError as error:
    raise missing("aiohttp", "aiohttp 3.12 or newer", "aiohttp") from error

from ._imagxp import Identity, Wallet, user_agent
from .beginning import abegin
from .client import (
    BROKER_TIMEOUT,
    OURS,
    AskBroker,
    BrokerAnswer,
    BrokerFailure,
    Call,
    Client,
    FeedbackStatus,
    Options,
    Origins,
    ReadOffer,
    Send,
    signed_url,
)
from .errors import ImagxpError

__all__ = ["ImagxpMiddleware"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class ImagxpMiddleware:
    """Signs each request with a new nonce, and adds `IMAGXP/1.0` to its User-Agent.

    With a `wallet` and `brokers` (issuer URLs, or pairs of issuer and token endpoint) a visa is bought for what a 402 offers, within the
    wallet's caps, and the request sent once more, newly signed; one read pays once over its redirects. What is not bought stays a 402;
    `on_unpaid` is told why. A payment of unknown end raises `ReadError` (`spend.unknown`): it counts as spent, and the next 402 asks about
    it, never pays again. A body that aiohttp compresses is sent like a stream: it is not signed, and not sent twice.

    `origins` restricts signing to those: requests to others, also after redirects, go out as they are. `options` are those of a single
    request (`visa`, `proof`, `ads_displayed`, `context`, `feedback`): give a middleware of its own to `session.get(…, middlewares=[…])`.
    A visa, a proof and feedback are for one site, and need `origins`.
    """

    def __init__(
        self,
        identity: Identity,
        purpose: str,
        *,
        wallet: Wallet | None = None,
        brokers: Sequence[str | tuple[str, str]] = (),
        origins: Collection[str] | None = None,
        on_unpaid: Any = None,
        compatible: bool = False,
        allow_loopback: bool = False,
        **options: Any,
    ) -> None:
        self._client = Client(
            identity, purpose, wallet=wallet, brokers=brokers, compatible=compatible, allow_loopback=allow_loopback
        )
        self._options = Options.of(options, purpose)
        self._origins = Origins(origins, self._options)
        self._on_unpaid = on_unpaid
        self._led = _Led()

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Sends one request."""
        paid, feedback = self._led.to(request) or (False, FeedbackStatus(self._options))
        if self._origins.include(str(request.url)):
            response, paid = await self._exchange(request, handler, paid, feedback)
        else:
            response = await handler(request)
        self._led.by(request, response, paid, feedback)
        _tell(feedback, response)
        return response

    async def _exchange(
        self, request: ClientRequest, handler: ClientHandlerType, paid: bool, feedback: FeedbackStatus
    ) -> tuple[ClientResponse, bool]:
        """The answer to one request, and whether its read has paid."""
        body = await _signable(request)
        repeatable = body is not None
        response: ClientResponse | None = None
        reply: Any = None
        url = signed_url(str(request.url))
        exchanging = self._client.exchange(request.method, url, self._options, body, paid=paid, feedback=feedback)
        with closing(exchanging) as exchange:
            while True:
                try:
                    step = exchange.send(reply)
                except StopIteration as end:
                    assert response is not None  # noqa: S101 (for the type checker: an exchange sends)
                    if isinstance(end.value, ImagxpError) and self._on_unpaid is not None:
                        self._on_unpaid(str(request.url), end.value)
                    return response, paid
                if isinstance(step, Call):
                    # Books in a file are synced, and a KMS answers over a network; signing with a key at hand takes microseconds.
                    waits = response is not None or self._client.identity.is_external
                    reply = await asyncio.to_thread(step.act) if waits else step.act()
                elif isinstance(step, ReadOffer):
                    assert response is not None  # noqa: S101 (for the type checker: what is read was sent)
                    reply = await _beginning(response) if repeatable else b""
                elif isinstance(step, AskBroker):
                    reply = await self._ask(request, step)
                else:
                    if response is not None:
                        paid = True
                        response.release()
                    _set_headers(request, step)
                    response = await handler(request)
                    feedback.note(response.headers)
                    reply = response.status

    async def _ask(self, request: ClientRequest, step: AskBroker) -> BrokerAnswer | BrokerFailure:
        headers = {**dict(step.headers), "Accept-Encoding": "identity"}
        own = request.session
        # A proxy of the environment has no headers, and is this URL's: the environment is asked about the broker's, too.
        named = request.proxy is not None and request.proxy_headers is not None
        with warnings.catch_warnings():
            # Whoever gave a `proxy_auth` has been told already.
            warnings.simplefilter("ignore", DeprecationWarning)
            # Through the same connections, without what the session sends everywhere: cookies and default headers are not the broker's.
            plain = aiohttp.ClientSession(
                connector=own.connector,
                connector_owner=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=own.trust_env,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=BROKER_TIMEOUT),
                proxy=request.proxy if named else None,
                proxy_auth=request.proxy_auth if named else None,
            )
        sending = plain.request(
            step.method,
            step.url,
            data=step.body,
            headers=headers,
            allow_redirects=False,
            # A copy: aiohttp writes the host into what it is given.
            proxy_headers=dict(request.proxy_headers or {}) if named else None,
        )
        try:
            async with plain, sending as answer:
                body = await abegin(answer.content.iter_any())
        except aiohttp.ClientConnectorError as error:
            return BrokerFailure(type(error).__name__, sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return BrokerFailure(type(error).__name__)
        return BrokerAnswer(answer.status, body)


class _Led:
    """Where the answers of a read led: whatever is asked for there belongs to it, with what it has paid and what was said of its feedback.

    A session asks for each hop in the task of the one before, with nothing else in between.
    """

    def __init__(self) -> None:
        self._places: WeakKeyDictionary[asyncio.Task[Any], tuple[URL, bool, FeedbackStatus]] = WeakKeyDictionary()

    def to(self, request: ClientRequest) -> tuple[bool, FeedbackStatus] | None:
        """The read whose last answer led here in this task. A connection that breaks may have a hop sent twice."""
        task = asyncio.current_task()
        if task is None:
            return None
        place = self._places.get(task)
        if place is not None and place[0] == _plain(request.url):
            return place[1:]
        self._places.pop(task, None)
        return None

    def by(self, request: ClientRequest, response: ClientResponse, paid: bool, feedback: FeedbackStatus) -> None:
        """Remembers where an answer leads, when its read has paid or its feedback was taken."""
        task = asyncio.current_task()
        if task is None:
            return
        location = response.headers.get("Location") or response.headers.get("URI")
        spent = paid or feedback.said is not None
        if not spent or location is None or response.status not in _REDIRECTS:
            self._places.pop(task, None)
            return
        try:
            self._places[task] = (_plain(request.url.join(URL(location))), paid, feedback)
        except ValueError:
            self._places.pop(task, None)


def _tell(feedback: FeedbackStatus, response: ClientResponse) -> None:
    """Has an answer say what was said of the feedback; its headers are read-only. A test holds aiohttp to that."""
    if feedback.said is not None and response.headers.get(feedback.name) != feedback.said:
        headers = CIMultiDict(response.headers)
        feedback.tell(headers)
        response._headers = CIMultiDictProxy(headers)
        response._cache.pop("headers", None)


def _plain(url: URL) -> URL:
    """A URL as it is sent, in one spelling."""
    return URL(str(url.with_fragment(None).with_user(None) if url.absolute else url))


async def _beginning(response: ClientResponse) -> bytes:
    """All of the body, decoded, or more than `MAX_OFFER_BYTES`; whoever gets the answer reads it from the start."""
    try:
        begun = await abegin(response.content.iter_any())
    except BaseException:
        response.close()
        raise
    with warnings.catch_warnings():
        # aiohttp's own parsers do it so, and there is no other way to give back what was read.
        warnings.simplefilter("ignore", DeprecationWarning)
        response.content.unread_data(begun)
    return begun


def _set_headers(request: ClientRequest, step: Send) -> None:
    for name in {name for name in request.headers if name.lower().startswith(OURS)}:
        del request.headers[name]
    request.headers["User-Agent"] = user_agent(request.headers.get("User-Agent", ""))
    request.headers.extend(step.headers)


async def _signable(request: ClientRequest) -> bytes | None:
    """The body when it is at hand; `None` for a stream, which is neither signed nor sent twice."""
    body = request.body
    if request.compress:
        # What is sent is made of it while it is sent.
        return None
    if isinstance(body, aiohttp.BytesPayload):
        return await body.as_bytes()
    return None if body else b""
