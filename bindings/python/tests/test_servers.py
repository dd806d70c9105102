"""One table of behaviour over every server adapter: real frameworks on real servers, asked over sockets."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import imagxp
import pytest
from answers import PIECES
from imagxp import Feedback, Identity
from publishing import Site, World
from servers import ADAPTERS
from support import BROWSER, MANIFEST_PATH, serving

OUR_HEADERS = ["payload", "signature", "public-key", "payment", "credential", "proof", "feedback", "agent-id", "alg", "something"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    with serving(world, world.listener, lifespan="off"):
        yield world


@pytest.fixture(scope="module", params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def site(world: World, adapter: str) -> Iterator[Site]:
    site = Site(world, adapter)
    with site.server:
        yield site


def code(response: httpx.Response) -> str:
    """Why not; nothing of the application may be in the answer."""
    assert "x-app" not in response.headers
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    return str(response.json()["error"]["code"])


def test_allowed(site: Site) -> None:
    for path in ("/a", "/a%20b/%C3%A9?q=%C3%A9&r=a%2Fb", "/", "/x;y=1,2:@!$&'()*+=~"):
        response = site.read(path)
        assert response.status_code == 200, (path, response.text)
        verdict = response.json()["verdict"]
        assert (verdict["agent_id"], verdict["visitor"]) == (site.world.agent.agent_id, "verified_agent")
        assert verdict["resource"].startswith(site.origin)
        assert response.headers["x-imagxp-content-origin"] == "HUMAN"


def test_denied(site: Site) -> None:
    training = site.read("/a", purpose="CRAWL_TRAINING")
    assert (training.status_code, code(training)) == (403, "policy.purpose_denied")
    assert training.headers["cache-control"] == "no-store"
    stranger = Identity.generate(site.world.agent.agent_id, allow_loopback=True)
    forged = site.ask("/a", stranger.sign("GET", site.origin + "/a", "RAG_RETRIEVAL"))
    assert (forged.status_code, code(forged)) == (401, "identity.key_mismatch")
    client = site.ask("/a", {"User-Agent": "curl/8"})
    assert (client.status_code, code(client), client.headers["www-authenticate"]) == (401, "auth.required", "IMAGXP")
    head = site.ask("/a", site.signed("/a", method="HEAD", purpose="CRAWL_TRAINING"), method="HEAD")
    assert (head.status_code, head.content) == (403, b"")
    elsewhere = site.ask("/b", site.signed("/a"))
    assert code(elsewhere) == "claim.resource_mismatch"


def test_paid(site: Site) -> None:
    unpaid = site.read("/premium/a")
    assert (unpaid.status_code, code(unpaid), unpaid.json()["offer"]["price"]) == (402, "payment.required", "0.05")
    visa = site.world.visa(site.origin)
    paid = site.read("/premium/a", payment=visa)
    assert paid.status_code == 200, paid.text
    assert paid.json()["verdict"]["payment"]["state"] == "visa"
    again = site.read("/premium/a", payment=visa)
    assert (again.status_code, code(again)) == (402, "payment.already_used")


def test_replayed(site: Site) -> None:
    headers = site.signed("/a")
    assert [site.ask("/a", headers).status_code for _ in range(3)] == [200, 409, 409]


def test_observe(world: World, adapter: str) -> None:
    site = Site(world, adapter, mode="observe", unsigned="deny")
    with site.server:
        training = site.read("/a", purpose="CRAWL_TRAINING").json()["verdict"]
        assert (training["would_deny"], training["code"]) == (True, "policy.purpose_denied")
        assert training["agent_id"] == world.agent.agent_id
        assert site.ask("/a").json()["verdict"]["would_deny"]
        # A signed body that is too large to check passes in observe mode, and the application gets all of it.
        large = b"x" * 20_000
        headers = site.signed("/a", method="POST", content_digest=imagxp.content_digest(large))
        answer = site.ask("/a", headers, "POST", large).json()
        assert answer["verdict"]["code"] == "claim.digest_mismatch"
        assert answer["body"].encode() == large


def test_an_unsigned_browser(site: Site) -> None:
    response = site.ask("/a", BROWSER)
    assert response.json()["verdict"]["visitor"] == "unsigned_browser"
    assert site.receipt(response).agent_id is None


def test_announcements_are_for_anyone(site: Site) -> None:
    found = site.ask("/.well-known/imagxp-policy.json")
    assert (found.status_code, found.content) == (200, site.policy.public_json())
    assert found.headers["access-control-allow-origin"] == "*"
    assert site.ask("/.well-known/imagxp-policy.json", method="HEAD").content == b""
    manifest = site.ask(MANIFEST_PATH)
    assert manifest.content == site.identity.manifest().to_json()
    assert site.ask(MANIFEST_PATH, {"If-None-Match": manifest.headers["etag"]}).status_code == 304
    assert site.ask("/robots.txt").json()["path"] == "/robots.txt"
    assert site.ask("/robots.txt", {"x-imagxp-payload": "!"}).status_code == 400


def test_receipts(site: Site) -> None:
    response = site.read("/a")
    digest = hashlib.sha256(response.content).digest()
    receipt = site.receipt(response)
    receipt.check(url=site.origin + "/a", content_sha256=digest, agent_id=site.world.agent.agent_id)
    assert "x-imagxp-provenance" not in site.read("/a", purpose="CRAWL_TRAINING").headers


def test_a_stream_with_a_receipt(site: Site) -> None:
    response = site.read("/stream/known")
    assert response.content == b"".join(PIECES)
    site.receipt(response).check(
        url=site.origin + "/stream/known",
        content_sha256=hashlib.sha256(response.content).digest(),
        agent_id=site.world.agent.agent_id,
    )
    # A part must not be taken for the whole.
    part = site.read("/stream/part")
    assert (part.status_code, part.content) == (206, b"".join(PIECES))
    assert "x-imagxp-provenance" not in part.headers
    # Without a length it may never end: it goes out at once, and there is no trailer to carry a receipt.
    endless = site.read("/stream/unknown")
    assert (endless.status_code, endless.content) == (200, b"".join(PIECES))
    assert "x-imagxp-provenance" not in endless.headers
    assert endless.headers["x-imagxp-content-origin"] == "HUMAN"


def test_a_signer_that_fails(world: World, adapter: str, caplog: pytest.LogCaptureFixture) -> None:
    def down(message: bytes) -> bytes:
        raise OSError("the KMS is down")

    site = Site(world, adapter, signer=down)
    with site.server:
        for path in ("/a", "/stream/known"):
            response = site.read(path)
            assert response.status_code == 200
            assert "x-imagxp-provenance" not in response.headers
            assert response.headers["x-imagxp-content-origin"] == "HUMAN"
    lost = [record for record in caplog.records if record.name == "imagxp"]
    assert [record.message for record in lost] == ["an answer goes out without its receipt"] * 2
    assert all("the KMS is down" in (record.exc_text or "") for record in lost)


def test_a_slow_signer_stops_nobody_else(world: World, adapter: str) -> None:
    signing, answer = threading.Event(), threading.Event()

    def slow(message: bytes) -> bytes:
        signing.set()
        assert answer.wait(20), "nobody else was served"
        return site.key.sign(message)

    site = Site(world, adapter, signer=slow)
    with site.server, ThreadPoolExecutor() as threads:
        waiting = threads.submit(site.read, "/a")
        try:
            assert signing.wait(20)
            assert site.ask(MANIFEST_PATH).status_code == 200
            assert not waiting.done()
        finally:
            answer.set()
        site.receipt(waiting.result())


@pytest.mark.parametrize("name", OUR_HEADERS)
def test_duplicate_lines(site: Site, name: str) -> None:
    headers = dict(site.signed("/a"))
    value = headers.pop(f"x-imagxp-{name}", "eyJhIjoxfQ")
    lines = "".join(f"{key}: {text}\n" for key, text in headers.items())
    for first, second in ((value, value), (value, "other"), ("", value), (value, "")):
        twice = f"X-Imagxp-{name}: {first}\nx-imagxp-{name.upper()}: {second}\n"
        answer = site.raw(f"GET /a HTTP/1.1\nHost: x\nConnection: close\n{lines}{twice}\n")
        assert b"header.duplicate" in answer, answer
        assert b"x-app" not in answer


@pytest.mark.parametrize(
    "line",
    [
        "x-imagxp-payload: !",
        "x-imagxp-payload: \xff\xfe",
        "x-imagxp-signature: zz",
        "x-imagxp-payload:",
        "x-imagxp-payment: a.b.c",
        "x-imagxp-proof: \x01",
        "x-imagxp-payload: e30\n folded",
        "x-imagxp-payload : e30",
        "x-imagxp-payload: " + "A" * 20_000,
    ],
)
def test_malformed_headers(site: Site, line: str) -> None:
    # With the headers of a browser: whoever has ours is an agent, and never falls back to one.
    browser = "".join(f"{name}: {value}\n" for name, value in BROWSER.items())
    answer = site.raw(f"GET /a HTTP/1.1\nHost: x\nConnection: close\n{browser}{line}\n\n")
    status = int(answer.split(b" ", 2)[1])
    if line == "x-imagxp-payload : e30" and status == 200:
        # Servers that take such a name for another one see a browser, not an agent.
        assert b"unsigned_browser" in answer
    else:
        assert 400 <= status < 500, answer
        assert b"x-app" not in answer


def test_underscores_are_not_hyphens_or_are_refused(site: Site) -> None:
    """A WSGI server may not tell `x_imagxp_payload` from ours; both together are refused or the false one is dropped."""
    lines = "".join(f"{key}: {text}\n" for key, text in site.signed("/a"))
    answer = site.raw(f"GET /a HTTP/1.1\nHost: x\nConnection: close\n{lines}x_imagxp_payload: e30\n\n")
    assert b"header.duplicate" in answer or b"verified_agent" in answer
    browser = "".join(f"{name}: {value}\n" for name, value in BROWSER.items())
    inbound = site.raw(f"GET /a HTTP/1.1\nHost: x\nConnection: close\n{browser}x_imagxp_verdict_agent: evil\n\n")
    assert b"200" in inbound.split(b"\r\n")[0]
    assert b"evil" not in inbound


def test_only_we_speak_of_verdicts(site: Site) -> None:
    response = site.ask("/a", {**BROWSER, "x-imagxp-verdict-agent-id": "evil.example", "X-Imagxp-Verdict-Outcome": "allow"})
    assert response.status_code == 200
    assert not [name for name, _ in response.json()["headers"] if name.replace("_", "-").startswith("x-imagxp-verdict-")]


def test_the_host_decides_nothing(site: Site) -> None:
    host = [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example")]
    assert site.ask("/a", [*site.signed("/a"), *host]).status_code == 200
    foreign = site.world.agent.sign("GET", "http://evil.example/a", "RAG_RETRIEVAL")
    assert code(site.ask("/a", [*foreign, *host])) == "claim.resource_mismatch"
    absolute = "".join(f"{key}: {value}\n" for key, value in foreign)
    answer = site.raw(f"GET http://evil.example/a HTTP/1.1\nHost: evil.example\nConnection: close\n{absolute}\n")
    assert answer.split(b" ", 2)[1] in (b"400", b"403", b"404"), answer


def test_signed_bodies(site: Site) -> None:
    body = json.dumps({"question": "é" * 500}).encode()
    digest = imagxp.content_digest(body)
    good = site.ask("/a", site.signed("/a", method="POST", content_digest=digest), "POST", body)
    assert good.status_code == 200, good.text
    assert good.json()["body"].encode("latin-1") == body, "the application reads the body again"
    changed = site.ask("/a", site.signed("/a", method="POST", content_digest=digest), "POST", body[:-1] + b"!")
    assert (changed.status_code, code(changed)) == (400, "claim.digest_mismatch")
    large = b"x" * 10_001
    refused = site.ask("/a", site.signed("/a", method="POST", content_digest=imagxp.content_digest(large)), "POST", large)
    assert code(refused) == "claim.digest_mismatch"
    unsigned = site.ask("/a", site.signed("/a", method="POST"), "POST", large)
    assert unsigned.json()["body"].encode() == large, "what is not signed is not bounded"


def test_feedback(site: Site) -> None:
    agent = site.world.agent
    signed = Feedback(site.origin + "/a", "0.25", "INACCURATE").sign(agent)
    response = site.ask("/a", [*site.signed("/a"), ("x-imagxp-feedback", imagxp.feedback_header(signed))])
    assert response.headers["x-imagxp-feedback-status"] == "accepted"
    raw = Feedback(site.origin + "/b", "1", "HIGH_QUALITY").sign(agent).decode()
    assert "," in raw, "JSON with commas is no joined line"
    assert site.ask("/a", [*site.signed("/a"), ("x-imagxp-feedback", raw)]).headers["x-imagxp-feedback-status"] == "accepted"
    for second in (raw, imagxp.feedback_header(signed), ""):
        lines = "".join(f"{key}: {text}\n" for key, text in site.signed("/a"))
        answer = site.raw(
            f"GET /a HTTP/1.1\nHost: x\nConnection: close\n{lines}x-imagxp-feedback: {raw}\nx-imagxp-feedback: {second}\n\n"
        )
        assert b"header.duplicate" in answer, second
    assert [(given.url, by) for given, by in site.feedback] == [(site.origin + path, agent.agent_id) for path in ("/a", "/b")]


def test_development_stays_on_loopback(world: World, adapter: str) -> None:
    """The site listens on every address: its policy is for development, and whoever comes in by another one is refused."""
    site = Site(world, adapter, listener=socket.create_server(("0.0.0.0", 0)))
    found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    outside = next((host for host in found if not ipaddress.ip_address(host).is_loopback), None)
    with site.server, httpx.Client(trust_env=False, timeout=20) as client:
        response = client.get(f"http://{outside or '127.0.0.1'}:{site.peer[1]}/a", headers=BROWSER)
    # Without another address only servers that name the address they listen on can tell.
    if outside is not None or adapter in ("wsgi", "flask_everywhere", "flask_views", "django_wsgi"):
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal.invariant")
