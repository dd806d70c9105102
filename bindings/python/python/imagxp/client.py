"""What every client adapter shares: signing, and paying as the core's visit decides. The adapters carry bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ._imagxp import Action, Agent, Identity, Policy, Visit, Wallet, content_digest, feedback_header
from .beginning import MAX_OFFER_BYTES
from .errors import ImagxpError, PolicyError, ReadError, UsageError

__all__ = [
    "BROKER_TIMEOUT",
    "OURS",
    "AskBroker",
    "Bought",
    "BrokerAnswer",
    "BrokerFailure",
    "Call",
    "Client",
    "FeedbackStatus",
    "Offer",
    "Options",
    "Origins",
    "ReadOffer",
    "Send",
    "same_origin",
    "signed_url",
]

OURS: Final = "x-imagxp-"
"""What the names of our headers begin with: they are made for one request, and belong to no other."""
BROKER_TIMEOUT: Final = 10.0
"""Seconds that a broker may take."""

_FEEDBACK_STATUS: Final = "x-imagxp-feedback-status"

_OPTIONS: Final = frozenset({"purpose", "visa", "proof", "ads_displayed", "context", "feedback"})


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


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may override."""

    purpose: str
    visa: str | None = field(default=None, repr=False)
    proof: str | None = field(default=None, repr=False)
    ads_displayed: bool | None = None
    context: Mapping[str, object] | None = None
    feedback: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, given: Mapping[str, Any] | None, purpose: str) -> Options:
        """The options of one request; `UsageError` for unknown ones."""
        given = dict(given or {})
        unknown = given.keys() - _OPTIONS
        if unknown:
            raise UsageError("usage.argument", f"unknown options of a request: {', '.join(sorted(map(str, unknown)))}")
        return cls(**{"purpose": purpose, **given})


class FeedbackStatus:
    """What a site said of the feedback that went with a read. It is taken once: a second copy would be a replay."""

    name: Final = _FEEDBACK_STATUS
    """The header that says it."""

    def __init__(self, options: Options) -> None:
        self._was_given = options.feedback is not None
        self.said: str | None = None

    def of(self, options: Options) -> Options:
        """The options of the next sending of the read."""
        return options if self.said is None else replace(options, feedback=None)

    def note(self, headers: Mapping[str, str]) -> None:
        """Reads an answer to a sending; the first word counts."""
        if self._was_given and self.said is None:
            self.said = headers.get(_FEEDBACK_STATUS)

    def tell(self, headers: MutableMapping[str, str]) -> None:
        """Has an answer that may be handed back say it."""
        if self.said is not None:
            headers[_FEEDBACK_STATUS] = self.said


