"""The middleware: real uvicorn, real httpx, a real Starlette application, real manifests on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import imagxp
import pytest
import websockets.sync.client
from imagxp import Fetcher, Identity, Policy, PrivateKey, Publisher, Resolver
from imagxp.asgi import WELL_KNOWN_PATH, ImagxpMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from support import MANIFEST_PATH, NameServer, Server, address, reserve, respond, serving
from websockets.exceptions import InvalidStatus

BROWSER = {"User-Agent": "Mozilla/5.0 Firefox/140.0", "Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}


class Domain:
    """An agent's domain: serves its manifest, counts how often, as slowly as told."""

    def __init__(self) -> None:
        self.listener = reserve()
        self.identity = Identity.generate(address(self.listener), allow_loopback=True)
        self.body = self.identity.manifest().to_json()
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.delay = 0.0
        self.fetched = 0
        self.requests: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == MANIFEST_PATH
        self.fetched += 1
        self.requests.append(scope)
        await asyncio.sleep(self.delay)
        await respond(send, self.status, self.body, self.headers)


@pytest.fixture
def domain() -> Iterator[Domain]:
    domain = Domain()
    with serving(domain, domain.listener, lifespan="off"):
        yield domain


async def echo(request: Request) -> Response:
    """Tells what the application sees."""
    verdict = request.scope["imagxp"]
    body = await request.body()
    lines = [[name.decode(), value.decode("latin-1")] for name, value in request.headers.raw]
    facts = {"path": request.url.path, "verdict": verdict.to_dict(), "headers": lines, "body": body.decode()}
    return JSONResponse(facts, headers={"x-app": "yes"})


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.scope["imagxp"].visitor)
    await websocket.close()


class Site:
    """A publisher on loopback."""

    def __init__(self, *, middleware: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **members: Any) -> None:
        self.listener = reserve()
        self.origin = f"http://{address(self.listener)}"
        self.reached = 0
        self.closed = False
        document = {
            "version": 1,
            "origins": [self.origin],
            "allow_loopback": True,
            "purposes": {"RAG_RETRIEVAL": {}, "CRAWL_TRAINING": {"allow": False}},
            **members,
        }
        self.policy = Policy.from_dict(document)
        methods = ["GET", "HEAD", "POST"]
        inner = Starlette(
            routes=[
                WebSocketRoute("/ws", greet),
                Mount("/mounted", routes=[Route("/{rest:path}", echo, methods=methods)]),
                Route("/{rest:path}", echo, methods=methods),
            ]
        )

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self.reached += scope["type"] != "lifespan"
            await inner(scope, receive, send)

        self.app = ImagxpMiddleware(counted, self.policy, **(middleware or {}))
        self.server = Server(self.app, self.listener, **(server or {}))

    def __enter__(self) -> Site:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def get(
        self, path: str, identity: Identity | None = None, *, method: str = "GET", purpose: str = "RAG_RETRIEVAL", **options: Any
    ) -> httpx.Response:
        """One request, signed when there is an identity."""
        headers = list(options.pop("headers", {}).items())
        content = options.pop("content", None)
        if identity is not None:
            headers += identity.sign(method, self.origin + path, purpose, **options)
            headers.append(("User-Agent", "test IMAGXP/1.0"))
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.request(method, self.origin + path, headers=headers, content=content)


def test_a_good_read_reaches_the_application(domain: Domain) -> None:
    with Site(provenance={"origin": "HUMAN"}) as site:
        for number in range(3):
            response = site.get(f"/a/{number}?q=%C3%A9", domain.identity)
            assert response.status_code == 200, response.text
            verdict = response.json()["verdict"]
            assert (verdict["agent_id"], verdict["visitor"]) == (domain.identity.agent_id, "verified_agent")
            assert response.headers["x-imagxp-content-origin"] == "HUMAN"
            assert response.headers["x-app"] == "yes"
    assert domain.fetched == 1
    (scope,) = domain.requests
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    assert headers["host"] == domain.identity.agent_id
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers


def test_refusals_never_reach_the_application(domain: Domain) -> None:
    with Site() as site:
        training = site.get("/a", domain.identity, purpose="CRAWL_TRAINING")
        bot = site.get("/a")
        browser = site.get("/a", headers=BROWSER)
        assert site.reached == 0
    assert (training.status_code, training.json()["error"]["code"]) == (403, "policy.purpose_denied")
    assert training.headers["content-type"] == "application/json"
    assert training.headers["cache-control"] == "no-store"
    assert (bot.status_code, bot.headers["www-authenticate"]) == (401, "IMAGXP")
    assert browser.json()["error"]["code"] == "auth.required"


