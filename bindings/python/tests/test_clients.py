"""requests, aiohttp and Scrapy against real servers: what they receive is what counts. httpx has a file of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import imagxp
import pytest
import requests
from imagxp import Caps, Identity, ReadError, UsageError, Wallet
from imagxp.aiohttp import ImagxpMiddleware
from imagxp.requests import ImagxpAdapter, ImagxpAuth
from support import address, reserve, respond, serving
from urllib3.util.retry import Retry

VISA = "a.b.c"


class Recorder:
    """A server that answers by rules and remembers what it was asked."""

    def __init__(self) -> None:
        self.listener = reserve()
        self.origin = f"http://{address(self.listener)}"
        self.requests: list[dict[str, Any]] = []
        self.redirects: dict[str, str] = {}
        self.answers: dict[str, list[tuple[int, bytes]]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(name.decode().lower(), value.decode()) for name, value in scope["headers"]]
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.requests.append({"method": scope["method"], "target": target, "headers": headers, "body": body})
        waiting = self.answers.get(scope["path"])
        if scope["path"] in self.redirects:
            location = self.redirects[scope["path"]].encode()
            await respond(send, 302, b"", [(b"location", location), (b"content-length", b"0")])
        else:
            status, answer = waiting.pop(0) if waiting else (200, b"ok")
            await respond(send, status, answer, [(b"content-length", str(len(answer)).encode())])

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The requests for one path."""
        return [request for request in self.requests if request["target"] == path]


class Broker(Recorder):
    """Sells what it is asked for; a purchase that is asked about again gets the same visa."""

    def __init__(self) -> None:
        super().__init__()
        self.key = imagxp.PrivateKey.generate()
        self.sold: dict[str, str] = {}
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from urllib.parse import parse_qs

        message = await receive()
        headers = dict(scope["headers"])
        assert not [name for name in headers if name.startswith(b"x-imagxp-")]
        assert b"cookie" not in headers
        form = {name: values[0] for name, values in parse_qs(message["body"].decode()).items()}
        self.requests.append(form)
        purchase = headers[b"idempotency-key"].decode()
        assertion = form["client_assertion"]
        if self.status != 200:
            await respond(send, self.status, b"{}", [(b"content-length", b"2")])
            return
        agent_id = imagxp.assertion_agent(assertion, allow_loopback=True)
        self.sold.setdefault(
            purchase,
            imagxp.issue_visa(
                self.key,
                issuer=self.origin,
                audience=form["resource"],
                agent_id=agent_id,
                jti=purchase,
                amount=form["amount"],
                currency=form["currency"],
                allow_loopback=True,
            ),
        )
        answer = json.dumps({"access_token": self.sold[purchase], "token_type": "Bearer", "expires_in": 600}).encode()
        await respond(send, 200, answer, [(b"content-length", str(len(answer)).encode())])


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder, recorder.listener, lifespan="off"):
        yield recorder


@pytest.fixture
def elsewhere() -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder, recorder.listener, lifespan="off"):
        yield recorder


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    with serving(broker, broker.listener, lifespan="off"):
        yield broker


def ours(request: dict[str, Any]) -> list[str]:
    return [name for name, _ in request["headers"] if name.startswith("x-imagxp-")]


def header(request: dict[str, Any], name: str) -> str:
    (value,) = [value for candidate, value in request["headers"] if candidate == name]
    return str(value)


def claim(request: dict[str, Any]) -> dict[str, Any]:
    claim: dict[str, Any] = json.loads(base64.b64decode(header(request, "x-imagxp-payload")))
    return claim


def offer(broker: Broker, price: str = "0.05") -> bytes:
    brokers = [{"issuer": broker.origin, "token_endpoint": broker.origin + "/oauth/token"}]
    terms = {"price": price, "currency": "EUR", "purposes": ["SUMMARY"], "brokers": brokers}
    return json.dumps({"error": {"code": "payment.required"}, "offer": terms}).encode()


def is_good(request: dict[str, Any], agent: Identity, url: str) -> bool:
    """Whether a request is signed by the agent, for this URL, once."""
    payload = base64.b64decode(header(request, "x-imagxp-payload"))
    signature = bytes.fromhex(header(request, "x-imagxp-signature"))
    said = claim(request)
    assert header(request, "user-agent").endswith("IMAGXP/1.0")
    return agent.public_key.verify(payload, signature) and (said["resource"], said["method"]) == (url, request["method"])


