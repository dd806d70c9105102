"""FastAPI: a dependency that gives the verdict, and enforces a purpose.

    imagxp = Imagxp(app, Policy.from_file("policy.toml"), everywhere=False)

    @app.get("/article")
    async def article(verdict: Annotated[Verdict, Depends(imagxp)]) -> str:
        return f"hello {verdict.agent_id}"

    @app.get("/summary", dependencies=[Depends(imagxp.purpose("SUMMARY"))])

It stands on the ASGI middleware: [`imagxp.asgi`].
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from ._extra import missing

try:
    from fastapi import FastAPI, Request, Response
except ImportError as error:
    raise missing("fastapi", "FastAPI", "fastapi") from error

from ._imagxp import Policy, Publisher, Verdict
from .asgi import ImagxpMiddleware
from .gate import Answer, ClientGone, Gate, GateOptions
from .purpose import checked

__all__ = ["Imagxp", "Refused"]


class Refused(Exception):
    """A request that is answered before its path operation runs; `Imagxp` has a handler for it, in mounted applications too."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Imagxp:
    """Verifies an application's requests: all of them, or with `everywhere=False` those of operations that depend on this.

    Everything beside the application is said in [`imagxp.gate.Gate`]. As a dependency it gives the `Verdict`.
    """

    def __init__(
        self, app: FastAPI, policy: Policy | None = None, *, everywhere: bool = True, **options: Unpack[GateOptions]
    ) -> None:
        # FastAPI makes the middleware with the first request; wrong options are told now.
        gate = Gate(policy, **options)
        self._publisher = gate.publisher
        options = {**options, "publisher": gate.publisher, "resolver": gate.resolver, "audit": None}
        app.add_middleware(ImagxpMiddleware, None, everywhere=everywhere, **options)
        app.add_exception_handler(Refused, _answer)

    @property
    def publisher(self) -> Publisher:
        """The publisher that decides."""
        return self._publisher

    async def __call__(self, request: Request) -> Verdict:
        """The verdict on a request that may go on."""
        return await _verdict(request, ())

    def purpose(self, *purposes: str) -> Callable[[Request], Awaitable[Verdict]]:
        """A dependency that lets only verified agents pass who came for one of these; in observe mode everybody.

        Where not everything is verified before, the others are refused before a visa is spent; with `everywhere=True` name the purposes of
        what has a price in the policy's `paths`. Of several dependencies the first one names them.
        """
        wanted = checked(purposes)

        async def verified(request: Request) -> Verdict:
            return await _verdict(request, wanted)

        return verified


async def _verdict(request: Request, purposes: tuple[str, ...]) -> Verdict:
    scope = request.scope
    if "imagxp.ask" not in scope:
        raise RuntimeError("Imagxp is not around this application: Imagxp(app, policy)")
    gate: Gate = scope["imagxp.gate"]
    # A mounted application has handlers of its own, and answers 500 to what none of them takes.
    handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
    handlers.setdefault(Refused, _answer)
    try:
        outcome = await scope["imagxp.ask"](purposes)
    except ClientGone as error:
        raise Refused(Answer(400, [("content-length", "0")], b"")) from error
    refusal = outcome if isinstance(outcome, Answer) else outcome.refusal(gate, request.method, purposes)
    if refusal is not None:
        raise Refused(refusal)
    verdict: Verdict = outcome.verdict
    return verdict


async def _answer(_request: Request, refused: Any) -> Response:
    answer: Answer = refused.answer
    return Response(answer.body, answer.status, dict(answer.headers))
