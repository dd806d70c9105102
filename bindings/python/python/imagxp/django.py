"""Django middleware, for synchronous and asynchronous servers.

    MIDDLEWARE = ["imagxp.django.ImagxpMiddleware", ...]       # first
    IMAGXP = {"POLICY": BASE_DIR / "policy.toml"}

The verdict is in `request.imagxp`. A refused request is answered here; no other middleware and no view sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import chain
from os import PathLike
from typing import Any, Final, ParamSpec, TypeVar

from ._extra import missing

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
    from django.db import close_old_connections
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
    from django.http.response import HttpResponseBase
    from django.utils.module_loading import import_string
except ImportError as error:
    raise missing("django", "Django", "django") from error

from . import asgi_scope, wsgi_environ
from ._imagxp import Policy, Publisher
from .gate import Admission, Answer, ClientGone, Gate, Incoming
from .gate_async import AsyncGate
from .gate_sync import BlockingGate
from .receipt import ReceiptDraft

__all__ = ["SETTINGS", "ImagxpMiddleware"]

P = ParamSpec("P")
R = TypeVar("R")

SETTINGS: Final = {
    "POLICY": "policy",
    "PUBLISHER": "publisher",
    "RESOLVER": "resolver",
    "REDEEM": "redeem",
    "MAX_REDEEMING": "max_redeeming",
    "REDEEMER": "redeemer",
    "MAX_FETCHING": "max_fetching",
    "MAX_BODY": "max_body",
    "IDENTITY": "identity",
    "MANIFEST": "manifest",
    "MAX_RECEIPT_BODY": "max_receipt_body",
    "ON_FEEDBACK": "on_feedback",
    "AUDIT": "audit",
}
"""The members of the setting `IMAGXP`, and the options of [`imagxp.gate.Gate`] that they are.

`POLICY` may also be a mapping or the path of a file. Any other that is a dotted path names an object to import.
"""
# Nobody reads this.
_GONE: Final = 400


class ImagxpMiddleware:
    """Verifies every request; put it first, so that nothing changes an answer after its receipt.

    It works in synchronous and asynchronous chains alike. Under WSGI, [`imagxp.wsgi_environ`] says what the server hides.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        gate = _configured()
        is_async = iscoroutinefunction(get_response)
        self._blocking = None if is_async else BlockingGate(gate)
        self._async = AsyncGate(gate, _with_connections) if is_async else None
        self._gate = gate
        if is_async:
            markcoroutinefunction(self)

    @property
    def publisher(self) -> Publisher:
        """The publisher that decides."""
        return self._gate.publisher

    def __call__(self, request: HttpRequest) -> Any:
        """Answers one request; a coroutine in an asynchronous chain."""
        return self._acall(request) if self._async is not None else self._call(request)

    def _call(self, request: HttpRequest) -> HttpResponseBase:
        assert self._blocking is not None  # noqa: S101 (for the type checker)
        outcome: Answer | Admission | None
        try:
            arrived = _incoming(request)
            outcome = self._blocking.announce(arrived)
            if outcome is None:
                _remove_verdicts(request)
                outcome = self._blocking.admit(arrived, lambda limit: _body(request, limit))
        except ClientGone:
            return HttpResponse(status=_GONE)
        except Exception:
            outcome = Answer.fault(request.method or "GET")
        if isinstance(outcome, Answer):
            return _response(outcome)
        request.imagxp = outcome.verdict  # type: ignore[attr-defined]
        response: HttpResponseBase = self._get_response(request)
        _add(response, outcome.headers)
        draft = _draft(outcome, response)
        if draft is not None and isinstance(response, StreamingHttpResponse):
            # An asynchronous stream in a synchronous chain is Django's to read.
            complete = not response.is_async and _gathered(response, draft)
            draft = draft if complete else None
        return _with_receipt(response, draft)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        assert self._async is not None  # noqa: S101 (for the type checker)
        outcome: Answer | Admission | None

        async def body(limit: int) -> bytes | None:
            return await _in_thread(_body, request, limit)

        try:
            arrived = _incoming(request)
            outcome = await self._async.announce(arrived)
            if outcome is None:
                _remove_verdicts(request)
                outcome = await self._async.admit(arrived, body)
        except ClientGone:
            return HttpResponse(status=_GONE)
        except Exception:
            outcome = Answer.fault(request.method or "GET")
        if isinstance(outcome, Answer):
            return _response(outcome)
        request.imagxp = outcome.verdict  # type: ignore[attr-defined]
        response: HttpResponseBase = await self._get_response(request)
        _add(response, outcome.headers)
        draft = _draft(outcome, response)
        if draft is not None and isinstance(response, StreamingHttpResponse):
            gathered = _gathered_async(response, draft) if response.is_async else _in_thread(_gathered, response, draft)
            draft = draft if await gathered else None
        if draft is not None and draft.waits:
            return await _in_thread(_with_receipt, response, draft)
        return _with_receipt(response, draft)