class Client:
    """One way to ask: `ask` gives status and body of each."""

    def __init__(self, agent: Identity, **options: Any) -> None:
        self.agent = agent
        self.options = options
        self.reasons: list[Any] = []

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        raise NotImplementedError


class RequestsAuth(Client):
    """`requests` with `ImagxpAuth`: signs only."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        with requests.Session() as session:
            session.trust_env = False
            session.auth = ImagxpAuth(self.agent, "SUMMARY", **self.options)
            answers = [session.request(method, url, data=body, headers=headers, timeout=10) for method, url in asked]
        return [(answer.status_code, answer.content) for answer in answers]


class RequestsAdapter(Client):
    """`requests` with `ImagxpAdapter`."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", ImagxpAdapter(self.agent, "SUMMARY", **self.options))
            session.cookies.set("session", "secret")
            answers = [session.request(method, url, data=body, headers=headers, timeout=10) for method, url in asked]
        self.reasons += [getattr(answer, "imagxp", None) for answer in answers]
        return [(answer.status_code, answer.content) for answer in answers]


class Aiohttp(Client):
    """`aiohttp` with the middleware."""

    def ask(self, *asked: tuple[str, str], body: bytes | None = None, headers: Any = None) -> list[tuple[int, bytes]]:
        return asyncio.run(self._ask(*asked, body=body, headers=headers))

    async def _ask(self, *asked: tuple[str, str], body: bytes | None, headers: Any) -> list[tuple[int, bytes]]:
        middleware = ImagxpMiddleware(
            self.agent, "SUMMARY", on_unpaid=lambda url, error: self.reasons.append(error), **self.options
        )
        jar = aiohttp.CookieJar(unsafe=True)
        answers = []
        async with aiohttp.ClientSession(middlewares=[middleware], cookie_jar=jar, cookies={"session": "secret"}) as session:
            for method, url in asked:
                async with session.request(method, url, data=body, headers=headers) as answer:
                    answers.append((answer.status, await answer.read()))
        return answers


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
    client = kind(agent, visa=VISA) if kind is RequestsAuth else kind(agent)
    assert client.ask(("GET", server.origin + "/a")) == [(200, b"ok")]
    (there,) = elsewhere.requests
    if kind is RequestsAuth:
        assert header(server.requests[0], "x-imagxp-payment") == VISA
        assert ours(there) == []
    else:
        # Each hop is a request of its own.
        assert is_good(there, agent, elsewhere.origin + "/b")
        assert header(there, "x-imagxp-payload") != header(server.requests[0], "x-imagxp-payload")


def test_aiohttp_signs_for_named_origins_only(agent: Identity, server: Recorder, elsewhere: Recorder) -> None:
    server.redirects = {"/a": elsewhere.origin + "/b"}
    Aiohttp(agent, origins=[server.origin]).ask(("GET", server.origin + "/a"))
    assert ours(server.requests[0])
    assert ours(elsewhere.requests[0]) == []


def test_an_adapter_that_would_repeat_signatures_is_refused(agent: Identity) -> None:
    for retries in (3, Retry(3), Retry(0, status=1), Retry(connect=1, read=False, status_forcelist=[503])):
        if retries == 3:
            # requests makes that one repeat connecting only.
            ImagxpAdapter(agent, "SUMMARY", max_retries=Retry(connect=3, read=False, status=0, other=0))
            continue
        with pytest.raises(UsageError, match="twice"):
            ImagxpAdapter(agent, "SUMMARY", max_retries=retries)


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


@paying
def test_a_broker_that_is_not_there_costs_nothing(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    gone = reserve()
    nobody = f"http://{address(gone)}"
    gone.close()
    broker.origin, real = nobody, broker.origin
    server.answers = {"/p": [(402, offer(broker))]}
    broker.origin = real
    wallet = Wallet([Caps("EUR", "0.05")])
    client = kind(agent, wallet=wallet, brokers=[nobody], allow_loopback=True)
    assert client.ask(("GET", server.origin + "/p"))[0][0] == 402
    assert (client.reasons[0].code, wallet.spent("EUR")) == ("io.failed", "0"), "it was certainly not sent"


def crawl(requests: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    """A crawl as a process of its own."""
    job = json.dumps({"requests": requests, "settings": settings})
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("crawl.py"))],
        input=job,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found["log"] = done.stderr
    return found


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
    crawl([{"url": server.origin + "/off"}], IMAGXP_REDIRECTS="any_origin", **scrapy_settings)
    assert is_good(elsewhere.requests[0], agent, elsewhere.origin + "/landed")


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
