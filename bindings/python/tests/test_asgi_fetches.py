"""The middleware's fetches: manifests and key sets, as slow and as wrong as they come, and visas."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import imagxp
import pytest
from asgi_site import Domain, Site, call, ok
from imagxp import Fetcher, Identity, Policy, PrivateKey, Resolver
from imagxp.asgi import ImagxpMiddleware
from support import NameServer, address, reserve, respond, serving, until


def test_a_hundred_requests_fetch_the_manifest_once(domain: Domain) -> None:
    domain.delay = 0.3

    async def crowd(site: Site) -> list[int]:
        async with httpx.AsyncClient(trust_env=False, timeout=20, limits=httpx.Limits(max_connections=100)) as client:

            async def one(number: int) -> int:
                url = f"{site.origin}/{number}"
                response = await client.get(url, headers=domain.identity.sign("GET", url, "RAG_RETRIEVAL"))
                return response.status_code

            return await asyncio.gather(*(one(number) for number in range(100)))

    with Site() as site:
        assert asyncio.run(crowd(site)) == [200] * 100
    assert domain.fetched == 1


def test_a_slow_manifest_does_not_stop_other_visitors(domain: Domain) -> None:
    domain.delay = 10.0
    with Site(unsigned="allow") as site:
        agent = threading.Thread(target=site.get, args=("/slow", domain.identity))
        agent.start()
        until(lambda: domain.fetched > 0)
        assert site.get("/quick").status_code == 200
        assert agent.is_alive(), "it waits until the deadline of 1.5 s"
        agent.join()
        assert site.reached == 1


def test_the_deadline_covers_the_whole_exchange(domain: Domain) -> None:
    """A domain that sends a byte now and then must not hold a request for longer than 1.5 s."""

    async def dripping(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for byte in domain.body:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.sleep(0.2)

    listener = reserve()
    identity = Identity.generate(address(listener), allow_loopback=True)
    with serving(dripping, listener, lifespan="off", timeout_graceful_shutdown=0), Site() as site:
        started = time.perf_counter()
        response = site.get("/a", identity)
        elapsed = time.perf_counter() - started
    assert (response.status_code, response.json()["error"]["code"]) == (503, "identity.fetch_failed")
    # The whole manifest would take half a minute.
    assert 1.4 < elapsed < 10


def too_large(domain: Domain) -> None:
    domain.body = b" " * 16_385


def chunked(domain: Domain) -> None:
    # Two content-lengths less: uvicorn chunks what has none.
    domain.body += b" " * 17_000


def gone(domain: Domain) -> None:
    domain.status = 410


def moved(domain: Domain) -> None:
    domain.status, domain.headers = 302, [(b"location", b"http://127.0.0.1:1/")]


def failing(domain: Domain) -> None:
    domain.status = 500


def encoded(domain: Domain) -> None:
    domain.headers = [(b"content-encoding", b"gzip")]


def garbage(domain: Domain) -> None:
    domain.body = b"<html>"


def another(domain: Domain) -> None:
    domain.body = Identity.generate("other.example.com").manifest().to_json()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (too_large, 401, "identity.manifest_invalid"),
        (chunked, 401, "identity.manifest_invalid"),
        (gone, 401, "identity.not_found"),
        (moved, 401, "identity.redirect"),
        (failing, 503, "identity.fetch_failed"),
        (encoded, 401, "identity.manifest_invalid"),
        (garbage, 401, "identity.manifest_invalid"),
        (another, 401, "identity.manifest_invalid"),
    ],
)
def test_manifests_that_cannot_be_had(domain: Domain, change: Callable[[Domain], None], status: int, code: str) -> None:
    change(domain)
    with Site() as site:
        for number in range(2):
            response = site.get(f"/{number}", domain.identity)
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert site.reached == 0
    assert domain.fetched == 1, "a failure is remembered"


def test_an_agent_whose_domain_does_not_answer() -> None:
    closed = reserve()
    identity = Identity.generate(address(closed), allow_loopback=True)
    closed.close()
    with Site() as site:
        assert site.get("/a", identity).json()["error"]["code"] == "identity.fetch_failed"


def test_a_domain_on_an_inner_address_is_not_fetched_from() -> None:
    """A public name that resolves to 127.0.0.1: the development switch admits loopback names, not loopback addresses."""
    identity = Identity.generate("rebound.example.com")
    names = NameServer("8.8.8.8", "127.0.0.1")
    resolver = Resolver(Fetcher(allow_loopback=True, nameservers=[names.address]))
    with Site(middleware={"resolver": resolver}) as site:
        response = site.get("/a", identity)
    names.close()
    assert names.asked == ["rebound.example.com"]
    assert response.json()["error"]["code"] == "identity.address_denied"


def test_garbage_never_causes_a_fetch(domain: Domain) -> None:
    with Site() as site:
        headers = domain.identity.sign("GET", site.origin + "/a", "RAG_RETRIEVAL")
        forged = [(name, value[::-1] if name == "x-imagxp-signature" else value) for name, value in headers]
        with httpx.Client(trust_env=False) as client:
            assert client.get(site.origin + "/a", headers=forged).json()["error"]["code"] == "sig.invalid"
    assert domain.fetched == 0


def test_visas_with_a_key_set_that_is_fetched_once(domain: Domain) -> None:
    broker, fetched = PrivateKey.generate(), 0
    keys = json.dumps({"keys": [{**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}]}).encode()

    async def serve_keys(scope: Any, receive: Any, send: Any) -> None:
        nonlocal fetched
        fetched += 1
        await respond(send, 200, keys, [(b"cache-control", b"public, max-age=3600")])

    with serving(serve_keys, lifespan="off") as bank:
        brokers = [{"issuer": bank.origin, "jwks_uri": bank.origin + "/jwks"}]
        price = {"amount": "1", "currency": "EUR"}
        with Site(price=price, payment={"brokers": brokers}) as site:
            assert site.get("/a", domain.identity).json()["offer"]["price"] == "1"
            for number in range(3):
                visa = imagxp.issue_visa(
                    broker,
                    issuer=bank.origin,
                    audience=site.origin,
                    agent_id=domain.identity.agent_id,
                    jkt=domain.identity.key_id,
                    jti=f"visa-{number:04}",
                    amount="1",
                    currency="EUR",
                    allow_loopback=True,
                )
                response = site.get(f"/{number}", domain.identity, payment=visa)
                assert response.json()["verdict"]["payment"]["jti"] == f"visa-{number:04}", response.text
    assert fetched == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("accepted", None),
        ("refused", "payment.invalid_token"),
        (None, "payment.redeem_unavailable"),
        (RuntimeError, "payment.redeem_unavailable"),
        # Whatever is no word of a broker opens nothing, and is no fault that a visitor must see.
        ("perhaps", "payment.redeem_unavailable"),
        (True, "payment.redeem_unavailable"),
        (["accepted"], "payment.redeem_unavailable"),
    ],
)
def test_visas_that_a_broker_must_confirm(domain: Domain, answer: Any, code: str | None) -> None:
    broker = PrivateKey.generate()
    asked: list[tuple[str, str, str, str]] = []

    async def redeem(need: imagxp.Need, visa: str, presented: imagxp.Presented) -> Any:
        asked.append((need.kind, need.url, visa, presented.visa))
        if answer is RuntimeError:
            raise ConnectionError("the broker is down")
        return answer

    payment = {"brokers": [{"issuer": "https://b.example", "jwks_uri": "https://b.example/jwks", "check": "redeem"}]}
    middleware = {"redeem": redeem} if answer is not None else {}
    with Site(price={"amount": "1", "currency": "EUR"}, payment=payment, middleware=middleware) as site:
        jwk = {**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}
        site.app.publisher.supply("https://b.example/jwks", {"keys": [jwk]})
        visa = imagxp.issue_visa(
            broker,
            issuer="https://b.example",
            audience=site.origin,
            agent_id=domain.identity.agent_id,
            jti="visa-0001",
            amount="1",
            currency="EUR",
            allow_loopback=True,
        )
        response = site.get("/a", domain.identity, payment=visa)
    assert response.json().get("error", {}).get("code") == code, response.text
    assert response.status_code == {None: 200, "payment.invalid_token": 402}.get(code, 503)
    assert asked == ([("redeem", "https://b.example/v1/visas/redeem", visa, visa)] if answer is not None else [])


def test_closing_ends_fetches_and_the_middleware_works_on_another_loop(domain: Domain) -> None:
    domain.delay = 0.4
    document = {"version": 1, "origins": ["https://pub.example"], "allow_loopback": True, "purposes": {"SUMMARY": {}}}
    app = ImagxpMiddleware(ok, Policy.from_dict(document))

    def scope() -> dict[str, Any]:
        headers = domain.identity.sign("GET", "https://pub.example/a", "SUMMARY")
        return {"type": "http", "path": "/a", "headers": [(name.encode(), value.encode()) for name, value in headers]}

    async def interrupted() -> None:
        waiting = asyncio.create_task(call(app, scope()))
        async with asyncio.timeout(60):
            while domain.fetched == 0:
                await asyncio.sleep(0.01)
        await app.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def answered() -> int:
        try:
            return int((await call(app, scope()))[0]["status"])
        finally:
            await app.aclose()

    asyncio.run(interrupted())
    domain.delay = 0.0
    assert asyncio.run(answered()) == 200
