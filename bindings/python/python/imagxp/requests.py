"""Signing and paying for requests.

    session.auth = ImagxpAuth(identity, purpose="RAG_RETRIEVAL")                         # signs
    session.mount("https://", ImagxpAdapter(identity, "RAG_RETRIEVAL", wallet=wallet, brokers=["https://broker.example"]))  # and pays

Every request is signed anew, and no signature or visa follows a redirect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final, NoReturn, cast

from ._extra import missing

try:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from requests.structures import CaseInsensitiveDict
    from requests.utils import rewind_body
    from urllib3.exceptions import MaxRetryError, NewConnectionError
    from urllib3.util.retry import Retry
except ImportError as error:
    raise missing("requests", "requests", "requests") from error

from ._imagxp import Identity, Wallet, user_agent
from .beginning import MAX_OFFER_BYTES
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
    same_origin,
    signed_url,
)
from .errors import UsageError
from .requests_body import beginning

__all__ = ["ImagxpAdapter", "ImagxpAuth"]

# Only these may be sent again by us; anything else could happen twice.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
# The attribute of a request whose read has paid.
_PAID: Final = "_imagxp_paid"


class ImagxpAuth(AuthBase):
    """Signs each request with a new nonce, and adds `IMAGXP/1.0` to its User-Agent; a 402 stays a 402.

    Redirects that the session follows never carry these headers; a redirected GET or HEAD that stayed on its origin is signed anew and
    repeated. `origins` restricts signing to those: requests to others go out as they are. `options` are those of a single request:
    `visa`, `proof`, `ads_displayed`, `context`, `feedback`. A visa, a proof and feedback are for one site, and need `origins`.
    """

    def __init__(
        self,
        identity: Identity,
        purpose: str,
        *,
        origins: Collection[str] | None = None,
        compatible: bool = False,
        **options: Any,
    ) -> None:
        self._client = Client(identity, purpose, compatible=compatible)
        self._options = Options.of(options, purpose)
        self._origins = Origins(origins, self._options)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Signs a prepared request."""
        if not self._origins.include(cast(str, r.url)):
            return r
        feedback = FeedbackStatus(self._options)
        self._sign(r, feedback)
        r.register_hook("response", _Hops(self, cast(str, r.url), feedback).answered)  # type: ignore[no-untyped-call]
        return r

    def _sign(self, request: requests.PreparedRequest, feedback: FeedbackStatus) -> None:
        url = signed_url(cast(str, request.url))
        signed = self._client.headers(cast(str, request.method), url, feedback.of(self._options), body=_bytes(request.body))
        _set_headers(request, signed)


class _Hops:
    """The answers to one request and to what it was redirected to."""

    def __init__(self, auth: ImagxpAuth, url: str, feedback: FeedbackStatus) -> None:
        self._auth = auth
        self._feedback = feedback
        self._url = url
        # Once elsewhere, always elsewhere: what another origin redirects to is that origin's choice.
        self._left = False

    def answered(self, response: requests.Response, **options: Any) -> requests.Response:
        request = response.request
        if _is_signed(request):
            self._feedback.note(response.headers)
        self._feedback.tell(response.headers)
        self._left = self._left or not same_origin(cast(str, request.url), self._url)
        if self._left or _is_signed(request) or response.is_redirect or request.method not in _SAFE_METHODS:
            return response
        again = request.copy()
        self._auth._sign(again, self._feedback)
        # Gives the connection back.
        response.content  # noqa: B018
        response.close()
        adapter: HTTPAdapter = response.connection
        repeated = adapter.send(again, **options)
        self._feedback.note(repeated.headers)
        self._feedback.tell(repeated.headers)
        repeated.history.append(response)
        return repeated


