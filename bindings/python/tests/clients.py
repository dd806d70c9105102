"""What the clients' tests share: servers that remember what they were asked, a broker, and one way to ask with each client."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import imagxp
import requests
from imagxp import Identity
from imagxp.aiohttp import ImagxpMiddleware
from imagxp.httpx import ImagxpAuth as HttpxImagxpAuth
from imagxp.requests import ImagxpAdapter, ImagxpAuth
from support import address, reserve, respond, respond_in_pieces


class Recorder:
    """A server that answers by rules and remembers what it was asked."""

    def __init__(self) -> None:
        self.listener = reserve()
        self.origin = f"http://{address(self.listener)}"
        self.requests: list[dict[str, Any]] = []
        self.redirects: dict[str, str] = {}
        self.answers: dict[str, list[tuple[int, bytes]]] = {}
        # Where to, when there are no answers left.
        self.moved: dict[str, str] = {}
        self.in_pieces = False
        self.gzipped = False
        self.cookie: bytes | None = None
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(name.decode().lower(), value.decode()) for name, value in scope["headers"]]
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.requests.append({"method": scope["method"], "target": target, "headers": headers, "body": body})
        waiting = self.answers.get(scope["path"])
        location = self.redirects.get(scope["path"]) or (None if waiting else self.moved.get(scope["path"]))
        if location is not None:
            await respond(send, 302, b"", [(b"location", location.encode()), (b"content-length", b"0")])
        else:
            status, answer = waiting.pop(0) if waiting else (200, b"ok")
            await self.respond(send, status, answer)

    async def respond(self, send: Any, status: int, body: bytes) -> None:
        """One answer, as something between us and the client would have it."""
        headers = [(b"content-type", b"application/json"), *self.headers]
        if self.cookie is not None:
            headers.append((b"set-cookie", self.cookie))
        if self.gzipped:
            body = gzip.compress(body)
            headers.append((b"content-encoding", b"gzip"))
        if self.in_pieces:
            await respond_in_pieces(send, status, body, headers)
        else:
            await respond(send, status, body, [*headers, (b"content-length", str(len(body)).encode())])

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The requests for one path."""
        return [request for request in self.requests if request["target"] == path]


class Broker(Recorder):
    """Sells what it is asked for; a purchase that is asked about again gets the same visa."""

    def __init__(self) -> None:
        super().__init__()
        self.key = imagxp.PrivateKey.generate()
        self.sold: dict[str, str] = {}
        self.status = 200
        self.padding = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from urllib.parse import parse_qs

        message = await receive()
        headers = dict(scope["headers"])
        assert not [name for name in headers if name.startswith(b"x-imagxp-")]
        assert b"cookie" not in headers
        form = {name: values[0] for name, values in parse_qs(message["body"].decode()).items()}
        self.requests.append(form)
        purchase = headers[b"idempotency-key"].decode()
        assertion = form["client_assertion"]
        if self.status != 200:
            await self.respond(send, self.status, b"{}")
            return
        agent_id = imagxp.assertion_agent(assertion, allow_loopback=True)
        self.sold.setdefault(
            purchase,
            imagxp.issue_visa(
                self.key,
                issuer=self.origin,
                audience=form["resource"],
                agent_id=agent_id,
                jti=purchase,
                amount=form["amount"],
                currency=form["currency"],
                allow_loopback=True,
            ),
        )
        answer = json.dumps({"access_token": self.sold[purchase], "token_type": "Bearer", "expires_in": 600}).encode()
        await self.respond(send, 200, answer + b" " * self.padding)


def ours(request: dict[str, Any]) -> list[str]:
    return [name for name, _ in request["headers"] if name.startswith("x-imagxp-")]


def header(request: dict[str, Any], name: str) -> str:
    (value,) = [value for candidate, value in request["headers"] if candidate == name]
    return str(value)


def claim(request: dict[str, Any]) -> dict[str, Any]:
    claim: dict[str, Any] = json.loads(base64.b64decode(header(request, "x-imagxp-payload")))
    return claim