class Origins:
    """The origins that requests are signed for: those named, or all. What `options` has for one site needs them named."""

    def __init__(self, named: Collection[str] | None, options: Options) -> None:
        if named is None and (options.visa, options.proof, options.feedback) != (None, None, None):
            # Each request is signed for its own origin: what is meant for one site would go to whatever is asked for.
            raise UsageError("usage.argument", "a visa, a proof and feedback are for one site: name it in `origins`")
        if isinstance(named, str):
            # Its characters would each be an origin, and nothing would be signed.
            raise UsageError("usage.argument", "`origins` is a list, also of one origin")
        self._named = None if named is None else tuple(map(_read_origin, named))

    def include(self, url: str) -> bool:
        """Whether a request to this URL is signed."""
        return self._named is None or any(same_origin(url, origin) for origin in self._named)


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request with these headers, and no others of ours; the reply is the status."""

    headers: list[tuple[str, str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadOffer:
    """Read the body of the answer, which is a 402; the reply is the whole body, or more than `MAX_OFFER_BYTES` of it."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call this; it may wait for a disk or for a key that is elsewhere."""

    act: Callable[[], Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskBroker:
    """Send this to a broker, without following redirects; the reply is a [`BrokerAnswer`] or a [`BrokerFailure`]."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """What a broker said: the whole body, or more than `MAX_OFFER_BYTES` of it."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BrokerFailure:
    """No answer came."""

    detail: str
    sent: bool = True
    """Whether bytes of the request may have reached the broker; when in doubt, they have."""


@dataclass(frozen=True, slots=True)
class Bought:
    """A visa, and the visit that wants to know what came of it."""

    visa: str = field(repr=False)
    visit: Visit


class Client:
    """Signs requests for one purpose, and buys visas within a wallet's caps.

    `brokers` are issuer URLs, or pairs of issuer and token endpoint. `compatible` also sends visas under the reference SDK's header name.
    """

    def __init__(
        self,
        identity: Identity,
        purpose: str,
        *,
        wallet: Wallet | None = None,
        brokers: Sequence[str | tuple[str, str]] = (),
        compatible: bool = False,
        allow_loopback: bool = False,
    ) -> None:
        self.identity = identity
        self.purpose = purpose
        self.wallet = wallet
        self._brokers = list(brokers)
        self._compatible = compatible
        self._allow_loopback = allow_loopback
        self._agents: dict[str, Agent] = {}
        if wallet is not None:
            # Wrong brokers are told now, not with the first offer.
            self._agent(purpose)

    def headers(
        self, method: str, url: str, options: Options, *, body: bytes | None = None, visa: str | None = None
    ) -> list[tuple[str, str]]:
        """The headers of one request with a new nonce. A body that is given is signed with it; a `visa` replaces the option."""
        signed = self.identity.sign(
            method,
            url,
            options.purpose,
            content_digest=content_digest(body) if body else None,
            payment=visa if visa is not None else options.visa,
            proof=options.proof,
            ads_displayed=options.ads_displayed,
            context=options.context,
            compatible=self._compatible,
        )
        if options.feedback is not None:
            signed.append(("x-imagxp-feedback", feedback_header(options.feedback)))
        return signed

    def exchange(
        self,
        method: str,
        url: str,
        options: Options,
        body: bytes | None,
        *,
        paid: bool = False,
        feedback: FeedbackStatus | None = None,
    ) -> Generator[Send | ReadOffer | Call | AskBroker, Any, ImagxpError | None]:
        """One request: signed, and after a 402 paid for and sent once more, newly signed.

        What it returns is why a 402 was not paid for. Raises `ReadError` (`spend.unknown`) when nobody knows whether it was. `paid`: this
        is where a read was redirected to that has paid already, which it does once. `feedback` is told of each answer by whoever sends.
        """
        feedback = feedback or FeedbackStatus(options)
        options = feedback.of(options)
        headers = yield Call(partial(self.headers, method, url, options, body=body))
        status: int = yield Send(headers)
        if status != 402 or self.wallet is None:
            return None
        if paid:
            return ReadError("payment.required", "one read pays once, and it has paid")
        bought = yield from self.buy(method, url, options.purpose, (yield ReadOffer()))
        if not isinstance(bought, Bought):
            return bought
        headers = yield Call(partial(self.headers, method, url, feedback.of(options), body=body, visa=bought.visa))
        # Whether the visa was used; when the client fails, the visit that is never answered leaves it unused.
        status = yield Send(headers)
        yield Call(partial(bought.visit.answered, status, [], b""))
        return None

    def buy(
        self, method: str, url: str, purpose: str, offer: bytes
    ) -> Generator[Call | AskBroker, Any, Bought | ImagxpError | None]:
        """A visa from the wallet or a broker, or why there is none. Raises `ReadError` (`spend.unknown`)."""
        try:
            # What is signed for the visit is not sent: the request itself is signed anew.
            visit = self._agent(purpose).visit(method, url)
        except UsageError as error:
            # A page that nobody pays for, such as one without TLS: it said 402, and that is the answer.
            return error

        def offered() -> Action:
            visit.start()
            return visit.answered(402, [], offer if len(offer) <= MAX_OFFER_BYTES else b"")

        action: Action = yield Call(offered)
        if action.kind == "request_token":
            reply: BrokerAnswer | BrokerFailure | None = None
            try:
                reply = yield AskBroker(action.method, action.url, action.headers, action.body)
            finally:
                # The client gave up, and does not say whether the request was sent.
                if reply is None:
                    visit.failed("the client gave up")
            if isinstance(reply, BrokerFailure):
                action = yield Call(partial(visit.failed, reply.detail, sent=reply.sent))
            else:
                # What is too long was not read to its end: nobody knows what it says.
                status, body = (reply.status, reply.body) if len(reply.body) <= MAX_OFFER_BYTES else (599, b"")
                action = yield Call(partial(visit.answered, status, [], body))
        if action.kind == "send":
            return Bought(dict(action.headers)["x-imagxp-payment"], visit)
        if isinstance(action.error, ReadError) and action.error.code == "spend.unknown":
            raise action.error
        return action.error

    def offer(self, url: str, options: Options, body: bytes) -> Offer | None:
        """What a 402 answer asks for, if it makes an offer."""
        if len(body) > MAX_OFFER_BYTES:
            return None
        try:
            document = json.loads(body)
            terms, error = document["offer"], document.get("error") or {}
            code = error.get("code")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not isinstance(terms, dict):
            return None
        return Offer(
            url=url,
            purpose=options.purpose,
            agent_id=self.identity.agent_id,
            key_id=self.identity.key_id,
            code=code if isinstance(code, str) else None,
            terms=terms,
        )

    def _agent(self, purpose: str) -> Agent:
        if purpose not in self._agents:
            self._agents[purpose] = Agent(
                self.identity,
                purpose,
                "imagxp",
                wallet=self.wallet,
                brokers=self._brokers,
                discover=False,
                redirects="return",
                receipts="ignore",
                compatible=self._compatible,
                allow_loopback=self._allow_loopback,
            )
        return self._agents[purpose]


def signed_url(url: str) -> str:
    """The URL as it is signed: without fragment and without user information."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def same_origin(url: str, other: str) -> bool:
    """Whether both have the same scheme, host and port."""
    return _origin(url) == _origin(other)


def _read_origin(text: str) -> str:
    """One of `origins`, as the core reads those of a policy: what it refuses would sign for nothing, or for more than it says."""
    try:
        # Loopback is for tests, and what is signed for it goes nowhere else.
        return Policy.from_dict({"version": 1, "origins": [text], "unsigned": "deny", "allow_loopback": True}).origins[0]
    except (PolicyError, TypeError, ValueError) as error:
        sentence = f"`{text}` in `origins`: https://, a host in ASCII (xn--…), and a port, if any; http for this machine only"
        raise UsageError("usage.argument", sentence) from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
