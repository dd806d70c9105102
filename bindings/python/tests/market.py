"""A site that charges and a broker that sells visas for it, both on loopback: what they receive is what counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import imagxp
from imagxp import Caps, Identity, PrivateKey, Publisher
from imagxp.asgi import ImagxpMiddleware
from support import SECRET, Server, policy, respond

FORM = "application/x-www-form-urlencoded"


class Broker:
    """A token endpoint that verifies each client assertion against the agent's manifest and keeps its word per Idempotency-Key."""

    def __init__(self, agent: Identity) -> None:
        self.agent = agent
        self.key = PrivateKey.generate()
        self.keys: list[str] = []
        self.jtis: set[str] = set()
        self.kept: dict[str, str] = {}
        self.manner: Callable[[str], tuple[int, bytes] | None] | None = None
        self.slow = 0.0
        self.changes: dict[str, Any] = {}
        self.server = Server(self, lifespan="off")

    @property
    def issuer(self) -> str:
        return self.server.origin

    @property
    def jwks(self) -> bytes:
        return json.dumps({"keys": [{**self.key.public_key.to_jwk(), "kid": self.key.public_key.thumbprint}]}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert (scope["method"], scope["path"]) == ("POST", "/oauth/token")
        assert headers["content-type"] == FORM
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        assert form["grant_type"] == "client_credentials"
        assert imagxp.assertion_agent(form["client_assertion"]) == self.agent.agent_id
        asked = imagxp.verify_assertion(form["client_assertion"], self.agent.manifest(), f"{self.issuer}/oauth/token")
        assert asked.jti not in self.jtis
        self.jtis.add(asked.jti)
        key = headers["idempotency-key"]
        self.keys.append(key)
        known = key in self.kept
        if not known:
            values = {
                "issuer": self.issuer,
                "audience": form["resource"],
                "agent_id": asked.agent_id,
                "jkt": asked.key_id,
                "jti": key,
                "amount": form["amount"],
                "currency": form["currency"],
                "purposes": [form["purposes"]],
            }
            self.kept[key] = imagxp.issue_visa(self.key, **{**values, **self.changes})
        if self.manner is not None and (answer := self.manner(key)) is not None:
            await respond(send, answer[0], answer[1], [(b"content-length", str(len(answer[1])).encode())])
            return
        if not known and self.slow:
            await asyncio.sleep(self.slow)
        answer_body = json.dumps({"access_token": self.kept[key], "token_type": "Bearer", "expires_in": 600}).encode()
        length = [(b"content-length", str(len(answer_body)).encode())]
        await respond(send, 200, answer_body, [(b"content-type", b"application/json"), *length])


class Site:
    """A publisher behind the middleware; `/paid` costs 0.01 USD."""

    def __init__(self, agent: Identity, broker: Broker) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.served: list[str] = []
        self.server = Server(self, lifespan="off")
        rules = policy(
            origins=[self.server.origin],
            allow_loopback=True,
            purposes={"SUMMARY": {}},
            paths=[{"match": "/paid*", "price": {"amount": "0.01", "currency": "USD"}}],
            payment={"brokers": [{"issuer": broker.issuer, "jwks_uri": f"{broker.issuer}/jwks.json"}]},
        )
        publisher = Publisher(rules, secret=SECRET)
        publisher.supply(imagxp.manifest_url(agent.agent_id), agent.manifest().to_json())
        publisher.supply(f"{broker.issuer}/jwks.json", broker.jwks)
        self.feedback: list[imagxp.Feedback] = []
        self.app = ImagxpMiddleware(
            self._content, publisher=publisher, on_feedback=lambda feedback, _: self.feedback.append(feedback)
        )

    @property
    def pages(self) -> int:
        return sum("x-imagxp-payload" in headers for _, headers in self.requests)

    def url(self, path: str) -> str:
        return self.server.origin + path

    async def _content(self, scope: Any, receive: Any, send: Any) -> None:
        self.served.append(scope["path"])
        if scope["path"] == "/moved":
            await respond(send, 302, b"", [(b"location", b"/a"), (b"content-length", b"0")])
            return
        await respond(send, 200, f"content of {scope['path']}".encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append((scope["path"], {name.decode(): value.decode() for name, value in scope["headers"]}))
        if scope["path"] == "/robots.txt":
            await respond(send, 200, b"User-agent: *\nDisallow: /private\n")
        elif scope["path"].startswith("/.well-known/"):
            await respond(send, 404, b"")
        else:
            await self.app(scope, receive, send)


def caps(**more: str) -> Caps:
    return Caps("USD", "0.05", **{"per_day": "0.1", **more})