def offer(broker: Broker, price: str = "0.05") -> bytes:
    brokers = [{"issuer": broker.origin, "token_endpoint": broker.origin + "/oauth/token"}]
    terms = {"price": price, "currency": "EUR", "purposes": ["SUMMARY"], "brokers": brokers}
    return json.dumps({"error": {"code": "payment.required"}, "offer": terms}).encode()


def is_good(request: dict[str, Any], agent: Identity, url: str) -> bool:
    """Whether a request is signed by the agent, for this URL, once."""
    payload = base64.b64decode(header(request, "x-imagxp-payload"))
    signature = bytes.fromhex(header(request, "x-imagxp-signature"))
    said = claim(request)
    assert header(request, "user-agent").endswith("IMAGXP/1.0")
    return agent.public_key.verify(payload, signature) and (said["resource"], said["method"]) == (url, request["method"])


class Client:
    """One way to ask: `ask` gives status and body of each."""

    def __init__(self, agent: Identity, **options: Any) -> None:
        self.agent = agent
        self.options = options
        self.reasons: list[Any] = []

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        raise NotImplementedError


class RequestsAuth(Client):
    """`requests` with `ImagxpAuth`: signs only."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        with requests.Session() as session:
            session.trust_env = False
            session.auth = ImagxpAuth(self.agent, "SUMMARY", **self.options)
            answers = [session.request(method, url, data=body, headers=headers, timeout=10) for method, url in asked]
        return [(answer.status_code, answer.content) for answer in answers]


class RequestsAdapter(Client):
    """`requests` with `ImagxpAdapter`."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", ImagxpAdapter(self.agent, "SUMMARY", **self.options))
            session.cookies.set("session", "secret")
            answers = [session.request(method, url, data=body, headers=headers, timeout=10) for method, url in asked]
        self.reasons += [getattr(answer, "imagxp", None) for answer in answers]
        return [(answer.status_code, answer.content) for answer in answers]


class Aiohttp(Client):
    """`aiohttp` with the middleware."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        return asyncio.run(self._ask(*asked, body=body, headers=headers))

    async def _ask(self, *asked: tuple[str, str], body: bytes | None, headers: Any) -> list[tuple[int, bytes]]:
        middleware = ImagxpMiddleware(
            self.agent, "SUMMARY", on_unpaid=lambda url, error: self.reasons.append(error), **self.options
        )
        jar = aiohttp.CookieJar(unsafe=True)
        answers = []
        async with aiohttp.ClientSession(middlewares=[middleware], cookie_jar=jar, cookies={"session": "secret"}) as session:
            for method, url in asked:
                async with session.request(method, url, data=body, headers=headers) as answer:
                    answers.append((answer.status, await answer.read()))
        return answers


class Httpx(Client):
    """`httpx.Client`, which follows redirects as the others do."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        auth = HttpxImagxpAuth(self.agent, "SUMMARY", **self.options)
        with httpx.Client(auth=auth, trust_env=False, timeout=10, follow_redirects=True) as client:
            answers = [client.request(method, url, content=body, headers=headers) for method, url in asked]
        self.reasons += [answer.extensions.get("imagxp") for answer in answers]
        return [(answer.status_code, answer.content) for answer in answers]


class HttpxAsync(Client):
    """`httpx.AsyncClient`, which follows redirects as the others do."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        return asyncio.run(self._ask(*asked, body=body, headers=headers))

    async def _ask(self, *asked: tuple[str, str], body: bytes | None, headers: Any) -> list[tuple[int, bytes]]:
        auth = HttpxImagxpAuth(self.agent, "SUMMARY", **self.options)
        async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=10, follow_redirects=True) as client:
            answers = [await client.request(method, url, content=body, headers=headers) for method, url in asked]
        self.reasons += [answer.extensions.get("imagxp") for answer in answers]
        return [(answer.status_code, answer.content) for answer in answers]


def crawl(requests: list[dict[str, Any]], follow: dict[str, list[str]] | None = None, **settings: Any) -> dict[str, Any]:
    """A crawl as a process of its own; `follow`: what a page leads to, asked for with the same meta."""
    job = json.dumps({"requests": requests, "settings": settings, "follow": follow or {}})
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("crawl.py"))],
        input=job,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found["log"] = done.stderr
    return found
