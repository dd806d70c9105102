"""Flask extension and decorator.

    imagxp = Imagxp(app, Policy.from_file("policy.toml"))               # every request
    imagxp = Imagxp(app, policy, everywhere=False)                      # only views that ask

    @app.get("/article")
    @imagxp.verified("RAG_RETRIEVAL", "SUMMARY")
    def article():
        return f"hello {imagxp.verdict.agent_id}"

It stands on the WSGI middleware: [`imagxp.wsgi`].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, Unpack, cast

from ._extra import missing

try:
    import flask
except ImportError as error:
    raise missing("flask", "Flask", "flask") from error

from ._imagxp import Policy, Publisher, Verdict
from .gate import Answer, ClientGone, Gate, GateOptions
from .purpose import checked
from .wsgi import ImagxpMiddleware

__all__ = ["Imagxp"]

P = ParamSpec("P")
R = TypeVar("R")


class Imagxp:
    """Verifies an application's requests: all of them, or with `everywhere=False` those of views under `verified`.

    Everything beside the application is said in [`imagxp.gate.Gate`]. Without an `app`, call `init_app` for each.
    """

    def __init__(
        self,
        app: flask.Flask | None = None,
        policy: Policy | None = None,
        *,
        everywhere: bool = True,
        **options: Unpack[GateOptions],
    ) -> None:
        self._make: Callable[[Any], ImagxpMiddleware] = lambda inner: ImagxpMiddleware(
            inner, policy, everywhere=everywhere, **options
        )
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Puts the middleware around the application."""
        middleware = self._make(app.wsgi_app)
        app.wsgi_app = middleware  # type: ignore[method-assign, assignment]
        app.extensions["imagxp"] = middleware

    @property
    def publisher(self) -> Publisher:
        """The publisher that decides for the current application."""
        middleware: ImagxpMiddleware = flask.current_app.extensions["imagxp"]
        return middleware.publisher

    @property
    def verdict(self) -> Verdict:
        """The verdict on the current request, which a view outside `verified` has only when everything is verified."""
        verdict = flask.request.environ.get("imagxp.verdict")
        if verdict is None:
            raise RuntimeError("this request has not been verified: put @imagxp.verified() on its view")
        return cast(Verdict, verdict)

    def verified(self, *purposes: str) -> Callable[[Callable[P, R]], Callable[P, R | flask.Response]]:
        """A decorator: only requests that the policy allows reach the view.

        With `purposes` only verified agents that came for one of them do; in observe mode everything does. Where not everything is verified
        before, the others are refused before a visa is spent; with `everywhere=True` name the purposes of what has a price in the policy's
        `paths`. Of several such decorators the outermost names them.
        """
        wanted = checked(purposes)

        def decorate(view: Callable[P, R]) -> Callable[P, R | flask.Response]:
            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R | flask.Response:
                refusal = _refusal(wanted)
                if refusal is not None:
                    return _response(refusal)
                return cast(R, flask.current_app.ensure_sync(view)(*args, **kwargs))

            return guarded

        return decorate


def _refusal(purposes: tuple[str, ...]) -> Answer | None:
    environ = flask.request.environ
    if "imagxp.ask" not in environ:
        raise RuntimeError("Imagxp is not around this application: Imagxp(app, policy)")
    gate: Gate = environ["imagxp.gate"]
    try:
        outcome = environ["imagxp.ask"](purposes)
    except ClientGone:
        return Answer(400, [("content-length", "0")], b"")
    return outcome if isinstance(outcome, Answer) else outcome.refusal(gate, flask.request.method, purposes)


def _response(answer: Answer) -> flask.Response:
    response = flask.Response(answer.body, status=answer.status)
    for name, _ in answer.headers:
        response.headers.pop(name, None)
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response