def test_visitors_without_a_signature(domain: Domain) -> None:
    with Site(unsigned="browsers", paths=[{"match": "/private/*", "unsigned": "deny"}]) as site:
        assert site.get("/a", headers=BROWSER).json()["verdict"]["visitor"] == "unsigned_browser"
        assert site.get("/a").status_code == 401
        for path in ("/private/a", "/private%2Fa", "/x/../private/a", "/%70rivate/a"):
            with httpx.Client(trust_env=False) as client:
                # Sent as it is: httpx would normalise it.
                raw = client.build_request("GET", site.origin, headers=BROWSER)
                raw.url = httpx.URL(site.origin).copy_with(raw_path=path.encode())
                assert client.send(raw).status_code == 401, path


def test_a_replay_over_the_network(domain: Domain) -> None:
    with Site() as site, httpx.Client(trust_env=False) as client:
        headers = domain.identity.sign("GET", site.origin + "/a", "RAG_RETRIEVAL")
        statuses = [client.get(site.origin + "/a", headers=headers).status_code for _ in range(3)]
    assert statuses == [200, 409, 409]


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
        while domain.fetched == 0:
            time.sleep(0.005)
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


def test_the_public_policy_is_served_to_anyone() -> None:
    with Site(unsigned="deny", agents=[{"match": "secret.example.com"}]) as site:
        response = site.get(WELL_KNOWN_PATH)
        head = site.get(WELL_KNOWN_PATH, method="HEAD")
        post = site.get(WELL_KNOWN_PATH, method="POST")
        assert site.reached == 0
    assert response.content == site.policy.public_json()
    assert "secret" not in response.text
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(response.content)))
    assert post.status_code == 401


def test_only_we_speak_of_verdicts() -> None:
    with Site(unsigned="allow") as site:
        sent = {"X-Imagxp-Verdict-Agent": "bank.example.com", "x_imagxp_verdict_agent": "bank", "x-other": "1"}
        names = [name for name, _ in site.get("/a", headers=sent).json()["headers"]]
    assert "x-other" in names
    assert not [name for name in names if "verdict" in name]


def test_the_host_header_decides_nothing(domain: Domain) -> None:
    with Site() as site, httpx.Client(trust_env=False) as client:
        for host in ("evil.example", "evil.example:443", "127.0.0.1:1"):
            for claimed, code in ((site.origin, None), ("https://evil.example", "claim.resource_mismatch")):
                headers = domain.identity.sign("GET", claimed + "/a", "RAG_RETRIEVAL")
                headers += [("Host", host), ("X-Forwarded-Host", host)]
                answer = client.get(site.origin + "/a", headers=headers).json()
                assert answer.get("error", {}).get("code") == code


def raw_request(site: Site, head: str) -> bytes:
    with socket.create_connection(("127.0.0.1", site.listener.getsockname()[1])) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_request_targets_that_are_no_path(domain: Domain) -> None:
    with Site(unsigned="allow", paths=[{"match": "/private/*", "unsigned": "deny"}]) as site:
        for target in (f"{site.origin}/private/a", "http://evil.example/private/a", "//evil/private/a", "/private/\xff"):
            answer = raw_request(site, f"GET {target} HTTP/1.1\nHost: x\nConnection: close\n\n")
            assert answer.split()[1] in (b"400", b"401"), (target, answer)
        assert site.reached == 0
        headers = domain.identity.sign("GET", "https://evil.example/a", "RAG_RETRIEVAL")
        lines = "".join(f"{name}: {value}\n" for name, value in headers)
        answer = raw_request(site, f"GET https://evil.example/a HTTP/1.1\nHost: x\nConnection: close\n{lines}\n")
        assert b"claim.resource_mismatch" in answer


def test_duplicate_lines_are_seen_on_the_wire(domain: Domain) -> None:
    with Site() as site:
        headers = domain.identity.sign("GET", site.origin + "/a", "RAG_RETRIEVAL")
        lines = "".join(f"{name}: {value}\n" for name, value in [*headers, headers[0]])
        answer = raw_request(site, f"GET /a HTTP/1.1\nHost: x\nConnection: close\n{lines}\n")
        assert b"header.duplicate" in answer


def test_signed_bodies(domain: Domain) -> None:
    body = json.dumps({"question": "é" * 1000}).encode()
    with Site(methods=["POST"], middleware={"max_body": 10_000}) as site:

        def post(signed_body: bytes, sent: Any) -> httpx.Response:
            return site.get("/a", domain.identity, method="POST", content=sent, content_digest=imagxp.content_digest(signed_body))

        good = post(body, body)
        assert good.status_code == 200
        assert good.json()["body"].encode() == body, "the application reads the body again"
        assert post(body, iter([body[:100], body[100:]])).json()["body"].encode() == body, "chunked"
        assert post(b"", b"").status_code == 200
        reached = site.reached
        changed = post(body, body[:-1] + b"!")
        assert (changed.status_code, changed.json()["error"]["code"]) == (400, "claim.digest_mismatch")
        large = b"x" * 10_001
        assert post(large, large).status_code == 400
        assert site.reached == reached
        unsigned = site.get("/a", domain.identity, method="POST", content=large)
        assert unsigned.json()["body"].encode() == large, "nothing is buffered that was not signed"


