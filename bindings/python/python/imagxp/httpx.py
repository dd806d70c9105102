"""Signing for httpx, synchronous and asynchronous.

    client = httpx.Client(auth=ImagxpAuth(Identity.load("bot.example.com", "key.pem"), purpose="RAG_RETRIEVAL"))

Every request is signed anew. Per request, `extensions={"imagxp": {"purpose": "SUMMARY", "visa": token}}` overrides the client's.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx

from ._imagxp import Action, Agent, Identity, Visit, Wallet, content_digest, feedback_header, user_agent
from .errors import ReadError, UsageError

__all__ = ["ImagxpAuth", "Offer", "Visas"]

_PREFIX: Final = b"x-imagxp-"
_OPTIONS: Final = frozenset({"purpose", "visa", "proof", "ads_displayed", "context", "feedback"})
_MAX_OFFER_BYTES: Final = 64 * 1024
_MAX_REDIRECTS: Final = 10
_BROKER_TIMEOUT: Final = 10.0
# Only these may be sent again by us; anything else could happen twice.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What a 402 answer asks for, as the publisher states it: a stranger's words."""

    url: str
    """What was asked for."""
    purpose: str
    """For which purpose."""
    agent_id: str
    """To whom a visa must be issued (`sub`)."""
    key_id: str
    """To which key (`cnf.jkt`)."""
    code: str | None
    """Why the request was not paid for: `payment.required`, `payment.expired`, …"""
    terms: Mapping[str, Any]
    """Price, currency, purposes and brokers."""


Visas = Callable[[Offer], "str | Awaitable[str | None] | None"]
"""Gets an offer and returns a visa, or `None` to leave it. An asynchronous one works with `httpx.AsyncClient` only."""