def _with_connections(call: Callable[P, R]) -> Callable[P, R]:
    """Django closes what is dead of a thread's database connections where a request begins and ends; in threads of ours none does."""

    def calling(*arguments: P.args, **named: P.kwargs) -> R:
        close_old_connections()
        try:
            return call(*arguments, **named)
        finally:
            close_old_connections()

    return calling


async def _in_thread(call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    return await asyncio.to_thread(_with_connections(call), *arguments, **named)


def _configured() -> Gate:
    """The gate of the setting `IMAGXP`."""
    given = getattr(settings, "IMAGXP", None)
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("the setting IMAGXP is missing: IMAGXP = {'POLICY': 'policy.toml'}")
    unknown = given.keys() - SETTINGS.keys()
    if unknown:
        raise ImproperlyConfigured(f"unknown members of the setting IMAGXP: {', '.join(sorted(map(str, unknown)))}")
    options = {SETTINGS[name]: _loaded(name, value) for name, value in given.items()}
    try:
        return Gate(**options)
    except TypeError as error:
        raise ImproperlyConfigured(f"the setting IMAGXP: {error}") from error


def _loaded(name: str, value: Any) -> Any:
    if name == "POLICY" and isinstance(value, Mapping):
        return Policy.from_dict(value)
    if name == "POLICY" and isinstance(value, str | PathLike):
        return Policy.from_file(value)
    return import_string(value) if isinstance(value, str) else value


def _incoming(request: HttpRequest) -> Incoming:
    scope = getattr(request, "scope", None)
    if scope is not None:
        # Django joins lines of one name; the scope has them apart. The mount may be a setting (`FORCE_SCRIPT_NAME`).
        return asgi_scope.incoming({**scope, "root_path": request.META["SCRIPT_NAME"]}, scope["method"])
    # Django has decoded both.
    paths = {name: request.META[name].encode().decode("latin-1") for name in ("SCRIPT_NAME", "PATH_INFO")}
    return wsgi_environ.incoming({**request.META, **paths})


def _remove_verdicts(request: HttpRequest) -> None:
    wsgi_environ.remove_verdicts(request.META)
    # It is made from META when it is first asked for.
    request.__dict__.pop("headers", None)


def _body(request: HttpRequest, limit: int) -> bytes | None:
    """The whole body, which stays readable; `None` when it is larger than `limit` or than Django's own bound."""
    if "_body" not in request.__dict__ and "CONTENT_LENGTH" in request.META:
        declared = request.META["CONTENT_LENGTH"] or "0"
        if declared.isascii() and declared.isdigit() and int(declared) > limit:
            return None
    try:
        body: bytes = request.body
    except RequestDataTooBig:
        return None
    except UnreadablePostError as error:
        raise ClientGone from error
    return body if len(body) <= limit else None


def _response(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def _add(response: HttpResponseBase, headers: Iterable[tuple[str, str]]) -> None:
    for name, value in headers:
        # Django keeps one value per name.
        own = response.headers.get(name) if name.lower() == "link" else None
        response.headers[name] = f"{own}, {value}" if own else value


def _draft(admission: Admission, response: HttpResponseBase) -> ReceiptDraft | None:
    """The receipt, if it belongs to this answer and can wait for its body."""
    draft, headers = admission.receipt, list(response.items())
    if draft is None or not draft.belongs_to(response.status_code, headers):
        return None
    return draft if not response.streaming or draft.may_wait(headers) else None


def _with_receipt(response: HttpResponseBase, draft: ReceiptDraft | None) -> HttpResponseBase:
    if draft is None:
        return response
    if isinstance(response, HttpResponse):
        draft.update(response.content)
    _add(response, draft.headers())
    return response


def _gathered(response: StreamingHttpResponse, draft: ReceiptDraft) -> bool:
    """Whether the whole stream has come within its bounds; either way all of it is still there."""
    headers = list(response.items())
    content: Iterator[bytes] = iter(response.streaming_content)  # type: ignore[arg-type]
    chunks: list[bytes] = []
    complete = False
    while not complete and draft.may_wait(headers):
        chunk = next(content, None)
        complete = chunk is None
        if chunk is not None:
            draft.update(chunk)
            chunks.append(chunk)
    response.streaming_content = chain(chunks, content)
    return complete


async def _gathered_async(response: StreamingHttpResponse, draft: ReceiptDraft) -> bool:
    """[`_gathered`] for asynchronous streams."""
    headers = list(response.items())
    content: AsyncIterator[bytes] = aiter(response.streaming_content)  # type: ignore[arg-type]
    chunks: list[bytes] = []
    complete = False
    while not complete and draft.may_wait(headers):
        chunk = await anext(content, None)
        complete = chunk is None
        if chunk is not None:
            draft.update(chunk)
            chunks.append(chunk)
    response.streaming_content = _chained(chunks, content)
    return complete


async def _chained(chunks: list[bytes], content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    async for chunk in content:
        yield chunk
