"""What every server adapter shares: one request in, an answer to give or a verdict to go on with.

`Gate.admit` says what to do, in order, without waiting for anything. `BlockingGate` and `AsyncGate` do it: WSGI and ASGI differ in how
they wait, and in nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from ._imagxp import (
    AuditLog,
    BrokerClient,
    Feedback,
    FeedbackVerification,
    Fetcher,
    Identity,
    Manifest,
    Need,
    Policy,
    Presented,
    Publisher,
    Resolver,
    Rotation,
    Verdict,
    Verification,
    content_digest,
)
from .answer import Answer
from .errors import ImagxpError
from .receipt import ReceiptDraft, served_url
from .redemption import Clients, GivenRedeemers, Redeem, Redeemers, Redemption, asking, checked, takes_verdict
from .served_manifest import GivenManifest, ServedManifest, current

__all__ = [
    "MANIFEST_PATH",
    "WELL_KNOWN_PATH",
    "Admission",
    "Answer",
    "AskBroker",
    "Call",
    "ClientGone",
    "Fetch",
    "Gate",
    "GateOptions",
    "Incoming",
    "OnFeedback",
    "ReadBody",
    "Redeem",
    "Redemption",
    "Step",
    "TakeFeedback",
    "is_verdict_header",
]

WELL_KNOWN_PATH: Final = "/.well-known/imagxp-policy.json"
MANIFEST_PATH: Final = "/.well-known/imagxp-agent.json"

OnFeedback = Callable[[Feedback, Verdict], "object | Awaitable[object]"]
"""Takes feedback that holds, and the verdict on it, which names the agent. Asynchronous ones work with ASGI only."""

_LOG = logging.getLogger("imagxp")
_VERDICT_PREFIX: Final = b"x-imagxp-verdict-"
_FEEDBACK: Final = b"x-imagxp-feedback"
_FEEDBACK_STATUS: Final = "x-imagxp-feedback-status"
# The digest of a body that nobody will read: a claim that signs one is refused for good, and the audit log says so.
_UNREAD: Final = ""
# Manifest, key set, redemption; a refresh may ask for one of the first two again.
_MAX_ROUNDS: Final = 6


class ClientGone(Exception):
    """The client went away while its body was read."""


class GateOptions(TypedDict, total=False):
    """What every adapter takes beside its policy; see [`Gate`]."""

    publisher: Publisher | None
    resolver: Resolver | None
    redeem: Redeem | BrokerClient | Sequence[BrokerClient] | None
    max_redeeming: int | None
    redeemer: GivenRedeemers | None
    max_fetching: int | None
    max_body: int
    identity: Identity | None
    manifest: GivenManifest | None
    max_receipt_body: int
    on_feedback: OnFeedback | None
    audit: AuditLog | Callable[[bytes, bytes | None], object] | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as a server has it."""

    method: str
    path: str
    """Decoded, from the root of the origin: below a mount the application finds its way by the rest of it."""
    target: str
    """Path and query as they came."""
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    """Every line."""
    is_public: Callable[[], bool]
    """Whether it came in by an address that is not loopback."""

    @property
    def host(self) -> str:
        """What `Host` names; empty without one."""
        return next((value.decode("latin-1") for value in self.values(b"host")), "")

    def values(self, name: bytes) -> list[bytes]:
        """The values of all lines with this name (lower case)."""
        return [value for key, value in self.headers if key.lower() == name]


@dataclass(frozen=True, slots=True)
class Admission:
    """The request may go on to the application."""

    verdict: Verdict
    headers: list[tuple[str, str]]
    """To add to the application's answer, whatever it will be."""
    receipt: ReceiptDraft | None
    """What signs the application's answer, if it deserves that."""

    def refusal(self, gate: Gate, method: str, purposes: Sequence[str]) -> Answer | None:
        """What to answer when only verified agents with one of these purposes may go on; `None` lets the request pass.

        No purposes: any verdict that lets pass will do. In observe mode everything passes.
        """
        if not purposes or gate.policy.mode == "observe" or self.verdict.purpose in purposes:
            return None
        if self.verdict.visitor != "verified_agent":
            return Answer.error(method, "auth.required", [("www-authenticate", "IMAGXP")])
        if self.verdict.payment.state in ("visa", "ads"):
            _LOG.error(
                "a visa was spent before its purpose was refused: name the purposes of what has a price in the policy's paths"
            )
        return Answer.error(method, "policy.purpose_denied")


