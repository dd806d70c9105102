"""An agent that reads from a real publisher and pays a real broker, both on loopback: what they receive is what counts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import imagxp
import pytest
from imagxp import Agent, Caps, Identity, ImagxpError, ReadError, UsageError, Wallet
from imagxp.httpx import ImagxpAuth
from market import Broker, Site, caps
from support import respond, serving


@pytest.fixture
def reader() -> Identity:
    return Identity.generate("reader.example")


@pytest.fixture
def broker(reader: Identity) -> Iterator[Broker]:
    broker = Broker(reader)
    with serving(broker, broker.server.listener, lifespan="off"):
        yield broker


@pytest.fixture
def site(reader: Identity, broker: Broker) -> Iterator[Site]:
    site = Site(reader, broker)
    with serving(site, site.server.listener, lifespan="off"):
        yield site


def agent(reader: Identity, broker: Broker, wallet: Wallet, **options: Any) -> Agent:
    options = {"brokers": [broker.issuer], "allow_loopback": True, **options}
    return Agent(reader, "SUMMARY", "TestBot", wallet=wallet, **options)


def test_a_page_is_read_and_paid_once(reader: Identity, broker: Broker, site: Site) -> None:
    wallet = Wallet([caps()])
    ours = agent(reader, broker, wallet)
    page = ours.read(site.url("/paid/1"))
    assert (page.status, page.body, page.url) == (200, b"content of /paid/1", site.url("/paid/1"))
    assert page.report["payment"]["state"] == "bought"
    assert [step["step"] for step in page.report["steps"]][:4] == ["robots", "policy", "request", "offer"]
    assert (site.pages, broker.keys, wallet.spent("USD")) == (2, [page.report["payment"]["purchase"]], "0.01")
    assert ours.read(site.url("/free")).report["payment"]["state"] == "none"
    with pytest.raises(ReadError) as refused:
        ours.read(site.url("/private"))
    assert refused.value.code == "robots.denied"
    assert refused.value.report["steps"][-1]["step"] == "robots"
    assert (site.pages, wallet.spent_today("USD"), wallet.open) == (3, "0.01", ())


def test_caps_and_brokers(reader: Identity, broker: Broker, site: Site) -> None:
    for wallet, brokers, code in [
        (Wallet(), [broker.issuer], "spend.limit"),
        (Wallet([Caps("USD", "0.009")]), [broker.issuer], "spend.limit"),
        (Wallet([caps()]), [], "spend.broker_denied"),
        (Wallet([caps()]), ["https://other.example"], "spend.broker_denied"),
    ]:
        with pytest.raises(ReadError) as refused:
            agent(reader, broker, wallet, brokers=brokers).read(site.url("/paid"))
        assert refused.value.code == code
        assert wallet.spent("USD") == "0"
    assert broker.keys == []
    page = agent(reader, broker, Wallet([caps()]), brokers=[(broker.issuer, f"{broker.issuer}/oauth/token")])
    assert page.read(site.url("/paid")).status == 200


def test_what_the_broker_sends_is_looked_at(reader: Identity, broker: Broker, site: Site) -> None:
    for changes in [
        {"audience": "https://other.example"},
        {"amount": "0.001"},
        {"amount": "0.02"},
        {"agent_id": "other.example"},
        {"issuer": "https://other.example"},
        {"purposes": ["QUOTATION"]},
    ]:
        broker.changes = changes
        wallet = Wallet([caps()])
        ours = agent(reader, broker, wallet)
        for _ in range(2):
            with pytest.raises(ReadError, match=r"spend\.unknown"):
                ours.read(site.url("/paid"))
        assert (wallet.spent("USD"), [entry["phase"] for entry in wallet.open]) == ("0.01", ["unknown"])
    assert len(set(broker.keys)) == len(broker.keys) / 2
    assert site.served == []


def test_spending_survives_in_a_file(reader: Identity, broker: Broker, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "spend.json"
    broker.manner = lambda key: (503, b"")
    wallet = Wallet([caps()], path=path)
    ours = agent(reader, broker, wallet)
    with pytest.raises(ReadError, match=r"spend\.unknown"):
        ours.read(site.url("/paid"))
    with pytest.raises(ImagxpError, match="open already"):
        Wallet([caps()], path=path)
    del ours, wallet
    broker.manner = None
    wallet = Wallet([caps()], path=path)
    page = agent(reader, broker, wallet).read(site.url("/paid"))
    assert page.status == 200
    assert (len(broker.keys), len(set(broker.keys)), wallet.spent("USD")) == (2, 1, "0.01")


def test_threads_share_one_agent(reader: Identity, broker: Broker, site: Site) -> None:
    wallet = Wallet([caps()])
    ours = agent(reader, broker, wallet)
    results: list[str] = []

    def read(index: int) -> None:
        try:
            results.append(str(ours.read(site.url(f"/paid/{index}")).status))
        except ReadError as error:
            results.append(error.code)

    threads = [threading.Thread(target=read, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["200"] * 10 + ["spend.limit"] * 2
    assert (wallet.spent("USD"), len(broker.keys)) == ("0.1", 10)


def get(auth: ImagxpAuth, url: str, asynchronous: bool, **options: Any) -> httpx.Response:
    async def sent() -> httpx.Response:
        async with httpx.AsyncClient(auth=auth, trust_env=False, **options) as client:
            return await client.get(url)

    if asynchronous:
        return asyncio.run(sent())
    with httpx.Client(auth=auth, trust_env=False, **options) as client:
        return client.get(url)


def auth(reader: Identity, broker: Broker, wallet: Wallet, **options: Any) -> ImagxpAuth:
    options = {"brokers": [broker.issuer], "allow_loopback": True, **options}
    return ImagxpAuth(reader, "SUMMARY", wallet=wallet, **options)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_httpx_pays_a_402(reader: Identity, broker: Broker, site: Site, asynchronous: bool) -> None:
    wallet = Wallet([caps()])
    response = get(auth(reader, broker, wallet), site.url("/paid/1"), asynchronous)
    assert (response.status_code, response.text) == (200, "content of /paid/1")
    assert (site.pages, len(broker.keys), wallet.spent("USD"), wallet.open) == (2, 1, "0.01", ())
    # An agent that shares the wallet shares its caps.
    agent(reader, broker, wallet).read(site.url("/paid/2"))
    assert wallet.spent("USD") == "0.02"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_httpx_leaves_what_may_not_be_bought(reader: Identity, broker: Broker, site: Site, asynchronous: bool) -> None:
    response = get(auth(reader, broker, Wallet()), site.url("/paid"), asynchronous)
    assert response.status_code == 402
    assert response.extensions["imagxp"].code == "spend.limit"
    response = get(auth(reader, broker, Wallet([caps()]), brokers=[]), site.url("/paid"), asynchronous)
    assert response.extensions["imagxp"].code == "spend.broker_denied"
    assert (site.pages, broker.keys) == (2, [])


@pytest.mark.parametrize("asynchronous", [False, True])
def test_httpx_does_not_pay_twice(reader: Identity, broker: Broker, site: Site, asynchronous: bool) -> None:
    wallet = Wallet([caps()])
    ours = auth(reader, broker, wallet)
    broker.slow = 2
    with pytest.raises(httpx.ReadTimeout):
        get(ours, site.url("/paid"), asynchronous, timeout=0.5)
    assert (wallet.spent("USD"), [entry["phase"] for entry in wallet.open]) == ("0.01", ["unknown"])
    response = get(ours, site.url("/paid"), asynchronous)
    assert response.status_code == 200
    assert (len(broker.keys), len(set(broker.keys)), wallet.spent("USD"), wallet.open) == (2, 1, "0.01", ())
    broker.manner = lambda key: (500, b"")
    with pytest.raises(ReadError, match=r"spend\.unknown"):
        get(ours, site.url("/paid"), asynchronous)
    assert wallet.spent("USD") == "0.02"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_httpx_carries_no_assertion_to_where_a_broker_redirects(reader: Identity, site: Site, asynchronous: bool) -> None:
    seen: dict[str, bytes] = {}

    async def redirecting(scope: Any, receive: Any, send: Any) -> None:
        seen[scope["path"]] = (await receive()).get("body", b"")
        await respond(send, 307, b"", [(b"location", b"/elsewhere"), (b"content-length", b"0")])

    with serving(redirecting, lifespan="off") as server:
        issuer = server.origin
        offer = {
            "price": "0.01",
            "currency": "USD",
            "purposes": [],
            "brokers": [{"issuer": issuer, "token_endpoint": f"{issuer}/oauth/token"}],
        }

        async def shop(scope: Any, receive: Any, send: Any) -> None:
            body = json.dumps({"error": {}, "offer": offer}).encode()
            await respond(send, 402, body, [(b"content-length", str(len(body)).encode())])

        wallet = Wallet([caps()])
        ours = ImagxpAuth(reader, "SUMMARY", wallet=wallet, brokers=[issuer], allow_loopback=True)
        with serving(shop, lifespan="off") as publisher:
            with pytest.raises((httpx.StreamConsumed, ReadError)):
                get(ours, publisher.origin, asynchronous, follow_redirects=True)
            assert b"client_assertion" in seen.pop("/oauth/token")
            assert not any(seen.values())
            assert wallet.spent("USD") == "0.01"
            assert [entry["phase"] for entry in wallet.open] == ["unknown"]


def test_a_visit_says_what_to_do(reader: Identity) -> None:
    wallet = Wallet([Caps("USD", "1")])
    ours = Agent(reader, "SUMMARY", "TestBot", wallet=wallet, brokers=["https://broker.example"])
    visit = ours.visit("GET", "https://pub.example/a")
    action = visit.start()
    assert (action.kind, action.url) == ("fetch_robots", "https://pub.example/robots.txt")
    assert action.headers == [("accept-encoding", "identity")]
    action = visit.answered(404, [], b"")
    assert (action.kind, action.url) == ("fetch_policy", "https://pub.example/.well-known/imagxp-policy.json")
    action = visit.failed("no answer")
    assert (action.kind, action.method, dict(action.headers)["user-agent"]) == ("send", "GET", "TestBot IMAGXP/1.0")
    offer = {
        "price": "1",
        "currency": "USD",
        "purposes": ["SUMMARY"],
        "brokers": [{"issuer": "https://broker.example", "token_endpoint": "https://broker.example/oauth/token"}],
    }
    assert imagxp.read_offer(json.dumps({"offer": offer})) == offer
    action = visit.answered(402, [], json.dumps({"offer": offer}))
    assert (action.kind, action.method, action.url) == ("request_token", "POST", "https://broker.example/oauth/token")
    assert parse_qs(action.body.decode())["amount"] == ["1"]
    assert wallet.spent("USD") == "1"
    action = visit.answered(400, [], b'{"error":"access_denied"}')
    assert action.kind == "refused"
    assert isinstance(action.error, ReadError)
    assert (action.error.code, wallet.spent("USD")) == ("payment.required", "0")
    assert visit.failed("x").kind == "refused"
    # A visit that is dropped while a broker is asked leaves an unknown payment.
    visit = ours.visit("GET", "https://pub.example/b")
    visit.start()
    assert visit.answered(402, [], json.dumps({"offer": offer})).kind == "request_token"
    del visit
    assert [entry["phase"] for entry in wallet.open] == ["unknown"]


def test_misuse(reader: Identity) -> None:
    for wrong in [{"redirects": "all"}, {"receipts": "x"}, {"brokers": ["http://broker.example"]}, {"user_agent": "é"}]:
        with pytest.raises(UsageError):
            Agent(reader, "SUMMARY", "TestBot", **wrong)
    for arguments in [("summary", "TestBot"), ("SUMMARY", ""), ("SUMMARY", "Bot/1")]:
        with pytest.raises(UsageError):
            Agent(reader, *arguments)
    with pytest.raises(UsageError):
        Agent(reader, "SUMMARY", "TestBot").read("http://pub.example/")
    with pytest.raises(UsageError):
        ImagxpAuth(reader, "SUMMARY", wallet=Wallet(), visas=lambda offer: None)
    for amount in ["", "-1", "1e3", "x"]:
        with pytest.raises(UsageError):
            Caps("USD", amount)
    with pytest.raises(ImagxpError, match=r"offer\.malformed"):
        imagxp.read_offer(b"{}")
    with pytest.raises(TypeError):
        Wallet().__reduce__()
