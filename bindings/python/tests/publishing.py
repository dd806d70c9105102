"""A publisher behind any adapter, with an agent and a broker on one domain."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import imagxp
from imagxp import Feedback, Identity, Manifest, Policy, PrivateKey, SignedReceipt
from servers import ADAPTERS
from support import MANIFEST_PATH, address, reserve, respond

Signer = Callable[[bytes], bytes]


class World:
    """An agent and a broker on one domain that serves their keys."""

    def __init__(self) -> None:
        self.listener = reserve()
        self.agent = Identity.generate(address(self.listener), allow_loopback=True)
        self.bank = PrivateKey.generate()
        self.issuer = f"http://{address(self.listener)}"
        self.visas = 0
        key = self.bank.public_key
        self.documents = {
            MANIFEST_PATH: self.agent.manifest().to_json(),
            "/jwks.json": json.dumps({"keys": [{**key.to_jwk(), "kid": key.thumbprint}]}).encode(),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 200, self.documents[scope["path"]])

    def visa(self, audience: str) -> str:
        """A visa for one read."""
        self.visas += 1
        return imagxp.issue_visa(
            self.bank,
            issuer=self.issuer,
            audience=audience,
            agent_id=self.agent.agent_id,
            jkt=self.agent.key_id,
            jti=f"visa-{self.visas:06}",
            amount="0.05",
            currency="EUR",
            allow_loopback=True,
        )


class Site:
    """A publisher behind one adapter."""

    def __init__(
        self,
        world: World,
        adapter: str,
        listener: socket.socket | None = None,
        signer: Signer | None = None,
        more: Callable[[Site], dict[str, Any]] = lambda site: {},
        **members: Any,
    ) -> None:
        self.world = world
        self.listener = listener or reserve()
        self.peer = self.listener.getsockname()
        host = f"127.0.0.1:{self.peer[1]}"
        self.origin = f"http://{host}"
        self.key = PrivateKey.generate()
        self.identity = Identity(host, self.key, allow_loopback=True)
        self.feedback: list[tuple[Feedback, str | None]] = []
        document = {
            "version": 1,
            "origins": [self.origin],
            "allow_loopback": True,
            "unsigned": "browsers",
            "methods": ["GET", "HEAD", "POST"],
            "purposes": {"RAG_RETRIEVAL": {}, "CRAWL_TRAINING": {"allow": False}},
            "paths": [{"match": "/premium/*", "price": {"amount": "0.05", "currency": "EUR"}}],
            "payment": {"brokers": [{"issuer": world.issuer, "jwks_uri": world.issuer + "/jwks.json"}]},
            "provenance": {"origin": "HUMAN"},
            **members,
        }
        self.policy = Policy.from_dict(document)
        key = self.identity.public_key
        options = {
            "identity": Identity.external(host, key, signer, allow_loopback=True) if signer else self.identity,
            "manifest": self.identity.manifest(),
            "on_feedback": self.take_feedback,
            "max_body": 10_000,
            "max_receipt_body": 100_000,
            **more(self),
        }
        self.server = ADAPTERS[adapter](self.listener, self.policy, options)

    def take_feedback(self, feedback: Feedback, verdict: imagxp.Verdict) -> None:
        """Plain functions work everywhere."""
        self.feedback.append((feedback, verdict.agent_id))

    def signed(self, path: str, method: str = "GET", purpose: str = "RAG_RETRIEVAL", **options: Any) -> list[tuple[str, str]]:
        """The headers of a good request."""
        return [*self.world.agent.sign(method, self.origin + path, purpose, **options), ("User-Agent", "test IMAGXP/1.0")]

    def ask(self, path: str, headers: Any = (), method: str = "GET", content: Any = None) -> httpx.Response:
        """One request."""
        with httpx.Client(trust_env=False, timeout=20) as client:
            return client.request(method, self.origin + path, headers=headers, content=content)

    def read(self, path: str, **options: Any) -> httpx.Response:
        """One signed request."""
        return self.ask(path, self.signed(path, **options))

    def raw(self, text: str) -> bytes:
        """One request as these bytes, and all of the answer."""
        with socket.create_connection(self.peer, timeout=20) as connection:
            connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer

    def receipt(self, response: httpx.Response) -> imagxp.Receipt:
        """The receipt of an answer, verified with the manifest that the site itself serves."""
        manifest = Manifest.parse(self.ask(MANIFEST_PATH).content, self.identity.agent_id, allow_loopback=True)
        return SignedReceipt.from_headers(response.headers).verify(manifest)
