"""requests and aiohttp against real servers: what they receive is what counts. httpx and Scrapy have files of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
import zlib
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import imagxp
import pytest
from clients import (
    Aiohttp,
    Broker,
    Client,
    Httpx,
    HttpxAsync,
    Recorder,
    RequestsAdapter,
    RequestsAuth,
    claim,
    header,
    is_good,
    offer,
    ours,
)
from imagxp import Caps, Identity, PrivateKey, ReadError, UsageError, Wallet
from imagxp.aiohttp import ImagxpMiddleware
from imagxp.client import Options, Origins
from imagxp.httpx import ImagxpAuth as HttpxImagxpAuth
from imagxp.requests import ImagxpAdapter, ImagxpAuth
from support import address, reserve

VISA = "a.b.c"

signing = pytest.mark.parametrize("kind", [RequestsAuth, RequestsAdapter, Aiohttp])
paying = pytest.mark.parametrize("kind", [RequestsAdapter, Aiohttp])


@signing
def test_every_request_is_signed_anew(agent: Identity, server: Recorder, kind: type[Client]) -> None:
    body = b'{"question": "?"}'
    client = kind(agent)
    client.ask(("GET", server.origin + "/a?b=c%20d#frag"), ("HEAD", server.origin + "/"))
    client.ask(("POST", server.origin + "/p"), body=body, headers={"User-Agent": "me/1", "X-Imagxp-Payload": "stale"})
    first, second, third = server.requests
    assert is_good(first, agent, server.origin + "/a?b=c%20d")
    assert is_good(second, agent, server.origin + "/")
    assert is_good(third, agent, server.origin + "/p")
    assert len({claim(request)["nonce"] for request in server.requests}) == 3
    assert ours(first) == ["x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key"]
    assert claim(third)["content_digest"] == imagxp.content_digest(body)
    assert "content_digest" not in claim(first)
    assert header(third, "user-agent") == "me/1 IMAGXP/1.0"


@signing
def test_redirects_within_the_origin_are_signed_anew(agent: Identity, server: Recorder, kind: type[Client]) -> None:
    server.redirects = {"/a": "/b", "/b": "/c"}
    assert kind(agent).ask(("GET", server.origin + "/a")) == [(200, b"ok")]
    last = server.requests[-1]
    assert last["target"] == "/c"
    assert is_good(last, agent, server.origin + "/c")
    signed = [claim(request)["resource"] for request in server.requests if ours(request)]
    assert len(signed) == len(set(signed)), "no signature is used twice"


@signing
def test_nothing_made_for_one_origin_reaches_another(
    agent: Identity, server: Recorder, elsewhere: Recorder, kind: type[Client]
) -> None:
    server.redirects = {"/a": elsewhere.origin + "/b"}
    client = kind(agent, visa=VISA, origins=[server.origin]) if kind is RequestsAuth else kind(agent)
    assert client.ask(("GET", server.origin + "/a")) == [(200, b"ok")]
    (there,) = elsewhere.requests
    if kind is RequestsAuth:
        assert header(server.requests[0], "x-imagxp-payment") == VISA
        assert ours(there) == []
    else:
        # Each hop is a request of its own.
        assert is_good(there, agent, elsewhere.origin + "/b")
        assert header(there, "x-imagxp-payload") != header(server.requests[0], "x-imagxp-payload")


@pytest.mark.parametrize("kind", [RequestsAuth, Aiohttp])
def test_only_named_origins_are_signed_for(agent: Identity, server: Recorder, elsewhere: Recorder, kind: type[Client]) -> None:
    server.redirects = {"/a": elsewhere.origin + "/b"}
    client = kind(agent, origins=[server.origin], visa=VISA)
    client.ask(("GET", server.origin + "/a"), ("GET", elsewhere.origin + "/c"))
    assert header(server.requests[0], "x-imagxp-payment") == VISA
    assert [ours(request) for request in elsewhere.requests] == [[], []]


@pytest.mark.parametrize("kind", [ImagxpAuth, ImagxpMiddleware])
@pytest.mark.parametrize("option", [{"visa": VISA}, {"proof": "d.e.f"}, {"feedback": b"{}"}])
def test_what_is_for_one_site_needs_its_origin(kind: Any, option: dict[str, Any], agent: Identity) -> None:
    with pytest.raises(UsageError, match="origins"):
        kind(agent, "SUMMARY", **option)
    kind(agent, "SUMMARY", origins=["https://pub.example"], **option)


@pytest.mark.parametrize("kind", [ImagxpAuth, ImagxpMiddleware])
@pytest.mark.parametrize(
    "origins",
    [
        "https://pub.example",
        ["pub.example"],
        ["https://bücher.example"],
        ["https://pub.example/news"],
        ["https://pub.example", "http://pub.example"],
        ["https://user@pub.example"],
        ["https://pub.example:x"],
        ["*"],
        [""],
        [None],
        [b"https://pub.example"],
    ],
    ids=repr,
)
def test_an_origin_that_would_sign_for_nothing_or_for_more_is_refused(kind: Any, origins: Any, agent: Identity) -> None:
    with pytest.raises(UsageError, match="origins"):
        kind(agent, "SUMMARY", origins=origins)


def test_named_origins_are_compared_as_the_core_reads_them() -> None:
    named = ["https://Pub.example:443/", "https://xn--bcher-kva.example", "http://[::1]:8080", "https://pub.example:8443"]
    origins = Origins(iter(named), Options("SUMMARY"))  # type: ignore[arg-type]
    inside = ["https://pub.example/a", "https://PUB.example:443", "https://xn--bcher-kva.example/", "http://[::1]:8080/x"]
    outside = ["http://pub.example/", "https://pub.example:444/", "https://www.pub.example/", "http://[::1]/"]
    assert [origins.include(url) for url in inside] == [True] * 4
    assert [origins.include(url) for url in outside] == [False] * 4
    assert not Origins([], Options("SUMMARY")).include("https://pub.example/"), "none named is none"


@signing
def test_streamed_bodies_are_sent_but_not_signed(agent: Identity, server: Recorder, kind: type[Client], tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"streamed")
    with file.open("rb") as stream:
        kind(agent).ask(("POST", server.origin + "/p"), body=stream)  # type: ignore[arg-type]
    (request,) = server.requests
    assert request["body"] == b"streamed"
    assert "content_digest" not in claim(request)


@paying
def test_paying(agent: Identity, server: Recorder, broker: Broker, kind: type[Client], tmp_path: Path) -> None:
    """Signed, refused, bought, signed anew, and the books kept from run to run."""
    caps = Caps("EUR", "0.05", total="0.10")
    for number in range(3):
        server.answers = {"/p": [(402, offer(broker))]}
        server.requests.clear()
        wallet = Wallet([caps], path=tmp_path / "spend.json")
        client = kind(agent, wallet=wallet, brokers=[broker.origin], allow_loopback=True)
        ((status, body),) = client.ask(("GET", server.origin + "/p"))
        del client
        spent = wallet.spent("EUR")
        del wallet
        if number == 2:
            assert (status, body) == (402, offer(broker)), "the total is spent, and the answer can be read"
            assert len(server.requests) == 1
            continue
        assert (status, body) == (200, b"ok")
        first, second = server.requests
        assert is_good(second, agent, server.origin + "/p")
        assert claim(first)["nonce"] != claim(second)["nonce"]
        assert header(second, "x-imagxp-payment") in broker.sold.values()
        assert spent == ["0.05", "0.1"][number]
    assert len(broker.sold) == 2


@paying
def test_what_is_not_paid_for(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    cases = [
        (offer(broker, "0.06"), 200, "spend.limit"),
        (offer(broker), 400, "payment.required"),
        (b"{}", 200, "payment.required"),
        (b"\xff", 200, "payment.required"),
        (b"x" * 70_000, 200, "payment.required"),
    ]
    for answer, status, _ in cases:
        server.requests.clear()
        server.answers = {"/p": [(402, answer)]}
        broker.status = status
        wallet = Wallet([Caps("EUR", "0.05")])
        client = kind(agent, wallet=wallet, brokers=[broker.origin], allow_loopback=True)
        assert client.ask(("GET", server.origin + "/p")) == [(402, answer)]
        assert len(server.requests) == 1
        (reason,) = client.reasons
        assert isinstance(reason, ReadError), answer[:20]
        assert wallet.spent("EUR") == "0"
    assert not broker.sold


@paying
def test_a_second_402_ends_it(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    server.answers = {"/p": [(402, offer(broker))] * 3}
    client = kind(agent, wallet=Wallet([Caps("EUR", "0.05")]), brokers=[broker.origin], allow_loopback=True)
    assert client.ask(("GET", server.origin + "/p"))[0][0] == 402
    assert (len(server.requests), len(broker.sold)) == (2, 1)


everyone = pytest.mark.parametrize("kind", [RequestsAdapter, Aiohttp, Httpx, HttpxAsync])


@paying
def test_one_read_pays_once_over_its_redirects(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    """However many there are; the next read pays for itself, also of the same page."""
    client = kind(agent, wallet=Wallet([Caps("EUR", "0.05")]), brokers=[broker.origin], allow_loopback=True)
    server.moved = {"/a": "/b?x=%7e#y", "/b": "c"}
    server.answers = {"/a": [(402, offer(broker))], "/c": [(402, offer(broker))]}
    assert client.ask(("GET", server.origin + "/a")) == [(402, offer(broker))]
    assert (len(server.requests), len(broker.sold)) == (4, 1)
    (reason,) = client.reasons
    assert isinstance(reason, ReadError)
    assert reason.code == "payment.required"
    server.answers = {"/a": [(402, offer(broker))], "/c": [(402, offer(broker))] * 2}
    answers = client.ask(("GET", server.origin + "/a"), ("GET", server.origin + "/c"))
    assert [status for status, _ in answers] == [402, 200]
    assert len(broker.sold) == 3


@everyone
def test_a_page_that_nobody_pays_for_stays_a_402(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    """Without TLS, for example: that is a reason, and no exception in the answer's place."""
    server.answers = {"/p": [(402, offer(broker))]}
    wallet = Wallet([Caps("EUR", "0.05")])
    client = kind(agent, wallet=wallet, brokers=["https://broker.example"])
    assert client.ask(("GET", server.origin + "/p")) == [(402, offer(broker))]
    (reason,) = client.reasons
    assert (reason.code, wallet.spent("EUR"), len(server.requests)) == ("usage.argument", "0", 1)


