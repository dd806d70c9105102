"""Signing for httpx against real servers: what they receive is what counts."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import imagxp
import pytest
from imagxp import Identity, UsageError
from imagxp.httpx import ImagxpAuth, Offer
from support import Server, respond, serving


class Recorder:
    """A server that answers by rules and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.redirects: dict[str, tuple[int, str]] = {}
        self.answers: list[tuple[int, bytes]] = []
        self.server = Server(self, lifespan="off")

    @property
    def origin(self) -> str:
        return self.server.origin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        headers = [(name.decode().lower(), value.decode()) for name, value in scope["headers"]]
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.requests.append({"method": scope["method"], "target": target, "headers": headers, "body": body})
        if scope["path"] in self.redirects:
            status, location = self.redirects[scope["path"]]
            await respond(send, status, b"", [(b"location", location.encode()), (b"content-length", b"0")])
        else:
            status, answer = self.answers.pop(0) if self.answers else (200, b"ok")
            await respond(send, status, answer, [(b"content-length", str(len(answer)).encode())])


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder, recorder.server.listener, lifespan="off"):
        yield recorder


@pytest.fixture
def elsewhere() -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder, recorder.server.listener, lifespan="off"):
        yield recorder


def ours(request: dict[str, Any]) -> list[str]:
    return [name for name, _ in request["headers"] if name.startswith("x-imagxp-")]


def header(request: dict[str, Any], name: str) -> str:
    (value,) = [value for candidate, value in request["headers"] if candidate == name]
    return str(value)


def claim(request: dict[str, Any]) -> dict[str, Any]:
    claim: dict[str, Any] = json.loads(base64.b64decode(header(request, "x-imagxp-payload")))
    return claim


def send(auth: ImagxpAuth, *requests: tuple[str, str], asynchronous: bool, **options: Any) -> list[httpx.Response]:
    """The same requests with either client."""
    client_options: dict[str, Any] = {"auth": auth, "trust_env": False, "timeout": 10}
    client_options |= {name: options.pop(name) for name in ("follow_redirects", "headers") if name in options}

    async def sent() -> list[httpx.Response]:
        async with httpx.AsyncClient(**client_options) as client:
            return [await client.request(method, url, **options) for method, url in requests]

    if asynchronous:
        return asyncio.run(sent())
    with httpx.Client(**client_options) as client:
        return [client.request(method, url, **options) for method, url in requests]


either = pytest.mark.parametrize("asynchronous", [False, True], ids=["Client", "AsyncClient"])