def test_a_client_that_leaves_while_its_body_is_read(domain: Domain, caplog: pytest.LogCaptureFixture) -> None:
    with Site(methods=["POST"]) as site:
        headers = domain.identity.sign(
            "POST", site.origin + "/a", "RAG_RETRIEVAL", content_digest=imagxp.content_digest(b"x" * 50)
        )
        lines = "".join(f"{name}: {value}\n" for name, value in headers)
        with socket.create_connection(("127.0.0.1", site.listener.getsockname()[1])) as connection:
            connection.sendall(f"POST /a HTTP/1.1\nHost: x\nContent-Length: 50\n{lines}\nhalf".replace("\n", "\r\n").encode())
            time.sleep(0.1)
        time.sleep(0.1)
        assert site.reached == 0
        assert site.get("/b", domain.identity).status_code == 403, "and the site goes on"
    assert not caplog.records


def test_observe_mode_lets_everything_pass(domain: Domain) -> None:
    with Site(mode="observe") as site:
        verdict = site.get("/a", domain.identity, purpose="CRAWL_TRAINING").json()["verdict"]
        assert (verdict["would_deny"], verdict["code"]) == (True, "policy.purpose_denied")
        assert verdict["agent_id"] == domain.identity.agent_id, "manifests are fetched all the same"
        assert site.get("/a").json()["verdict"]["would_deny"]


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
        (1, "payment.redeem_unavailable"),
    ],
)
def test_visas_that_a_broker_must_confirm(domain: Domain, answer: Any, code: str | None) -> None:
    broker = PrivateKey.generate()
    asked: list[tuple[str, str, str]] = []

    async def redeem(need: imagxp.Need, visa: str) -> Any:
        asked.append((need.kind, need.url, visa))
        if answer == 1:
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
    assert asked == ([("redeem", "https://b.example/v1/visas/redeem", visa)] if answer is not None else [])


def test_a_blocking_store_does_not_stop_the_loop(domain: Domain) -> None:
    inside, leave = threading.Event(), threading.Event()

    class Slow:
        def insert_if_absent(self, *_: object) -> Any:
            return "fresh"

        def seen(self, *_: object) -> bool:
            inside.set()
            assert leave.wait(30)
            return False

        def horizon(self) -> None:
            return None

    site = Site(unsigned="allow")
    site.app = ImagxpMiddleware(site.app._app, publisher=Publisher(site.policy, replay_store=Slow()))
    site.server = Server(site.app, site.listener)
    with site:
        agent = threading.Thread(target=site.get, args=("/slow", domain.identity))
        agent.start()
        assert inside.wait(30)
        assert site.get("/quick").status_code == 200
        leave.set()
        agent.join()