@dataclass(frozen=True, slots=True)
class Call:
    """Call this; `waits`: it may wait for a disk, a network or Python code of the site's own."""

    act: Callable[[], Any] = field(repr=False)
    waits: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch this and hand it to the publisher; what goes wrong is in the next verdict."""

    need: Need


@dataclass(frozen=True, slots=True)
class AskBroker:
    """Ask the broker about this visa, which may take seconds; the reply is a [`Redemption`]."""

    redeem: Redeem
    need: Need
    presented: Presented = field(repr=False)
    verdict: Verdict | None
    """For a `redeem` that takes it."""

    def ask(self) -> Redemption | Awaitable[Redemption]:
        """Asks."""
        ask: Callable[..., Redemption | Awaitable[Redemption]] = self.redeem
        arguments = (self.need, self.presented.visa, self.presented)
        return ask(*arguments) if self.verdict is None else ask(*arguments, self.verdict)


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the whole body and keep it for the application; the reply is the body, or `None` when it has more than `limit` bytes."""

    limit: int


@dataclass(frozen=True, slots=True)
class TakeFeedback:
    """Hand this to the site."""

    on_feedback: OnFeedback
    feedback: Feedback
    verdict: Verdict


Step = Call | Fetch | AskBroker | ReadBody | TakeFeedback


def is_verdict_header(name: bytes) -> bool:
    """Whether a header speaks of verdicts, which only we do; an underscore becomes a hyphen on the way to some applications."""
    return name.lower().replace(b"_", b"-").startswith(_VERDICT_PREFIX)


