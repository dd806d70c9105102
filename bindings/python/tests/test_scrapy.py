"""Scrapy against real servers: what they receive is what counts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagxp
import pytest
from clients import Broker, Recorder, claim, crawl, header, is_good, offer, ours
from imagxp import Fetcher, FetchError, Identity
from imagxp.client import AskBroker, BrokerAnswer, BrokerFailure

VISA = "a.b.c"


@pytest.fixture
def scrapy_settings(agent: Identity, tmp_path: Path) -> dict[str, Any]:
    agent.save(tmp_path / "key.pem")
    return {
        "DOWNLOADER_MIDDLEWARES": {"imagxp.scrapy.ImagxpMiddleware": 950},
        "USER_AGENT": "probe/1.0",
        "IMAGXP_AGENT_ID": agent.agent_id,
        "IMAGXP_KEY_FILE": str(tmp_path / "key.pem"),
        "IMAGXP_PURPOSE": "SUMMARY",
        "IMAGXP_ALLOW_LOOPBACK": True,
        "RETRY_TIMES": 2,
    }


def test_scrapy_signs_anew_and_leaves_nothing_behind(
    agent: Identity, server: Recorder, elsewhere: Recorder, scrapy_settings: dict[str, Any]
) -> None:
    server.answers = {
        "/retried": [(503, b""), (503, b"")],
        "/replayed": [(409, b'{"error": {"code": "replay.nonce_seen"}}')],
        "/always": [(409, b'{"error": {"code": "replay.nonce_seen"}}')] * 3,
        "/stranger": [(403, b'{"error": {"code": "made.up"}}')],
        "/robots.txt": [(200, b"User-agent: *\nDisallow: /secret\n")],
    }
    elsewhere.redirects = {"/back": server.origin + "/home"}
    server.redirects = {"/here": "/there", "/away": elsewhere.origin + "/back", "/off": elsewhere.origin + "/landed"}
    paths = ["/retried", "/replayed", "/always", "/stranger", "/here", "/away", "/off", "/secret"]
    asked: list[dict[str, Any]] = [{"url": server.origin + path} for path in paths]
    asked.append({"url": server.origin + "/plain", "meta": {"imagxp": False}})
    options = {"purpose": "QUOTATION", "visa": VISA}
    asked.append({"url": server.origin + "/own?x=%20y", "method": "POST", "body": "words", "meta": {"imagxp": options}})
    found = crawl(asked, ROBOTSTXT_OBEY=True, **scrapy_settings)

    signed = [request for request in server.requests if ours(request)]
    assert all(is_good(request, agent, server.origin + request["target"]) for request in signed)
    assert len({claim(request)["nonce"] for request in signed}) == len(signed), "no signature is used twice"
    assert len(server.asked("/retried")) == 3
    assert (len(server.asked("/replayed")), len(server.asked("/always"))) == (2, 2)
    assert ours(server.asked("/there")[0])
    # Once elsewhere, always elsewhere.
    assert [ours(request) for request in elsewhere.requests if request["target"] != "/robots.txt"] == [[], []]
    assert ours(server.asked("/home")[0]) == []
    assert ours(server.asked("/plain")[0]) == []
    (own,) = server.asked("/own?x=%20y")
    assert (claim(own)["purpose"], header(own, "x-imagxp-payment")) == ("QUOTATION", VISA)
    assert claim(own)["content_digest"] == imagxp.content_digest(b"words")
    assert ours(server.asked("/robots.txt")[0]) == [], "rules are for everyone"
    assert header(server.asked("/robots.txt")[0], "user-agent") == "probe/1.0 IMAGXP/1.0"
    assert not server.asked("/secret")
    assert found["failures"] == ["IgnoreRequest"]
    assert all(item["left"] == [] for item in found["items"])
    assert {name for item in found["items"] for name in item["meta"]} <= {"imagxp", "imagxp_repeated"}
    assert found["stats"]["imagxp/refused/replay.nonce_seen"] == 3
    assert found["stats"]["imagxp/signed"] == len(signed)
    assert not [name for name in found["stats"] if "made.up" in name], "a stranger names no statistic"
    assert not found["log"], found["log"]


def test_scrapy_may_sign_everywhere(
    agent: Identity, server: Recorder, elsewhere: Recorder, scrapy_settings: dict[str, Any]
) -> None:
    server.redirects = {"/off": elsewhere.origin + "/landed"}
    feedback = imagxp.Feedback(server.origin + "/off", "0.1", "OTHER").sign(agent).decode()
    options = {"purpose": "QUOTATION", "visa": VISA, "proof": "d.e.f", "feedback": feedback}
    asked = [{"url": server.origin + "/off", "meta": {"imagxp": options}}]
    found = crawl(asked, IMAGXP_REDIRECTS="any_origin", **scrapy_settings)
    signature = {"x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key"}
    private = {"x-imagxp-payment", "x-imagxp-proof", "x-imagxp-feedback"}
    assert set(ours(server.requests[0])) == signature | private, found["log"]
    (landed,) = elsewhere.requests
    assert is_good(landed, agent, elsewhere.origin + "/landed")
    assert claim(landed)["purpose"] == "QUOTATION"
    assert set(ours(landed)) == signature, "what was meant for one site goes to no other"


def test_scrapy_pays_within_caps_that_outlive_it(
    agent: Identity, server: Recorder, broker: Broker, scrapy_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "0.05", "total": "0.10"}],
        "IMAGXP_WALLET_FILE": str(tmp_path / "spend.json"),
        "IMAGXP_BROKERS": [broker.origin],
    }
    spent = []
    for number in range(3):
        server.answers = {f"/p/{number}": [(402, offer(broker))] * (3 if number == 1 else 1)}
        found = crawl([{"url": f"{server.origin}/p/{number}"}], **settings)
        (item,) = found["items"]
        assert item["left"] == []
        assert item["status"] == [200, 402, 402][number]
        spent.append(found["stats"]["imagxp/spent/EUR"])
        assert found["stats"].get("imagxp/paid", 0) == [1, 1, 0][number]
    assert spent == ["0.05", "0.1", "0.1"]
    first, second = server.asked("/p/0")
    assert claim(first)["nonce"] != claim(second)["nonce"]
    assert header(second, "x-imagxp-payment") in broker.sold.values()
    assert len(server.asked("/p/1")) == 2, "one read pays once"
    assert len(server.asked("/p/2")) == 1
    assert [name for name in found["stats"] if name.startswith("imagxp/unpaid/")] == ["imagxp/unpaid/spend.limit"]


def test_scrapy_uses_a_visa_when_the_paid_request_is_retried(
    server: Recorder, broker: Broker, scrapy_settings: dict[str, Any]
) -> None:
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "0.05"}],
        "IMAGXP_BROKERS": [broker.origin],
    }
    server.answers = {"/p": [(402, offer(broker)), (503, b""), (402, offer(broker))]}
    found = crawl([{"url": server.origin + "/p"}], **settings)
    assert [item["status"] for item in found["items"]] == [200], found["log"]
    visas = [header(request, "x-imagxp-payment") for request in server.requests if "x-imagxp-payment" in ours(request)]
    assert (len(visas), set(visas)) == (2, set(broker.sold.values()))
    assert len(broker.sold) == 1, "the visa that came back is used"


def test_scrapy_pays_for_pages_that_a_paid_one_leads_to(
    server: Recorder, broker: Broker, scrapy_settings: dict[str, Any]
) -> None:
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "0.05"}],
        "IMAGXP_BROKERS": [broker.origin],
    }
    paths = ["/a", "/b", "/never", "/c"]
    a, b, never, c = (server.origin + path for path in paths)
    server.answers = {path: [(402, offer(broker))] * (3 if path == "/never" else 1) for path in paths}
    found = crawl([{"url": a}, {"url": never}], follow={a: [b], never: [c]}, **settings)
    assert {item["url"]: item["status"] for item in found["items"]} == {a: 200, b: 200, never: 402, c: 200}
    assert [len(server.asked(path)) for path in paths] == [2, 2, 2, 2], "one read pays once"


def test_scrapy_pays_once_over_redirects(server: Recorder, broker: Broker, scrapy_settings: dict[str, Any]) -> None:
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "0.05"}],
        "IMAGXP_BROKERS": [broker.origin],
    }
    server.answers = {"/a": [(402, offer(broker))], "/b": [(402, offer(broker))] * 2}
    server.moved = {"/a": "/b"}
    found = crawl([{"url": server.origin + "/a"}], **settings)
    assert [item["status"] for item in found["items"]] == [402]
    assert (len(server.requests), len(broker.sold)) == (3, 1)


def test_scrapy_believes_no_earlier_run(
    server: Recorder, broker: Broker, scrapy_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crawl with `JOBDIR` that goes on reads back requests that an earlier run had paid for and not sent."""
    from imagxp import scrapy as module
    from scrapy import Request
    from scrapy.http import Response
    from scrapy.utils.test import get_crawler

    async def inline(act: Any) -> Any:
        return act()

    monkeypatch.setattr(module, "_in_thread", inline)

    def run() -> module.ImagxpMiddleware:
        caps = [{"currency": "EUR", "per_request": "0.05"}]
        crawler = get_crawler(settings_dict={**scrapy_settings, "IMAGXP_CAPS": caps, "IMAGXP_BROKERS": [broker.origin]})
        monkeypatch.setattr(crawler, "get_downloader_middleware", lambda _: None)
        return module.ImagxpMiddleware(crawler)

    async def asked(run: module.ImagxpMiddleware, request: Request, status: int) -> Request | Response:
        await run.process_request(request)
        return await run.process_response(request, Response(request.url, status=status, body=offer(broker)))

    async def crawl() -> None:
        stale = await asked(run(), Request(server.origin + "/stale"), 402)
        now = run()
        fresh = await asked(now, Request(server.origin + "/fresh"), 402)
        assert isinstance(stale, Request)
        assert isinstance(fresh, Request)
        copied = Request(server.origin + "/copied", meta=fresh.meta)
        assert isinstance(await asked(now, stale, 402), Request), "another run may have paid, this one has not"
        await asked(now, copied, 200)
        assert b"x-imagxp-payment" not in {name.lower() for name in copied.headers}
        await now.process_request(fresh)
        assert fresh.headers[b"x-imagxp-payment"].decode() == list(broker.sold.values())[1], "its visa is its own"
        assert isinstance(await now.process_response(fresh, Response(fresh.url, status=402)), Response), "one read pays once"

    asyncio.run(crawl())
    assert len(broker.sold) == 3