class ImagxpAuth(httpx.Auth):
    """Signs each request with a new nonce, and adds `IMAGXP/1.0` to its User-Agent.

    `visas` is asked when a publisher answers 402; the request is then sent once more, newly signed and with the visa. Redirects that
    the client follows never carry these headers; a redirected GET or HEAD that stayed on its origin is signed anew and repeated.

    With a `wallet` and `brokers` (issuer URLs, or pairs of issuer and token endpoint) the visa is bought, within the wallet's caps, from a
    broker of the offer, through the same client. What is not bought stays a 402, with the reason as `response.extensions["imagxp"]`, a
    `ReadError`. A payment of unknown end raises it (`spend.unknown`): it counts as spent, and the next 402 asks about it, never pays again.
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
        self._identity = identity
        self._wallet = wallet
        self._brokers = list(brokers)
        self._allow_loopback = allow_loopback
        self._agents: dict[str, Agent] = {}
        self._purpose = purpose
        self._visas = visas
        self._compatible = compatible
        if wallet is not None:
            self._agent(purpose)

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
            elif isinstance(step, _ReadOffer):
                answer = step.response.read()
            elif isinstance(step, _Call):
                answer = step.act()
            elif isinstance(step, _AskBroker):
                answer = yield step.request
                answer.read()
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
            elif isinstance(step, _ReadOffer):
                answer = await step.response.aread()
            elif isinstance(step, _Call):
                # Books in a file are synced, and a KMS answers over a network.
                answer = await asyncio.to_thread(step.act)
            elif isinstance(step, _AskBroker):
                answer = yield step.request
                await answer.aread()
            else:
                await step.request.aread()
                if self._identity.is_external:
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

    def _agent(self, purpose: str) -> Agent:
        if purpose not in self._agents:
            self._agents[purpose] = Agent(
                self._identity,
                purpose,
                "imagxp",
                wallet=self._wallet,
                brokers=self._brokers,
                discover=False,
                redirects="return",
                receipts="ignore",
                compatible=self._compatible,
                allow_loopback=self._allow_loopback,
            )
        return self._agents[purpose]

    def _flow(self, request: httpx.Request) -> Generator[_Sign | _ReadOffer | _Call | _AskBroker | Offer, Any, None]:
        """What to do, in order, without doing any of it: the two kinds of client differ only in how they wait."""
        options = _Options.of(request, self._purpose)
        visa = options.visa
        asked = False
        paying: Visit | None = None
        for _ in range(_MAX_REDIRECTS + 2):
            sent = _Sign(request, options, visa)
            response: httpx.Response = yield sent
            if paying is not None:
                # Whether the visa was used; a client that failed gives it back.
                yield _Call(partial(paying.answered, response.status_code, [], b""))
                paying = None
            mine = response.status_code == 402 and not asked and response.request is request
            if mine and self._wallet is not None:
                asked = True
                bought = yield from self._buy(request, options, response)
                if bought is None:
                    return
                visa, paying = bought
            elif mine and self._visas is not None:
                asked = True
                if not _is_short(response):
                    return
                offer = self._offer(request, options, (yield _ReadOffer(response)))
                visa = (yield offer) if offer is not None else None
                if visa is None:
                    return
            elif (redirected := _redirected(request, response)) is not None:
                request = redirected
            else:
                return

    def _buy(
        self, request: httpx.Request, options: _Options, response: httpx.Response
    ) -> Generator[_ReadOffer | _Call | _AskBroker, Any, tuple[str, Visit] | None]:
        """A visa from the wallet or a broker, as the core's visit decides."""
        body = (yield _ReadOffer(response)) if _is_short(response) else b""
        # What is signed for the visit is not sent: the request itself is signed by its own step.
        url = str(request.url.copy_with(fragment=None, username=None, password=None))
        visit = self._agent(options.purpose).visit(request.method, url)

        def offered() -> Action:
            visit.start()
            return visit.answered(402, [], body)

        action: Action = yield _Call(offered)
        if action.kind == "request_token":
            asked = False
            form = _once(action, request.extensions.get("timeout"))
            try:
                token: httpx.Response = yield _AskBroker(form)
                asked = True
            finally:
                # The client failed, and does not say whether the request was sent.
                if not asked:
                    visit.failed("the client gave up")
            # A redirect that the client followed is no answer of the broker.
            own = token.request is form and _is_short(token)
            status, content = (token.status_code, token.content) if own else (599, b"")
            action = yield _Call(lambda: visit.answered(status, [], content))
        if action.kind == "send":
            return dict(action.headers)["x-imagxp-payment"], visit
        error = action.error
        if isinstance(error, ReadError) and error.code == "spend.unknown":
            raise error
        response.extensions["imagxp"] = error
        return None

    def _sign(self, step: _Sign) -> None:
        request, options = step.request, step.options
        url = str(request.url.copy_with(fragment=None, username=None, password=None))
        signed = self._identity.sign(
            request.method,
            url,
            options.purpose,
            content_digest=content_digest(request.content) if request.content else None,
            payment=step.visa,
            proof=options.proof,
            ads_displayed=options.ads_displayed,
            context=options.context,
            compatible=self._compatible,
        )
        if options.feedback is not None:
            signed.append(("x-imagxp-feedback", feedback_header(options.feedback)))
        headers = _without_ours(request.headers)
        headers["User-Agent"] = user_agent(headers.get("User-Agent", ""))
        request.headers = _SignedHeaders(headers, signed)

    def _offer(self, request: httpx.Request, options: _Options, body: bytes) -> Offer | None:
        try:
            document = json.loads(body)
            terms, error = document["offer"], document.get("error") or {}
            code = error.get("code")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not isinstance(terms, dict):
            return None
        return Offer(
            url=str(request.url),
            purpose=options.purpose,
            agent_id=self._identity.agent_id,
            key_id=self._identity.key_id,
            code=code if isinstance(code, str) else None,
            terms=terms,
        )


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
class _Options:
    """What a request may override."""

    purpose: str
    visa: str | None = None
    proof: str | None = None
    ads_displayed: bool | None = None
    context: Mapping[str, object] | None = None
    feedback: bytes | None = None

    @classmethod
    def of(cls, request: httpx.Request, purpose: str) -> _Options:
        given = dict(request.extensions.get("imagxp") or {})
        unknown = given.keys() - _OPTIONS
        if unknown:
            raise UsageError("usage.argument", f"unknown options in extensions: {', '.join(sorted(map(str, unknown)))}")
        return cls(**{"purpose": purpose, **given})


@dataclass(frozen=True, slots=True)
class _Sign:
    request: httpx.Request
    options: _Options
    visa: str | None


@dataclass(frozen=True, slots=True)
class _ReadOffer:
    response: httpx.Response


@dataclass(frozen=True, slots=True)
class _Call:
    act: Callable[[], Action]


@dataclass(frozen=True, slots=True)
class _AskBroker:
    request: httpx.Request


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


def _once(action: Action, timeout: object) -> httpx.Request:
    # With a stream of one's own, httpx adds nothing.
    host = httpx.URL(action.url).netloc.decode("ascii")
    length = str(len(action.body))
    headers = [("host", host), *action.headers, ("content-length", length), ("accept-encoding", "identity")]
    # The client's own timeout, which it sets on the requests that it builds.
    extensions = {"timeout": timeout or httpx.Timeout(_BROKER_TIMEOUT).as_dict()}
    return httpx.Request(action.method, action.url, headers=headers, stream=_Once(action.body), extensions=extensions)


def _is_short(response: httpx.Response) -> bool:
    length = response.headers.get("content-length", "")
    return length.isascii() and length.isdigit() and int(length) <= _MAX_OFFER_BYTES


def _without_ours(headers: httpx.Headers) -> httpx.Headers:
    """A copy without what the protocol speaks of: we alone say it, once."""
    kept = [(name, value) for name, value in httpx.Headers(headers).raw if not name.lower().startswith(_PREFIX)]
    return httpx.Headers(kept)


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