class Gate:
    """Verifies every request before the application sees it.

    Give a `policy` for a publisher of its own, or a `publisher` that is shared. `redeem` asks brokers about visas where the policy
    says `check: redeem`; without it such visas are answered with 503, and so is every answer that is no [`Redemption`]. Unless it is
    asynchronous, `max_redeeming` requests may wait for it, each in a thread: 32, and 4 under WSGI, where the threads are the server's and
    some must be left; one more is answered with 503 at once. `redeemer` takes each visa of its broker that was accepted without asking
    (`check: offline`). A broker pays each host by its own name: with several brokers, or origins on several hosts, give a list of
    redeemers, or of clients. Under WSGI `max_fetching` requests may wait for the documents of agents who are not known, and as many for
    brokers' key sets: 4; one more is answered with 503 at once. `max_body` bounds what is buffered of a body whose digest the agent has
    signed. A policy with `allow_loopback` is refused on any other address.
    Visitors without a signature get `/robots.txt` whatever the policy says, and the public policy; both are announcements, at the root
    of the origin.

    `identity` signs a provenance receipt for each successful answer, if the policy names the content's origin: its domain is the
    publisher's own, where its manifest lies; with `manifest` that is served here: a list has one for each
    host, `Host` chooses, and the first is for every other. `max_receipt_body` bounds how much of an answer waits
    for its receipt. `on_feedback` takes what agents say in `x-imagxp-feedback`; the answer's `x-imagxp-feedback-status` is `accepted` or
    the code. `audit` records each decided verdict.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        publisher: Publisher | None = None,
        resolver: Resolver | None = None,
        redeem: Redeem | BrokerClient | Sequence[BrokerClient] | None = None,
        max_redeeming: int | None = None,
        redeemer: GivenRedeemers | None = None,
        max_fetching: int | None = None,
        max_body: int = 1024 * 1024,
        identity: Identity | None = None,
        manifest: GivenManifest | None = None,
        max_receipt_body: int = 1024 * 1024,
        on_feedback: OnFeedback | None = None,
        audit: AuditLog | Callable[[bytes, bytes | None], object] | None = None,
    ) -> None:
        if publisher is not None and audit is not None:
            raise TypeError("give the audit log to the publisher")
        if (policy is None) == (publisher is None):
            raise TypeError("give either a policy or a publisher")
        for name, most in (("max_redeeming", max_redeeming), ("max_fetching", max_fetching)):
            if most is not None and most < 1:
                raise TypeError(f"{name} is a number of requests, 1 or more")
        self.publisher = publisher if publisher is not None else Publisher(policy, audit=audit)  # type: ignore[arg-type]
        self.policy = self.publisher.policy
        self.resolver = resolver or Resolver(Fetcher(allow_loopback=self.policy.allow_loopback))
        self.redeem = asking(redeem, self.policy)
        self._tells_verdict = takes_verdict(self.redeem)
        self.max_redeeming = max_redeeming
        self.max_fetching = max_fetching
        self._redeemers = Redeemers(redeemer, self.policy)
        self.max_body = max_body
        self.on_feedback = on_feedback
        self._public = self.policy.public_json()
        self._allow_loopback = self.policy.allow_loopback
        self._waits = self.publisher.may_wait
        self._identity = identity
        self._manifest = None if manifest is None else ServedManifest(manifest)
        self._origin = self.policy.content_origin
        self._max_receipt_body = max_receipt_body
        if identity is not None and self._origin is None:
            raise TypeError("receipts say who made the content: give the policy a provenance.origin")

    def announce(self, request: Incoming) -> Generator[Step, Any, Answer | None]:
        """The public policy and the manifest, which anybody gets; `None` for every other request."""
        if request.path == WELL_KNOWN_PATH and request.method in ("GET", "HEAD"):
            headers = [("cache-control", "public, max-age=300"), ("access-control-allow-origin", "*")]
            return Answer.of(request.method, 200, headers, self._public)
        if request.path == MANIFEST_PATH and self._manifest is not None:
            source = self._manifest.of(request.host)
            manifest: Manifest = yield Call(lambda: current(source), isinstance(source, Rotation))
            conditions = request.values(b"if-none-match")
            condition = ",".join(value.decode("latin-1") for value in conditions) if conditions else None
            return Answer(*manifest.response(request.method, request.path, condition))
        return None

    def admit(self, request: Incoming, purposes: Sequence[str] = ()) -> Generator[Step, Any, Answer | Admission]:
        """What becomes of one request. Whoever does the steps answers 500 when one of them raises.

        With `purposes` what is asked for is there for those only: an agent that came for another is refused before its visa is spent.
        """
        verification = yield from self._verify(request, None, purposes)
        # The check of the digest comes before anything is spent, so the request can be verified again with it. It also comes
        # before the signature: a stranger can make us hold `max_body` bytes for as long as the server lets a body take.
        if verification.verdict.code == "claim.digest_mismatch":
            body: bytes | None = yield ReadBody(self.max_body)
            digest = _UNREAD
            if body is None:
                _LOG.info("a signed body has more than %d bytes", self.max_body)
            else:
                digest = yield Call(lambda: content_digest(body), True)
            verification = yield from self._verify(request, digest, purposes)
        verdict = yield from self._complete(request, verification)
        extra = yield from self._take_feedback(request, verdict)
        headers = [*verdict.response_headers, *extra]
        if not verdict.is_allowed:
            is_robots = request.path == "/robots.txt" and request.method in ("GET", "HEAD")
            if not (is_robots and verdict.visitor in ("unsigned_browser", "unsigned_client")):
                return Answer.of(request.method, verdict.http, headers, verdict.body())
            # Rules that nobody may read bind nobody (RFC 9309 §2.3.1.3).
            headers = extra
        return Admission(verdict, headers, self._draft(request, verdict))

    def judge(self, request: Incoming) -> Generator[Step, Any, Verdict]:
        """The verdict alone, for connections that are no exchange of request and answer."""
        return (yield from self._complete(request, (yield from self._verify(request, _UNREAD))))

    def _verify(self, request: Incoming, digest: str | None, purposes: Sequence[str] = ()) -> Generator[Step, Any, Verification]:
        if self._allow_loopback and request.is_public():
            raise RuntimeError("the policy has allow_loopback, which is for development; this server listens on another address")
        verify, arguments = self.publisher.verify, (request.method, request.target, request.headers)
        verification: Verification = yield Call(lambda: verify(*arguments, body_digest=digest, purposes=purposes), self._waits)
        return verification

    def _complete(self, request: Incoming, verification: Verification) -> Generator[Step, Any, Verdict]:
        """Fetches what the verdict needs until it needs nothing more."""
        asked = False
        for _ in range(_MAX_ROUNDS):
            pending = verification.pending
            if pending is None:
                break
            for need in verification.verdict.needs:
                if need.kind == "redeem":
                    asked = True
                    pending.redeemed((yield from self._ask_broker(request, verification.verdict, need)))
                else:
                    yield Fetch(need)
            verification = yield Call(lambda pending=pending: self.publisher.resume(pending), self._waits)  # type: ignore[misc]
        if not asked:
            self._present(request, verification.verdict)
        return verification.verdict

    def _present(self, request: Incoming, verdict: Verdict) -> None:
        """Hands a visa to the redeemer. The request has been decided; what fails here is the site's loss."""
        if (
            verdict.is_allowed
            and verdict.payment.state == "visa"
            and (redeemer := self._redeemers.of(verdict.payment.issuer or "", verdict.resource))
        ):
            try:
                redeemer.push(self.publisher.presented(verdict, request.headers))
            except Exception:
                _LOG.exception("a visa cannot be redeemed")

    def _ask_broker(self, request: Incoming, verdict: Verdict, need: Need) -> Generator[Step, Any, Redemption]:
        """What the broker says about the visa and the request that brought it; whatever is no word of it opens nothing."""
        if self.redeem is None:
            return "unavailable"
        try:
            presented = self.publisher.presented(verdict, request.headers)
            redeem = self.redeem.about(verdict.resource) if isinstance(self.redeem, Clients) else self.redeem
            return checked((yield AskBroker(redeem, need, presented, verdict if self._tells_verdict else None)))
        except Exception:
            _LOG.exception("asking the broker failed")
            return "unavailable"

    def _take_feedback(self, request: Incoming, verdict: Verdict) -> Generator[Step, Any, list[tuple[str, str]]]:
        """What came in `x-imagxp-feedback`. It never decides about the request that carries it."""
        if self.on_feedback is None:
            return []
        values = request.values(_FEEDBACK)
        if len(values) != 1:
            return []
        carrier = verdict if verdict.visitor == "verified_agent" else None
        judge = Call(lambda: self.publisher.feedback(values[0], carrier=carrier), self._waits)
        taken: FeedbackVerification = yield judge
        for need in taken.verdict.needs:
            yield Fetch(need)
            taken = yield judge
        status = taken.verdict.code or "accepted"
        if taken.feedback is not None:
            try:
                yield TakeFeedback(self.on_feedback, taken.feedback, taken.verdict)
            except Exception:
                _LOG.exception("taking feedback failed")
                status = "internal.invariant"
        return [(_FEEDBACK_STATUS, status)]

    def _draft(self, request: Incoming, verdict: Verdict) -> ReceiptDraft | None:
        """Where a receipt belongs, the beginning of one."""
        if self._identity is None or self._origin is None or request.method == "HEAD":
            return None
        url = served_url(self._identity, self.policy.origins, request.host, request.target, verdict)
        if url is None:
            return None
        return ReceiptDraft(self._identity, verdict, url=url, origin=self._origin, max_body=self._max_receipt_body)


def supply(gate: Gate, need: Need) -> None:
    """Fetches one need; blocks. A failure is recorded by the publisher, whose next verdict tells it."""
    try:
        gate.resolver.supply(gate.publisher, need)
    except ImagxpError as error:
        _LOG.info("cannot use %s: %s", need.url, error)