def test_scrapy_hands_back_a_402_that_nobody_pays(server: Recorder, broker: Broker, scrapy_settings: dict[str, Any]) -> None:
    """A page without TLS, for example."""
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "0.05"}],
        "IMAGXP_BROKERS": ["https://broker.example"],
        "IMAGXP_ALLOW_LOOPBACK": False,
    }
    server.answers = {"/p": [(402, offer(broker))]}
    found = crawl([{"url": server.origin + "/p"}], **settings)
    assert ([item["status"] for item in found["items"]], found["failures"]) == ([402], []), found["log"]
    assert found["stats"]["imagxp/unpaid/usage.argument"] == 1


def test_scrapy_asks_brokers_as_agents_do(scrapy_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """At any port, and when there is a turn: that we are busy says nothing about a broker."""
    from imagxp import scrapy as module
    from scrapy.utils.test import get_crawler

    monkeypatch.setattr(module, "_PAUSE", 0)
    middleware = module.ImagxpMiddleware(get_crawler(settings_dict=scrapy_settings))
    asked: list[str] = []

    class Fetcher:
        def __init__(self, turn: int, sent: bool = False) -> None:
            self.turn, self.sent = turn, sent

        def send(self, method: str, url: str, *, headers: Any, body: bytes, profile: str) -> Any:
            asked.append(profile)
            if len(asked) < self.turn:
                raise FetchError("identity.fetch_busy", "too many", "busy", self.sent, None)
            return SimpleNamespace(status=200, body=b"visa")

    step = AskBroker("POST", "https://broker.example:8443/oauth/token", [], b"form")
    for turn, sent, answer, times in [
        (3, False, BrokerAnswer(200, b"visa"), 3),
        (10_000, False, BrokerFailure("identity.fetch_busy", sent=False), 200),
        (10_000, True, BrokerFailure("identity.fetch_busy", sent=True), 1),
    ]:
        asked.clear()
        middleware._fetcher = Fetcher(turn, sent)  # type: ignore[assignment]
        assert middleware._ask(step) == answer
        assert asked == ["token"] * times


def test_the_bounds_for_a_broker_admit_any_port() -> None:
    """Port 8443 of a host that does not exist: `document` refuses it unasked."""
    fetcher = Fetcher(nameservers=["127.0.0.1:1"])
    failures = {}
    for profile in ("token", "document"):
        with pytest.raises(FetchError) as raised:
            fetcher.send("POST", "https://broker.example:8443/oauth/token", profile=profile)  # type: ignore[arg-type]
        failures[profile] = raised.value.failure
    assert failures == {"token": "failed", "document": "address_denied"}


@pytest.mark.parametrize("in_pieces", [False, True])
def test_scrapy_reads_compressed_offers(
    server: Recorder, broker: Broker, scrapy_settings: dict[str, Any], in_pieces: bool
) -> None:
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "0.05"}],
        "IMAGXP_BROKERS": [broker.origin],
    }
    server.in_pieces, server.gzipped = in_pieces, True
    long = " " * 70_000
    denied = b'{"error": {"code": "policy.purpose_denied"}}'
    server.answers = {"/p": [(402, offer(broker))], "/denied": [(403, denied)], "/long": [(402, long.encode())]}
    found = crawl([{"url": server.origin + path} for path in ("/p", "/denied", "/long")], **settings)
    items = {item["url"].rpartition("/")[2]: (item["status"], item["text"]) for item in found["items"]}
    assert items == {"p": (200, "ok"), "denied": (403, denied.decode()), "long": (402, long)}
    stats = found["stats"]
    assert (stats["imagxp/paid"], stats["imagxp/refused/policy.purpose_denied"], len(broker.sold)) == (1, 1, 1)
    assert stats["imagxp/unpaid/offer.malformed"] == 1, stats