@pytest.mark.parametrize("kind", [ImagxpAdapter, ImagxpMiddleware, HttpxImagxpAuth])
def test_a_key_that_no_broker_takes_is_refused_at_once(kind: Any) -> None:
    agent = Identity("bot.example.com", PrivateKey.generate("EdDSA"))
    wallet = Wallet([Caps("EUR", "0.05")])
    with pytest.raises(UsageError, match="ES256"):
        kind(agent, "SUMMARY", wallet=wallet, brokers=["https://broker.example"])
    kind(agent, "SUMMARY", wallet=wallet)


def test_a_body_that_aiohttp_compresses_is_not_signed(agent: Identity, server: Recorder, broker: Broker) -> None:
    """What is sent is not what was at hand, and no digest of it would hold."""
    server.answers = {"/p": [(402, offer(broker))]}
    wallet = Wallet([Caps("EUR", "0.05")])

    async def post(compress: bool) -> int:
        paying = ImagxpMiddleware(agent, "SUMMARY", wallet=wallet, brokers=[broker.origin], allow_loopback=True)
        async with (
            aiohttp.ClientSession(middlewares=[paying]) as session,
            session.post(server.origin + "/p", data=b"words " * 100, compress=compress) as answer,
        ):
            return answer.status

    assert asyncio.run(post(True)) == 402, "it cannot be sent twice"
    (sent,) = server.requests
    assert (header(sent, "content-encoding"), zlib.decompress(sent["body"])) == ("deflate", b"words " * 100)
    assert "content_digest" not in claim(sent)
    assert asyncio.run(post(False)) == 200
    assert claim(server.requests[-1])["content_digest"] == imagxp.content_digest(b"words " * 100)


