"""A Django project in one module: the URLs and views that the adapters' tests are served."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
from answers import PIECES, facts, stream_head
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import re_path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEBUG=False,
    LOGGING_CONFIG=None,
    MIDDLEWARE=["imagxp.django.ImagxpMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used",
    USE_I18N=False,
)
django.setup()


def view(request: HttpRequest) -> HttpResponse:
    """Tells what a view sees; under WSGI."""
    assert not any(name.lower().startswith("x-imagxp-verdict-") for name in request.headers), "headers and META agree"
    lines = [(key[5:].replace("_", "-").lower(), value) for key, value in request.META.items() if key.startswith("HTTP_")]
    verdict = request.imagxp  # type: ignore[attr-defined]
    return HttpResponse(
        facts(request.path, verdict, lines, request.body), content_type="application/json", headers={"x-app": "yes"}
    )


async def async_view(request: HttpRequest) -> HttpResponse:
    """The same under ASGI."""
    return view(request)


def stream(request: HttpRequest, length: str) -> StreamingHttpResponse:
    """Three pieces, with their length or without."""
    status, headers = stream_head(length)
    return StreamingHttpResponse(_pieces(length), status=status, headers=headers)


async def async_stream(request: HttpRequest, length: str) -> StreamingHttpResponse:
    """The same, asynchronously."""
    status, headers = stream_head(length)
    return StreamingHttpResponse(_async_pieces(length), status=status, headers=headers)


def _pieces(length: str) -> Iterator[bytes]:
    yield from PIECES
    if length == "broken":
        raise RuntimeError("the stream breaks")


async def _async_pieces(length: str) -> AsyncIterator[bytes]:
    for piece in _pieces(length):
        yield piece


urlpatterns: list[Any] = []


def use(*, asynchronous: bool) -> None:
    """Chooses the kind of views."""
    urlpatterns[:] = [
        re_path(r"^stream/(\w+)$", async_stream if asynchronous else stream),
        re_path(r"", async_view if asynchronous else view),
    ]


def synchronous(get_response: Any) -> Any:
    """A middleware of the old kind."""

    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    return middleware