@either
def test_every_request_is_signed_anew(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    auth = ImagxpAuth(agent, "SUMMARY")
    send(auth, ("GET", server.origin + "/a?b=c d#frag"), ("HEAD", server.origin), asynchronous=asynchronous)
    first, second = server.requests
    assert ours(first) == ["x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key"]
    assert claim(first)["resource"] == server.origin + first["target"] == server.origin + "/a?b=c%20d"
    assert (claim(first)["method"], claim(second)["method"]) == ("GET", "HEAD")
    assert claim(first)["nonce"] != claim(second)["nonce"]
    assert claim(first)["purpose"] == "SUMMARY"
    assert "content_digest" not in claim(first)
    assert header(first, "user-agent") == f"python-httpx/{httpx.__version__} IMAGXP/1.0"
    payload = base64.b64decode(header(first, "x-imagxp-payload"))
    assert agent.public_key.verify(payload, bytes.fromhex(header(first, "x-imagxp-signature")))


@either
def test_options_of_a_request(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    options = {"purpose": "QUOTATION", "visa": "a.b.c", "proof": "d.e.f", "ads_displayed": True, "context": {"k": 1}}
    auth = ImagxpAuth(agent, "SUMMARY", compatible=True)
    send(
        auth,
        ("GET", server.origin),
        asynchronous=asynchronous,
        extensions={"imagxp": options},
        headers={"User-Agent": "me/1 IMAGXP/1.0"},
    )
    (request,) = server.requests
    assert claim(request)["purpose"] == "QUOTATION"
    assert claim(request)["context"] == {"k": 1, "ads_displayed": True}
    assert header(request, "x-imagxp-payment") == header(request, "x-imagxp-credential") == "a.b.c"
    assert header(request, "x-imagxp-proof") == "d.e.f"
    assert header(request, "user-agent") == "me/1 IMAGXP/1.0"
    with pytest.raises(UsageError, match="porpoise"):
        send(auth, ("GET", server.origin), asynchronous=asynchronous, extensions={"imagxp": {"porpoise": "x"}})
    with pytest.raises(UsageError):
        send(ImagxpAuth(agent, "READING"), ("GET", server.origin), asynchronous=asynchronous)


@either
def test_bodies_are_bound(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    send(ImagxpAuth(agent, "SUMMARY"), ("POST", server.origin), asynchronous=asynchronous, json={"a": 1})
    assert claim(server.requests[0])["content_digest"] == imagxp.content_digest(server.requests[0]["body"])


@either
def test_headers_that_a_caller_set_are_not_sent_twice(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    stale = {"X-Imagxp-Payload": "stale", "x-imagxp-feedback": "stale"}
    send(ImagxpAuth(agent, "SUMMARY"), ("GET", server.origin), asynchronous=asynchronous, headers=stale)
    assert ours(server.requests[0]) == ["x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key"]


@either
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_another_origin_carry_nothing_of_ours(
    agent: Identity, server: Recorder, elsewhere: Recorder, asynchronous: bool, status: int
) -> None:
    server.redirects["/a"] = (status, elsewhere.origin + "/b")
    options = {"extensions": {"imagxp": {"visa": "secret.visa.token"}}}
    auth = ImagxpAuth(agent, "SUMMARY", compatible=True)
    (response,) = send(auth, ("GET", server.origin + "/a"), asynchronous=asynchronous, follow_redirects=True, **options)
    assert response.status_code == 200
    assert len(elsewhere.requests) == 1
    for request in elsewhere.requests:
        assert not ours(request)
        assert "secret" not in str(request)
    assert ours(server.requests[0])


@either
def test_an_origin_that_redirects_elsewhere_and_back_is_not_signed_for(
    agent: Identity, server: Recorder, elsewhere: Recorder, asynchronous: bool
) -> None:
    server.redirects["/a"] = (302, elsewhere.origin + "/b")
    elsewhere.redirects["/b"] = (302, server.origin + "/chosen-by-elsewhere")
    send(ImagxpAuth(agent, "SUMMARY"), ("GET", server.origin + "/a"), asynchronous=asynchronous, follow_redirects=True)
    assert [bool(ours(request)) for request in server.requests] == [True, False]


@either
def test_redirects_within_the_origin_are_signed_anew(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    server.redirects |= {"/a": (302, "/b"), "/b": (307, "/c?d")}
    (response,) = send(
        ImagxpAuth(agent, "SUMMARY"), ("GET", server.origin + "/a"), asynchronous=asynchronous, follow_redirects=True
    )
    assert response.status_code == 200
    last = server.requests[-1]
    assert claim(last)["resource"] == server.origin + "/c?d"
    nonces = [claim(request)["nonce"] for request in server.requests if ours(request)]
    assert len(nonces) == len(set(nonces)) >= 2
    for request in server.requests:
        if ours(request):
            assert claim(request)["resource"] == server.origin + request["target"]


@either
def test_redirects_that_never_end(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    server.redirects |= {"/a": (302, "/b"), "/b": (302, "/a")}
    with pytest.raises(httpx.TooManyRedirects):
        send(ImagxpAuth(agent, "SUMMARY"), ("GET", server.origin + "/a"), asynchronous=asynchronous, follow_redirects=True)
    assert len(server.requests) < 60


@either
def test_a_redirected_post_is_not_sent_a_second_time(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    server.redirects["/a"] = (307, "/b")
    send(
        ImagxpAuth(agent, "SUMMARY"),
        ("POST", server.origin + "/a"),
        asynchronous=asynchronous,
        follow_redirects=True,
        content=b"x",
    )
    assert [(request["method"], request["target"]) for request in server.requests] == [("POST", "/a"), ("POST", "/b")]


@either
def test_redirects_are_left_to_a_caller_who_does_not_follow(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    server.redirects["/a"] = (302, "/b")
    (response,) = send(ImagxpAuth(agent, "SUMMARY"), ("GET", server.origin + "/a"), asynchronous=asynchronous)
    assert response.status_code == 302
    assert len(server.requests) == 1


OFFER = {"error": {"code": "payment.required"}, "offer": {"price": "0.05", "currency": "EUR", "brokers": []}}


@either
def test_an_offer_is_answered_once_with_a_new_nonce(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    server.answers = [(402, json.dumps(OFFER).encode()), (200, b"paid")]
    asked: list[Offer] = []

    def visas(offer: Offer) -> str:
        asked.append(offer)
        return "a.b.c"

    (response,) = send(ImagxpAuth(agent, "SUMMARY", visas=visas), ("GET", server.origin + "/p"), asynchronous=asynchronous)
    assert response.content == b"paid"
    first, second = server.requests
    assert "x-imagxp-payment" not in ours(first)
    assert header(second, "x-imagxp-payment") == "a.b.c"
    assert claim(first)["nonce"] != claim(second)["nonce"]
    (offer,) = asked
    assert (offer.url, offer.purpose, offer.code) == (server.origin + "/p", "SUMMARY", "payment.required")
    assert (offer.agent_id, offer.key_id) == (agent.agent_id, agent.key_id)
    assert offer.terms == OFFER["offer"]

    server.answers = [(402, json.dumps(OFFER).encode())] * 3
    (response,) = send(ImagxpAuth(agent, "SUMMARY", visas=visas), ("GET", server.origin), asynchronous=asynchronous)
    assert response.status_code == 402
    assert len(server.requests) == 4, "once, and no more"


@either
@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"[]", b'{"offer":5}', b'{"error":5,"offer":{}}', b"[" * 100_000, b'{"offer":{}}' + b" " * 70_000, b"\xff"],
)
def test_offers_that_are_none(agent: Identity, server: Recorder, asynchronous: bool, answer: bytes) -> None:
    server.answers = [(402, answer)]

    def never(offer: Offer) -> str:
        raise AssertionError(offer)

    (response,) = send(ImagxpAuth(agent, "SUMMARY", visas=never), ("GET", server.origin), asynchronous=asynchronous)
    assert (response.status_code, response.content) == (402, answer)


@either
def test_offers_that_are_left(agent: Identity, server: Recorder, asynchronous: bool) -> None:
    server.answers = [(402, json.dumps(OFFER).encode())] * 2
    for visas in (None, lambda _: None):
        (response,) = send(ImagxpAuth(agent, "SUMMARY", visas=visas), ("GET", server.origin), asynchronous=asynchronous)
        assert response.json() == OFFER, "the answer can still be read"


def test_asynchronous_visas(agent: Identity, server: Recorder) -> None:
    async def visas(offer: Offer) -> str:
        await asyncio.sleep(0)
        return "a.b.c"

    auth = ImagxpAuth(agent, "SUMMARY", visas=visas)
    server.answers = [(402, json.dumps(OFFER).encode())]
    (response,) = send(auth, ("GET", server.origin), asynchronous=True)
    assert response.status_code == 200
    server.answers = [(402, json.dumps(OFFER).encode())]
    with pytest.raises(TypeError, match="AsyncClient"):
        send(auth, ("GET", server.origin), asynchronous=False)


@either
def test_external_signers(server: Recorder, asynchronous: bool) -> None:
    key = imagxp.PrivateKey.generate()
    identity = Identity.external("bot.example.com", key.public_key, key.sign)
    send(ImagxpAuth(identity, "SUMMARY"), ("GET", server.origin), asynchronous=asynchronous)
    assert ours(server.requests[0])


def test_streamed_answers_are_not_read(agent: Identity, server: Recorder) -> None:
    with (
        httpx.Client(auth=ImagxpAuth(agent, "SUMMARY", visas=lambda _: None), trust_env=False) as client,
        client.stream("GET", server.origin) as response,
    ):
        assert not response.is_stream_consumed
        assert response.read() == b"ok"


def test_credentials_in_a_url_are_not_signed(agent: Identity, server: Recorder) -> None:
    send(ImagxpAuth(agent, "SUMMARY"), ("GET", server.origin.replace("//", "//user:pass@") + "/a"), asynchronous=False)
    assert claim(server.requests[0])["resource"] == server.origin + "/a"
