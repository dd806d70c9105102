"""WSGI middleware: one verdict per request, for any WSGI application.

    app = ImagxpMiddleware(app, policy=Policy.from_file("policy.toml"))

The verdict is in `environ["imagxp.verdict"]`. A refused request is answered here and never reaches the application. What verdicts need
is fetched in the thread of the request. What WSGI hides is said in [`imagxp.wsgi_environ`].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Unpack

from ._imagxp import Policy, Publisher
from .gate import (
    WELL_KNOWN_PATH,
    Admission,
    Answer,
    ClientGone,
    Gate,
    GateOptions,
    Incoming,
    OnFeedback,
    Redeem,
    Redemption,
)
from .gate_sync import BlockingGate
from .receipt import ReceiptDraft
from .wsgi_environ import BodyReader, Environ, incoming, remove_verdicts

__all__ = ["WELL_KNOWN_PATH", "ImagxpMiddleware", "OnFeedback", "Redeem", "Redemption"]

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]
_PAYLOAD: Final = b"x-imagxp-payload"


class StartResponse(Protocol):
    """PEP 3333's."""

    def __call__(self, status: str, headers: Headers, exc_info: ExcInfo = None, /) -> Write: ...


App = Callable[[Environ, StartResponse], Iterable[bytes]]


class ImagxpMiddleware:
    """Verifies every request before the application sees it; put it outermost.

    Everything beside the application is said in [`imagxp.gate.Gate`]; callbacks are plain functions.

    `everywhere=False` verifies a request only when the application asks: `environ["imagxp.ask"]()` gives an `Admission`, or the `Answer`
    to give instead; `["imagxp.ask"](["SUMMARY"])` refuses every other purpose, before a visa is spent.
    """

    def __init__(
        self, app: App, policy: Policy | None = None, *, everywhere: bool = True, **options: Unpack[GateOptions]
    ) -> None:
        self._app = app
        self._gate = BlockingGate(Gate(policy, **options))
        self._everywhere = everywhere

    @property
    def publisher(self) -> Publisher:
        """The publisher that decides."""
        return self._gate.gate.publisher

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        exchange: _Exchange | None = None
        answer: Answer | Admission | None
        try:
            request = incoming(environ)
            answer = self._gate.announce(request)
            if answer is None:
                # The application may read a body before it asks.
                keep = 0 if self._everywhere or not request.values(_PAYLOAD) else self._gate.gate.max_body
                exchange = _Exchange(self._gate, request, environ, start_response, keep)
                answer = exchange.ask() if self._everywhere else None
        except ClientGone:
            # Nobody reads this.
            answer = Answer(400, [("content-length", "0")], b"")
        except Exception:
            answer = Answer.fault(environ["REQUEST_METHOD"])
        if isinstance(answer, Answer):
            start_response(answer.status_line, answer.headers)
            return [answer.body]
        assert exchange is not None  # noqa: S101 (for the type checker: only an answer comes without one)
        return exchange.body(self._app(environ, exchange.start))


class _Exchange:
    """One request and its answer."""

    def __init__(self, gate: BlockingGate, request: Incoming, environ: Environ, start_response: StartResponse, keep: int) -> None:
        self._gate = gate
        self._request = request
        self._environ = environ
        self._start_response = start_response
        self._read_body = BodyReader(environ, keep)
        self._outcome: Answer | Admission | None = None
        self._held: _Held | None = None
        remove_verdicts(environ)
        environ["imagxp.ask"] = self.ask
        environ["imagxp.gate"] = gate.gate

    def ask(self, purposes: Sequence[str] = ()) -> Answer | Admission:
        """Whether the request may go on, for one of these purposes; asked again, it says the same."""
        if self._outcome is None:
            self._outcome = self._gate.admit(self._request, self._read_body, purposes)
            if isinstance(self._outcome, Admission):
                self._environ["imagxp.verdict"] = self._outcome.verdict
        return self._outcome

    def start(self, status: str, headers: Headers, exc_info: ExcInfo = None, /) -> Write:
        """The application's `start_response`: the admission's headers are added, and a receipt waits for the body."""
        admission = self._outcome if isinstance(self._outcome, Admission) else None
        if admission is not None:
            headers = [*headers, *admission.headers]
        draft = admission.receipt if admission is not None else None
        if draft is None or not draft.belongs_to(int(status[:3]), headers):
            self._held = None
            return self._start_response(status, headers, exc_info) if exc_info else self._start_response(status, headers)
        # An answer that failed may begin again: what waited of it is not sent, and not signed.
        self._held = _Held(self._start_response, draft.anew(), status, headers, exc_info)
        return self._held.write

    def body(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """The application's body, in which a receipt's head may wait."""
        if isinstance(chunks, list | tuple) and self._held is not None and len(chunks) <= 1:
            return self._held.whole(chunks)
        if self._held is None and (isinstance(chunks, list | tuple) or self._never_held):
            return chunks
        # A generator calls `start` later.
        return _Body(self, chunks)

    @property
    def _never_held(self) -> bool:
        return isinstance(self._outcome, Admission) and self._outcome.receipt is None

    @property
    def held(self) -> _Held | None:
        """The head that waits, if one does."""
        return self._held


class _Held:
    """The head of an answer that waits for its receipt."""

    def __init__(
        self, start_response: StartResponse, draft: ReceiptDraft, status: str, headers: Headers, exc_info: ExcInfo
    ) -> None:
        self._start_response = start_response
        self._draft = draft
        self._status = status
        self._headers = headers
        self._exc_info = exc_info
        self._write: Write | None = None
        self._waiting: list[bytes] = []

    def write(self, chunk: bytes, /) -> None:
        """What PEP 3333 keeps for old applications: it must be sent at once."""
        self.send()(chunk)

    def whole(self, chunks: list[bytes] | tuple[bytes, ...]) -> list[bytes]:
        """The body is complete: the receipt becomes a header."""
        for chunk in chunks:
            self._draft.update(chunk)
        self.end()
        return list(chunks)

    def take(self, chunk: bytes) -> list[bytes]:
        """The next piece, and what may be sent now."""
        if self._write is not None:
            return [chunk]
        self._draft.update(chunk)
        self._waiting.append(chunk)
        if self._draft.may_wait(self._headers):
            return []
        self.send()
        return self.rest()

    def end(self) -> list[bytes]:
        """The end of the body, and what may be sent now."""
        if self._write is None:
            self._headers = [*self._headers, *self._draft.headers()]
            self.send()
        return self.rest()

    def rest(self) -> list[bytes]:
        """What waits no longer."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def send(self) -> Write:
        """Sends the head."""
        if self._write is None:
            arguments = (self._status, self._headers, self._exc_info) if self._exc_info else (self._status, self._headers)
            self._write = self._start_response(*arguments)
        return self._write


class _Body:
    """An application's body, of which some may wait for the head."""

    def __init__(self, exchange: _Exchange, chunks: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        for chunk in self._chunks:
            # An empty piece means nothing, and nothing may be sent before the head.
            yield from exchange.held.take(chunk) if exchange.held is not None else [chunk]
        if exchange.held is not None:
            yield from exchange.held.end()

    def close(self) -> Any:
        """Tells the application that its body is not needed any more."""
        close = getattr(self._chunks, "close", None)
        return close() if close is not None else None