class ImagxpAdapter(HTTPAdapter):
    """Signs each request that goes through it, and pays for what a 402 offers from a wallet, within its caps.

    Each hop of a redirect is a request of its own, signed for its own URL. Mount it where you mean to sign: `https://`, or one origin. The
    paid request is sent once, newly signed, and one read pays once over its redirects. What is not bought stays a 402, with the reason as
    the attribute `imagxp` of the response, an `ImagxpError`. A payment of unknown end raises `ReadError` (`spend.unknown`): it counts as
    spent, and the next 402 asks about it, never pays again.

    `options` are those of `HTTPAdapter`; `max_retries` may repeat connecting only, because a signature is good for one request:
    `Retry(connect=3, read=False, status=0, other=0, respect_retry_after_header=False)`.
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if _repeats(self.max_retries):
            recommended = "Retry(connect=3, read=False, status=0, other=0, respect_retry_after_header=False)"
            raise UsageError("usage.argument", f"max_retries would send a signature twice: {recommended}, or none")
        self._client = Client(
            identity, purpose, wallet=wallet, brokers=brokers, compatible=compatible, allow_loopback=allow_loopback
        )
        self._options = Options.of(None, purpose)

    def __getstate__(self) -> NoReturn:
        """Refused, also for a session that has one: what `HTTPAdapter` copies is an adapter without key and wallet."""
        raise TypeError("an ImagxpAdapter cannot be pickled or copied: its key and its wallet stay here; mount a new one")

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Sends one request."""
        url, method, body = signed_url(cast(str, request.url)), cast(str, request.method), _bytes(request.body)
        how = {"verify": verify, "cert": cert, "proxies": proxies}
        paid = _PaidCopies.belongs(request)
        response: requests.Response | None = None
        reply: Any = None
        with closing(self._client.exchange(method, url, self._options, body, paid=paid)) as exchange:
            while True:
                try:
                    step = exchange.send(reply)
                except StopIteration as end:
                    assert response is not None  # noqa: S101 (for the type checker: an exchange sends)
                    response.imagxp = end.value  # type: ignore[attr-defined]
                    if paid and response.is_redirect:
                        _PaidCopies.begin(request)
                    return response
                if isinstance(step, Call):
                    reply = step.act()
                elif isinstance(step, ReadOffer):
                    assert response is not None  # noqa: S101 (for the type checker: what is read was sent)
                    reply = beginning(response) if _may_repeat(request) else b""
                elif isinstance(step, AskBroker):
                    reply = self._ask(step, timeout or BROKER_TIMEOUT, how)
                else:
                    if response is not None:
                        paid = True
                        response.close()
                        if request.body is not None and body is None:
                            rewind_body(request)
                    signed = request.copy()
                    _set_headers(signed, step.headers)
                    response = super().send(signed, stream=stream, timeout=timeout, **how)
                    reply = response.status_code

    def _ask(self, step: AskBroker, timeout: Any, how: Mapping[str, Any]) -> BrokerAnswer | BrokerFailure:
        headers = {**dict(step.headers), "accept-encoding": "identity"}
        form = requests.Request(step.method, step.url, headers=headers, data=step.body).prepare()
        try:
            with super().send(form, stream=True, timeout=timeout, **how) as answer:
                body: bytes = answer.raw.read(MAX_OFFER_BYTES + 1, decode_content=False)
        except requests.RequestException as error:
            return BrokerFailure(type(error).__name__, sent=not _was_unsent(error))
        except Exception as error:
            # What urllib3 raises while a body is read.
            return BrokerFailure(type(error).__name__)
        return BrokerAnswer(answer.status_code, body)


def _repeats(retries: Retry) -> bool:
    """Whether urllib3 would send a request again that may have been sent."""
    # Whatever the list of statuses says, it obeys `Retry-After` of 413, 429 and 503.
    answers = retries.status or retries.status_forcelist or (retries.total and retries.respect_retry_after_header)
    # Without a number of its own `total` bounds what else goes wrong, such as TLS that breaks off.
    others = retries.other or (retries.other is None and retries.total != 0)
    return bool(retries.read not in (False, 0) or answers or others)


class _PaidCopies:
    """Copies a request whose read has paid; the session makes a copy for where it is redirected to.

    A test holds requests to that.
    """

    def __init__(self, request: requests.PreparedRequest) -> None:
        self._copy = request.copy

    def __call__(self) -> requests.PreparedRequest:
        copy = self._copy()
        copy.__dict__[_PAID] = True
        return copy

    @staticmethod
    def belongs(request: requests.PreparedRequest) -> bool:
        """Whether this is a copy of such a request. One that is sent once more begins another read."""
        if isinstance(copies := request.__dict__.get("copy"), _PaidCopies):
            request.copy = copies._copy  # type: ignore[method-assign]
        return bool(request.__dict__.get(_PAID))

    @classmethod
    def begin(cls, request: requests.PreparedRequest) -> None:
        """From here on copies of this request belong to a read that has paid."""
        request.copy = cls(request)  # type: ignore[method-assign]


def _set_headers(request: requests.PreparedRequest, signed: Sequence[tuple[str, str]]) -> None:
    """Gives the request these headers of ours, and no others; a copy of it, which requests makes for a redirect, has none."""
    request.headers = _without_ours(request.headers)
    request.headers["User-Agent"] = user_agent(str(request.headers.get("User-Agent") or ""))
    request.headers.update(signed)
    # A test holds requests to that.
    request.copy = partial(_unsigned_copy, request)  # type: ignore[method-assign]


def _is_signed(request: requests.PreparedRequest) -> bool:
    return "copy" in request.__dict__


def _unsigned_copy(request: requests.PreparedRequest) -> requests.PreparedRequest:
    copy = requests.PreparedRequest.copy(request)
    copy.headers = _without_ours(copy.headers)
    return copy


def _without_ours(headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
    return CaseInsensitiveDict({name: value for name, value in headers.items() if not name.lower().startswith(OURS)})


def _bytes(body: Any) -> bytes | None:
    """A body that can be signed: a stream cannot."""
    if isinstance(body, str):
        return body.encode("utf-8")
    return body if isinstance(body, bytes) else None


def _may_repeat(request: requests.PreparedRequest) -> bool:
    return request.body is None or _bytes(request.body) is not None or isinstance(getattr(request, "_body_position", None), int)


def _was_unsent(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
