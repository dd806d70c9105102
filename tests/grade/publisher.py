"""The site that is graded: everything that its verifier lets pass is a page. PORT and POLICY are in the environment."""

import os
from pathlib import Path

import uvicorn
from imagxp import Policy
from imagxp.asgi import ImagxpMiddleware


async def page(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"page\n"})


policy = Policy.from_json(Path(os.environ["POLICY"]).read_bytes())
uvicorn.run(ImagxpMiddleware(page, policy), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", lifespan="off")
