"""Signing for httpx, synchronous and asynchronous.

    client = httpx.Client(auth=ImagxpAuth(Identity.load("bot.example.com", "key.pem"), purpose="RAG_RETRIEVAL"))

Every request is signed anew. Per request, `extensions={"imagxp": {"purpose": "SUMMARY", "visa": token}}` overrides the client's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ._extra import missing

try:
    import httpx
except ImportError as error:
    raise missing("httpx", "httpx", "httpx") from error

from ._imagxp import Identity, Wallet, user_agent
from .client import (
    BROKER_TIMEOUT,
    OURS,
    AskBroker,
    Bought,
    BrokerAnswer,
    BrokerFailure,
    Call,
    Client,
    FeedbackStatus,
    Offer,
    Options,
)
from .errors import UsageError
from .httpx_body import abeginning, beginning

__all__ = ["ImagxpAuth", "Offer", "Visas"]

_PREFIX: Final = OURS.encode("ascii")
_MAX_REDIRECTS: Final = 10
# Only these may be sent again by us; anything else could happen twice.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
# What httpcore says of a connection that did not come about. A test holds it to that.
_UNREACHED: Final = frozenset(
    {"connect_tcp.failed", "connect_unix_socket.failed", "setup_socks5_connection.failed", "start_tls.failed"}
)

Visas = Callable[[Offer], "str | Awaitable[str | None] | None"]
"""Gets an offer and returns a visa, or `None` to leave it. An asynchronous one works with `httpx.AsyncClient` only."""


class ImagxpAuth(httpx.Auth):
    """Signs each request with a new nonce, and adds `IMAGXP/1.0` to its User-Agent.

    `visas` is asked when a publisher answers 402; the request is then sent once more, newly signed and with the visa. Redirects that
    the client follows never carry these headers; a redirected GET or HEAD that stayed on its origin is signed anew and repeated.

    With a `wallet` and `brokers` (issuer URLs, or pairs of issuer and token endpoint) the visa is bought, within the wallet's caps, from a
    broker of the offer, through the same client. What is not bought stays a 402, with the reason as `response.extensions["imagxp"]`, an
    `ImagxpError`. A payment of unknown end raises `ReadError` (`spend.unknown`): it counts as spent, and the next 402 asks about it, never
    pays again. Where no answer of the broker came, httpx raises its own exception (`httpx.ConnectError`, …) about the broker; what was
    certainly not sent to it costs nothing.
    `compatible` also sends the visa under the reference SDK's header name.
    """

    def __init__(
        self,
        identity: Identity,
        purpose: str,
        *,
        visas: Visas | None = None,
        wallet: Wallet | None = None,
        brokers: Sequence[str | tuple[str, str]] = (),
        compatible: bool = False,
        allow_loopback: bool = False,
    ) -> None:
        if visas is not None and wallet is not None:
            raise UsageError("usage.argument", "visas and wallet exclude each other")
        self._client = Client(
            identity, purpose, wallet=wallet, brokers=brokers, compatible=compatible, allow_loopback=allow_loopback
        )
        self._visas = visas

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The flow of `httpx.Client`."""
        flow = self._flow(request)
        step = next(flow)
        while True:
            if isinstance(step, Offer):
                answer: Any = self._ask(step)
                if inspect.isawaitable(answer):
                    if inspect.iscoroutine(answer):
                        answer.close()
                    raise TypeError("an asynchronous visas needs httpx.AsyncClient")
            elif isinstance(step, _Read):
                answer = beginning(step.response)
            elif isinstance(step, Call):
                answer = step.act()
            elif isinstance(step, _AskBroker):
                step.request.extensions["trace"] = step.sending.trace
                answer = yield step.request
            else:
                # A request that the client made for a redirect has not been read yet.
                step.request.read()
                self._sign(step)
                answer = yield step.request
            try:
                step = flow.send(answer)
            except StopIteration:
                return

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The flow of `httpx.AsyncClient`."""
        flow = self._flow(request)
        step = next(flow)
        while True:
            if isinstance(step, Offer):
                answer: Any = self._ask(step)
                if inspect.isawaitable(answer):
                    answer = await answer
            elif isinstance(step, _Read):
                answer = await abeginning(step.response)
            elif isinstance(step, Call):
                # Books in a file are synced, and a KMS answers over a network.
                answer = await asyncio.to_thread(step.act)
            elif isinstance(step, _AskBroker):
                step.request.extensions["trace"] = step.sending.atrace
                answer = yield step.request
            else:
                await step.request.aread()
                if self._client.identity.is_external:
                    # A KMS answers over a network.
                    await asyncio.to_thread(self._sign, step)
                else:
                    self._sign(step)
                answer = yield step.request
            try:
                step = flow.send(answer)
            except StopIteration:
                return

    def _ask(self, offer: Offer) -> str | Awaitable[str | None] | None:
        return self._visas(offer) if self._visas is not None else None

    def _flow(self, request: httpx.Request) -> Generator[_Sign | _Read | Call | _AskBroker | Offer, Any, None]:
        """What to do, in order, without doing any of it: the two kinds of client differ only in how they wait."""
        options = Options.of(request.extensions.get("imagxp"), self._client.purpose)
        feedback = FeedbackStatus(options)
        visa = options.visa
        asked = False
        paying: Bought | None = None
        for _ in range(_MAX_REDIRECTS + 2):
            sent = _Sign(request, feedback.of(options), visa)
            response: httpx.Response = yield sent
            feedback.note(_first_hop(request, response).headers)
            feedback.tell(response.headers)
            if paying is not None:
                # Whether the visa was used; a client that failed gives it back.
                yield Call(partial(paying.visit.answered, _first_hop(request, response).status_code, [], b""))
                paying = None
            mine = response.status_code == 402 and not asked and response.request is request
            if mine and self._client.wallet is not None:
                asked = True
                bought = yield from self._buy(request, options, feedback, response)
                if bought is None:
                    return
                visa, paying = bought.visa, bought
            elif mine and self._visas is not None:
                asked = True
                offer = self._client.offer(str(request.url), options, (yield _Read(response)))
                visa = (yield offer) if offer is not None else None
                if visa is None:
                    return
            elif (redirected := _redirected(request, response)) is not None:
                request = redirected
            else:
                return

    def _buy(
        self, request: httpx.Request, options: Options, feedback: FeedbackStatus, response: httpx.Response
    ) -> Generator[_Sign | _Read | Call | _AskBroker, Any, Bought | None]:
        """A visa, as the core's visit decides; the reason that there is none goes to the response."""
        offer: bytes = yield _Read(response)
        asked = False
        with closing(self._client.buy(request.method, _url(request), options.purpose, offer)) as buying:
            reply: Any = None
            while True:
                try:
                    step = buying.send(reply)
                except StopIteration as end:
                    bought: Bought | None = end.value if isinstance(end.value, Bought) else None
                    if bought is None:
                        if asked:
                            # What came last is what httpx returns, and that was the broker's: the page says once more what it said.
                            response = yield _Sign(request, feedback.of(options), options.visa)
                            feedback.tell(response.headers)
                        response.extensions["imagxp"] = end.value
                    return bought
                if isinstance(step, Call):
                    reply = yield step
                    continue
                form = _once(step, request.extensions.get("timeout"))
                asked = True
                sending = _Sending()
                try:
                    token: httpx.Response = yield _AskBroker(form, sending)
                except GeneratorExit:
                    # httpx tells a flow nothing of what fails: it ends it.
                    if sending.is_unsent:
                        released = buying.send(BrokerFailure("the broker was not reached", sent=False))
                        assert isinstance(released, Call)  # noqa: S101 (for the type checker: the visit is told)
                        released.act()
                    raise
                # A redirect that the client followed is no answer of the broker.
                own = token.request is form
                reply = BrokerAnswer(token.status_code, (yield _Read(token))) if own else BrokerAnswer(599, b"")

    def _sign(self, step: _Sign) -> None:
        request = step.request
        signed = self._client.headers(request.method, _url(request), step.options, body=request.content, visa=step.visa)
        headers = _without_ours(request.headers)
        headers["User-Agent"] = user_agent(headers.get("User-Agent", ""))
        request.headers = _SignedHeaders(headers, signed)