@everyone
def test_a_visa_that_a_redirect_was_paid_with_is_spent(
    agent: Identity, server: Recorder, broker: Broker, kind: type[Client]
) -> None:
    """Whatever is found where it leads."""
    server.answers = {"/a": [(402, offer(broker))], "/b": [(404, b"gone")] * 2, "/p": [(402, offer(broker))]}
    server.moved = {"/a": "/b"}
    wallet = Wallet([Caps("EUR", "0.05")])
    client = kind(agent, wallet=wallet, brokers=[broker.origin], allow_loopback=True)
    assert client.ask(("GET", server.origin + "/a")) == [(404, b"gone")]
    assert len(broker.sold) == 1
    assert client.ask(("GET", server.origin + "/p")) == [(200, b"ok")]
    assert len(broker.sold) == 2, "another is bought"
    first, second = server.asked("/a")[1], server.asked("/p")[1]
    assert header(first, "x-imagxp-payment") != header(second, "x-imagxp-payment")


@paying
def test_a_payment_of_unknown_end(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    wallet = Wallet([Caps("EUR", "0.05", total="0.05")])
    options: dict[str, Any] = {"wallet": wallet, "brokers": [broker.origin], "allow_loopback": True}
    broker.status = 502
    server.answers = {"/p": [(402, offer(broker))] * 2}
    with pytest.raises(ReadError) as raised:
        kind(agent, **options).ask(("GET", server.origin + "/p"))
    assert raised.value.code == "spend.unknown"
    assert wallet.spent("EUR") == "0.05", "nobody knows: it counts as spent"
    broker.status = 200
    assert kind(agent, **options).ask(("GET", server.origin + "/p")) == [(200, b"ok")]
    assert (wallet.spent("EUR"), len(broker.sold)) == ("0.05", 1), "asked about, and not paid again"


@everyone
def test_a_broker_that_is_not_there_costs_nothing(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    gone = reserve()
    nobody = f"http://{address(gone)}"
    gone.close()
    broker.origin, real = nobody, broker.origin
    server.answers = {"/p": [(402, offer(broker))]}
    broker.origin = real
    wallet = Wallet([Caps("EUR", "0.05")])
    client = kind(agent, wallet=wallet, brokers=[nobody], allow_loopback=True)
    if kind in (Httpx, HttpxAsync):
        # httpx raises what its transport does, and tells the flow nothing.
        with pytest.raises(httpx.ConnectError):
            client.ask(("GET", server.origin + "/p"))
    else:
        assert client.ask(("GET", server.origin + "/p"))[0][0] == 402
        assert client.reasons[0].code == "io.failed"
    assert (wallet.spent("EUR"), wallet.open) == ("0", ()), "it was certainly not sent"


@pytest.mark.parametrize("kind", [Httpx, HttpxAsync])
def test_a_broker_that_breaks_off_may_have_been_paid(
    agent: Identity, server: Recorder, broker: Broker, kind: type[Client]
) -> None:
    """The request left: nobody knows."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker.origin, real = f"http://127.0.0.1:{listener.getsockname()[1]}", broker.origin
        server.answers = {"/p": [(402, offer(broker))]}
        nobody, broker.origin = broker.origin, real

        def break_off() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)

        thread = threading.Thread(target=break_off)
        thread.start()
        wallet = Wallet([Caps("EUR", "0.05")])
        client = kind(agent, wallet=wallet, brokers=[nobody], allow_loopback=True)
        with pytest.raises(httpx.TransportError):
            client.ask(("GET", server.origin + "/p"))
        thread.join(10)
    assert wallet.spent("EUR") == "0.05"
    assert [purchase["phase"] for purchase in wallet.open] == ["unknown"]