def test_a_fault_of_ours_lets_nobody_in(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fault(scope: Any) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr("imagxp.asgi_scope.target", fault)
    with Site(unsigned="allow") as site, caplog.at_level(logging.ERROR, logger="imagxp"):
        response = site.get("/a")
        assert site.reached == 0
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal.invariant")
    assert "a bug" not in response.text
    assert "a bug" in caplog.text


def test_mounts_and_rewritten_paths(domain: Domain) -> None:
    with Site() as site:
        answer = site.get("/mounted/a%20b", domain.identity).json()
        assert answer["path"] == "/mounted/a b"
        assert answer["verdict"]["resource"] == site.origin + "/mounted/a%20b"


async def call(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """One connection without a server, for scopes that uvicorn does not make."""
    sent: list[dict[str, Any]] = []
    base = {"method": "GET", "headers": [], "query_string": b"", "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app({**base, **scope}, receive, send)
    return sent


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, 200, scope["path"].encode("utf-8", "surrogateescape"))


def test_scopes_that_a_server_may_make() -> None:
    document = {
        "version": 1,
        "origins": ["https://pub.example"],
        "unsigned": "allow",
        "paths": [{"match": "/private*", "unsigned": "deny"}],
    }
    app = ImagxpMiddleware(ok, Policy.from_dict(document))
    cases: list[tuple[dict[str, Any], int]] = [
        ({"path": "/open"}, 200),
        ({"path": "/private"}, 401),
        ({"path": "/private", "raw_path": b"/private"}, 401),
        ({"path": "/open", "raw_path": b"/open"}, 200),
        # Rewritten by someone before us: what is served decides, whatever the client asked for.
        ({"path": "/private", "raw_path": b"/open"}, 401),
        ({"path": "/open", "raw_path": b"/private"}, 200),
        ({"path": "/a", "root_path": "/private", "raw_path": b"/private/a"}, 401),
        ({"path": "/pri\udcffvate"}, 200),
        ({"path": ""}, 401),
    ]
    for scope, status in cases:
        sent = asyncio.run(call(app, {"type": "http", **scope}))
        assert sent[0]["status"] == status, scope
    with pytest.raises(ValueError, match="unknown ASGI scope"):
        asyncio.run(call(app, {"type": "carrier-pigeon", "path": "/"}))


@pytest.mark.parametrize(
    ("server", "status"),
    [
        *[(server, 200) for server in (("127.0.0.1", 80), ("::1", 80), ("testserver", 80), ("/run/site.sock", None), None)],
        *[((address, 80), 500) for address in ("192.0.2.1", "0.0.0.0", "10.0.0.1", "2001:db8::1")],
    ],
)
def test_the_development_switch_works_on_loopback_only(server: Any, status: int, caplog: pytest.LogCaptureFixture) -> None:
    document = {"version": 1, "origins": ["https://pub.example"], "unsigned": "allow", "allow_loopback": True}
    sent = asyncio.run(call(ImagxpMiddleware(ok, Policy.from_dict(document)), {"type": "http", "path": "/", "server": server}))
    assert sent[0]["status"] == status
    assert ("allow_loopback" in caplog.text) == (status == 500)
    del document["allow_loopback"]
    sent = asyncio.run(call(ImagxpMiddleware(ok, Policy.from_dict(document)), {"type": "http", "path": "/", "server": server}))
    assert sent[0]["status"] == 200


def test_websockets_are_verified_before_they_are_accepted(domain: Domain) -> None:
    with Site(server={"ws": "websockets-sansio"}) as site:
        url = site.origin.replace("http", "ws") + "/ws"
        with pytest.raises(InvalidStatus) as caught:
            websockets.sync.client.connect(url, proxy=None)
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body or b"")["error"]["code"] == "auth.required"
        headers = domain.identity.sign("GET", site.origin + "/ws", "RAG_RETRIEVAL")
        with websockets.sync.client.connect(url, additional_headers=headers, proxy=None) as connection:
            assert connection.recv() == "verified_agent"


def test_websockets_of_servers_without_responses_are_closed() -> None:
    app = ImagxpMiddleware(ok, Policy.from_dict({"version": 1, "origins": ["https://pub.example"]}))
    sent = asyncio.run(call(app, {"type": "websocket", "path": "/ws", "raw_path": b"/ws"}))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_what_the_middleware_needs(tmp_path: Path) -> None:
    policy = Policy.from_dict({"version": 1, "origins": ["https://pub.example"]})
    for arguments in ({}, {"policy": policy, "publisher": Publisher(policy)}):
        with pytest.raises(TypeError):
            ImagxpMiddleware(ok, **arguments)  # type: ignore[arg-type]


def test_closing_ends_fetches_and_the_middleware_works_on_another_loop(domain: Domain) -> None:
    domain.delay = 0.4
    document = {"version": 1, "origins": ["https://pub.example"], "allow_loopback": True, "purposes": {"SUMMARY": {}}}
    app = ImagxpMiddleware(ok, Policy.from_dict(document))

    def scope() -> dict[str, Any]:
        headers = domain.identity.sign("GET", "https://pub.example/a", "SUMMARY")
        return {"type": "http", "path": "/a", "headers": [(name.encode(), value.encode()) for name, value in headers]}

    async def interrupted() -> None:
        waiting = asyncio.create_task(call(app, scope()))
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


def test_robots_txt_is_for_anyone() -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 200, scope["path"].encode())

    policy = Policy.from_dict({"version": 1, "origins": ["https://pub.example"], "purposes": {}, "unsigned": "deny"})
    with serving(ImagxpMiddleware(answer, policy), lifespan="off") as server, httpx.Client(trust_env=False) as client:
        found = client.get(server.origin + "/robots.txt")
        assert (found.status_code, found.text) == (200, "/robots.txt")
        assert "www-authenticate" not in found.headers
        assert client.get(server.origin + "/robots.txt/x").status_code == 401
        assert client.post(server.origin + "/robots.txt").status_code == 401
        # Whoever claims to be an agent is judged as one, here too.
        assert client.get(server.origin + "/robots.txt", headers={"x-imagxp-payload": "!"}).status_code == 400