class _SignedHeaders(httpx.Headers):
    """Headers that carry a signature on the wire and nowhere else.

    When the client follows a redirect by itself, it copies the headers of the request: a copy of these lacks the signature and the
    visa, which were made for one URL and must not reach another origin. A test holds httpx to that.
    """

    def __init__(self, headers: httpx.Headers, signed: list[tuple[str, str]]) -> None:
        super().__init__(headers)
        self._signed = [(name.encode("ascii"), value.encode("ascii")) for name, value in signed]

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """What is sent."""
        return [*super().raw, *self._signed]


@dataclass(frozen=True, slots=True)
class _Sign:
    request: httpx.Request
    options: Options
    visa: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Read:
    response: httpx.Response


class _Sending:
    """How far a request came, as httpcore tells it; another transport tells nothing, and then it may have been sent."""

    def __init__(self) -> None:
        self._failed = False
        self._tunnelled = False
        self._began = False

    @property
    def is_unsent(self) -> bool:
        """Whether certainly no byte of it left: a connection failed, or came no farther than a proxy, and none was written to."""
        return (self._failed or self._tunnelled) and not self._began

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The extension `trace` of a synchronous client."""
        step = event.partition(".")[2]
        self._failed = self._failed or step in _UNREACHED
        if step in ("send_request_headers.started", "send_request_body.started"):
            # A proxy is asked for a tunnel by a request of its own.
            if getattr(info.get("request"), "method", None) == b"CONNECT":
                self._tunnelled = True
            else:
                self._began = True

    async def atrace(self, event: str, info: Mapping[str, Any]) -> None:
        """The extension `trace` of an asynchronous client."""
        self.trace(event, info)


@dataclass(frozen=True, slots=True)
class _AskBroker:
    request: httpx.Request
    sending: _Sending


class _Once(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is sent once: a client that follows redirects must not carry a client assertion elsewhere."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    def _take(self) -> bytes:
        body, self._body = self._body, None
        if body is None:
            raise httpx.StreamConsumed
        return body

    def __iter__(self) -> Iterator[bytes]:
        yield self._take()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._take()


def _once(action: AskBroker, timeout: object) -> httpx.Request:
    # With a stream of one's own, httpx adds nothing.
    host = httpx.URL(action.url).netloc.decode("ascii")
    length = str(len(action.body))
    headers = [("host", host), *action.headers, ("content-length", length), ("accept-encoding", "identity")]
    # The client's own timeout, which it sets on the requests that it builds.
    extensions = {"timeout": timeout or httpx.Timeout(BROKER_TIMEOUT).as_dict()}
    return httpx.Request(action.method, action.url, headers=headers, stream=_Once(action.body), extensions=extensions)


def _url(request: httpx.Request) -> str:
    return str(request.url.copy_with(fragment=None, username=None, password=None))


def _without_ours(headers: httpx.Headers) -> httpx.Headers:
    """A copy without what the protocol speaks of: we alone say it, once."""
    kept = [(name, value) for name, value in httpx.Headers(headers).raw if not name.lower().startswith(_PREFIX)]
    return httpx.Headers(kept)


def _first_hop(sent: httpx.Request, response: httpx.Response) -> httpx.Response:
    """The answer to what was sent, where the client went on by itself. The history begins with what this flow was answered before."""
    return next((hop for hop in reversed([*response.history, response]) if hop.request is sent), response)


def _redirected(sent: httpx.Request, response: httpx.Response) -> httpx.Request | None:
    """The request at the end of a redirect that the client followed unsigned, if it is ours to sign again."""
    last = response.request
    if last is sent or last.method not in _SAFE_METHODS:
        return None
    urls = [hop.request.url for hop in response.history] + [last.url]
    # Once elsewhere, always elsewhere: what another origin redirects to is that origin's choice.
    return last if all(_origin(url) == _origin(sent.url) for url in urls) else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default
