"""A test broker: a key set, and a token endpoint that sells visas to agents who prove who they are. A real one has a ledger."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from imagxp import Fetcher, ImagxpError, Manifest, PrivateKey, assertion_agent, issue_visa, manifest_url, verify_assertion
from town import Documents, Town, address, respond

JWKS_PATH = "/.well-known/jwks.json"
TOKEN_PATH = "/oauth/token"  # noqa: S105 (a path)


class Broker:
    """Serves its keys, and `POST /oauth/token`: client credentials with a private_key_jwt (RFC 7523), whose key is the agent's own."""

    def __init__(self, town: Town) -> None:
        listener = town.reserve()
        self.key = PrivateKey.generate()
        self.issuer = f"http://{address(listener)}"
        self.jwks_url = self.issuer + JWKS_PATH
        self.token_endpoint = self.issuer + TOKEN_PATH
        public = self.key.public_key
        self.jwks = json.dumps({"keys": [{**public.to_jwk(), "kid": public.thumbprint, "alg": "ES256", "use": "sig"}]}).encode()
        self.site = Documents()
        self.site.bodies[JWKS_PATH] = self.jwks
        self.sold: dict[str, str] = {}
        self._fetcher = Fetcher(allow_loopback=True)
        town.serve(listener, self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        if (scope["type"], scope["path"]) != ("http", TOKEN_PATH):
            await self.site(scope, receive, send)
            return
        form = {name: values[0] for name, values in parse_qs((await read_body(receive)).decode()).items()}
        headers = dict(scope["headers"])
        try:
            visa = await asyncio.to_thread(self._sell, form, headers[b"idempotency-key"].decode())
        except (ImagxpError, KeyError) as error:
            await respond(send, 400, json.dumps({"error": "invalid_client", "error_description": str(error)}).encode())
            return
        await respond(send, 200, json.dumps({"access_token": visa, "token_type": "Bearer", "expires_in": 600}).encode())

    def _sell(self, form: dict[str, str], purchase: str) -> str:
        """The visa of this purchase: the same one however often it is asked for."""
        assertion = form["client_assertion"]
        agent_id = assertion_agent(assertion, allow_loopback=True)
        fetched = self._fetcher.get(manifest_url(agent_id, allow_loopback=True), "manifest")
        manifest = Manifest.parse(fetched.body, agent_id, allow_loopback=True)
        holder = verify_assertion(assertion, manifest, self.token_endpoint)
        if purchase not in self.sold:
            self.sold[purchase] = issue_visa(
                self.key,
                issuer=self.issuer,
                audience=form["resource"],
                agent_id=holder.agent_id,
                jkt=holder.key_id,
                jti=purchase,
                amount=form["amount"],
                currency=form["currency"],
                purposes=[form["purposes"]],
                allow_loopback=True,
            )
        return self.sold[purchase]


async def read_body(receive: Any) -> bytes:
    """A request's whole body."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