def test_scrapy_asks_about_a_payment_of_unknown_end(
    server: Recorder, broker: Broker, scrapy_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {
        **scrapy_settings,
        "IMAGXP_CAPS": json.dumps([{"currency": "EUR", "per_request": "0.05", "total": "0.05"}]),
        "IMAGXP_WALLET_FILE": str(tmp_path / "spend.json"),
        "IMAGXP_BROKERS": [broker.origin],
    }
    server.answers = {"/p": [(402, offer(broker))] * 2}
    broker.status = 502
    lost = crawl([{"url": server.origin + "/p"}], **settings)
    assert (lost["items"][0]["status"], lost["stats"]["imagxp/unpaid/spend.unknown"]) == (402, 1)
    broker.status = 200
    found = crawl([{"url": server.origin + "/p"}], **settings)
    assert (found["items"][0]["status"], found["stats"]["imagxp/spent/EUR"]) == (200, "0.05")
    assert len(broker.sold) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"IMAGXP_PURPOSE": None}, "IMAGXP_PURPOSE is missing"),
        ({"IMAGXP_PURPOSE": "FUN"}, "purpose"),
        ({"IMAGXP_CAP": []}, "there is no setting IMAGXP_CAP"),
        ({"IMAGXP_REDIRECTS": "yes"}, "IMAGXP_REDIRECTS is"),
        ({"IMAGXP_BROKERS": ["ftp://x"], "IMAGXP_CAPS": [{"currency": "EUR", "per_request": "1"}]}, "usage.argument"),
        ({"IMAGXP_IDENTITY": "json.dumps"}, "dumps"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_sent(
    change: dict[str, Any], message: str, server: Recorder, scrapy_settings: dict[str, Any]
) -> None:
    from imagxp.scrapy import ImagxpMiddleware as Middleware
    from scrapy.utils.test import get_crawler

    with pytest.raises((ImportError, TypeError, imagxp.ImagxpError), match=message):
        Middleware.from_crawler(get_crawler(settings_dict={**scrapy_settings, **change}))


def test_scrapy_is_off_without_an_agent() -> None:
    from imagxp.scrapy import ImagxpMiddleware as Middleware
    from scrapy.exceptions import NotConfigured
    from scrapy.utils.test import get_crawler

    with pytest.raises(NotConfigured):
        Middleware.from_crawler(get_crawler())
