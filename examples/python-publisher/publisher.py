"""A publisher: a Starlette site whose readers are verified before they reach it.

IMAGXP_POLICY=policy.toml uvicorn publisher:app
"""

from __future__ import annotations

import os
from pathlib import Path

from imagxp import Policy, Verdict
from imagxp.asgi import ImagxpMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


async def article(request: Request) -> Response:
    """Serves an article to whoever got this far."""
    verdict: Verdict = request.scope["imagxp"]
    reader = verdict.agent_id or verdict.visitor
    return PlainTextResponse(f"Article {request.path_params['number']}, for {reader}.\n")


site = Starlette(
    routes=[Route("/posts/{number:int}", article), Route("/premium/{number:int}", article)],
)
default_policy = Path(__file__).with_name("policy.toml")
app = ImagxpMiddleware(site, Policy.from_file(os.environ.get("IMAGXP_POLICY", default_policy)))
