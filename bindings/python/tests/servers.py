"""Every server adapter around the same application, on a real server of its framework."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import flask
from answers import PIECES, facts, stream_head
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from imagxp import Policy, Verdict
from imagxp import fastapi as imagxp_fastapi
from imagxp import flask as imagxp_flask
from imagxp.asgi import ImagxpMiddleware as AsgiMiddleware
from imagxp.wsgi import ImagxpMiddleware as WsgiMiddleware
from support import respond, serving
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server

Start = Callable[[socket.socket, Policy, dict[str, Any]], Any]
HEADERS = {"content-type": "application/json", "x-app": "yes"}


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def _running(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def _wsgiref(listener: socket.socket, app: Any, handler: type[Any] = _Quiet) -> Any:
    server = _Threaded(listener.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(app)
    return _running(server)


def asgi(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """A plain ASGI application on uvicorn."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/stream/"):
            status, head = stream_head(scope["path"].removeprefix("/stream/"))
            encoded = [(name.encode(), value.encode()) for name, value in head.items()]
            await send({"type": "http.response.start", "status": status, "headers": encoded})
            for piece in PIECES:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        encoded = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await respond(send, 200, facts(scope["path"], scope["imagxp"], lines, body), encoded)

    return serving(AsgiMiddleware(app, policy, **options), listener, lifespan="off")


def wsgi(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """A plain WSGI application on wsgiref."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith("/stream/"):
            status, head = stream_head(path.removeprefix("/stream/"))
            start_response(f"{status} Streamed", list(head.items()))
            return iter(PIECES)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        lines = [(key[5:].replace("_", "-"), value) for key, value in environ.items() if key.startswith("HTTP_")]
        body = facts(path, environ["imagxp.verdict"], lines, environ["wsgi.input"].read(length))
        start_response("200 OK", list(HEADERS.items()))
        return [body]

    return _wsgiref(listener, WsgiMiddleware(app, policy, **options))


def _flask(listener: socket.socket, policy: Policy, options: dict[str, Any], everywhere: bool) -> Any:
    app = flask.Flask(__name__, static_folder=None)
    imagxp = imagxp_flask.Imagxp(app, policy, everywhere=everywhere, **options)
    guard = (lambda view: view) if everywhere else imagxp.verified()

    @app.route("/stream/<length>")
    @guard
    def stream(length: str) -> flask.Response:
        return flask.Response(iter(PIECES), *stream_head(length))

    @app.route("/", defaults={"rest": ""}, methods=["GET", "POST"])
    @app.route("/<path:rest>", methods=["GET", "POST"])
    @guard
    def echo(rest: str) -> flask.Response:
        request = flask.request
        body = facts(request.path, imagxp.verdict, request.headers.items(), request.get_data())
        return flask.Response(body, headers=HEADERS)

    class Quiet(WerkzeugHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    host, port = listener.getsockname()
    server = make_server(host, port, app, threaded=True, request_handler=Quiet, fd=listener.fileno())
    # It has a descriptor of its own for the same socket.
    listener.close()
    return _running(server)


def flask_everywhere(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """Flask on werkzeug, verified everywhere."""
    return _flask(listener, policy, options, True)


def flask_views(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """Flask on werkzeug, verified by the views' decorator."""
    return _flask(listener, policy, options, False)


def django_wsgi(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """Django as `runserver` serves it."""
    import django_site
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.servers.basehttp import WSGIRequestHandler as DjangoHandler
    from django.test import override_settings

    class Quiet(DjangoHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    django_site.use(asynchronous=False)
    with override_settings(IMAGXP=_settings(policy, options)):
        handler = WSGIHandler()
    return _wsgiref(listener, handler, Quiet)


def django_asgi(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """Django on uvicorn, asynchronous to the view."""
    import django_site
    from django.core.handlers.asgi import ASGIHandler
    from django.test import override_settings

    django_site.use(asynchronous=True)
    with override_settings(IMAGXP=_settings(policy, options)):
        handler = ASGIHandler()
    return serving(handler, listener, lifespan="off")


def _settings(policy: Policy, options: dict[str, Any]) -> dict[str, Any]:
    return {"POLICY": policy, **{name.upper(): value for name, value in options.items()}}


def _fastapi(listener: socket.socket, policy: Policy, options: dict[str, Any], everywhere: bool) -> Any:
    app = FastAPI(openapi_url=None)
    imagxp = imagxp_fastapi.Imagxp(app, policy, everywhere=everywhere, **options)

    @app.get("/stream/{length}", dependencies=[Depends(imagxp)])
    async def stream(length: str) -> StreamingResponse:
        return StreamingResponse(iter(PIECES), *stream_head(length))

    @app.post("/{rest:path}")
    @app.head("/{rest:path}")
    @app.get("/{rest:path}")
    async def echo(request: Request, verdict: Verdict = Depends(imagxp)) -> Response:  # noqa: B008 (as FastAPI has it)
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        return Response(facts(request.url.path, verdict, lines, await request.body()), headers=HEADERS)

    return serving(app, listener, lifespan="off")


def fastapi_everywhere(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """FastAPI on uvicorn, verified everywhere; the dependency gives the verdict."""
    return _fastapi(listener, policy, options, True)


def fastapi_dependency(listener: socket.socket, policy: Policy, options: dict[str, Any]) -> Any:
    """FastAPI on uvicorn, verified by the dependency."""
    return _fastapi(listener, policy, options, False)


ADAPTERS: dict[str, Start] = {
    start.__name__: start
    for start in (
        asgi,
        wsgi,
        flask_everywhere,
        flask_views,
        django_wsgi,
        django_asgi,
        fastapi_everywhere,
        fastapi_dependency,
    )
}
