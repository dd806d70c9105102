"""Visas of brokers with `check = "redeem"`: the broker is asked, nobody else waits for it, and what it does not say opens nothing."""

import contextlib
import json
import os
import socket
import sys
import threading
import time

import imagxp
import pytest
from instance import MODULE, ROOT, Nginx
from servers import Front, Manifests
from world import BROWSER, World

# The broker as the tests of the Python package run it.
sys.path.append(str(ROOT / "bindings" / "python" / "tests"))
from broker_service import broker

LOCATIONS = """
    imagxp_manifest_request /imagxp-fetch;
    imagxp_jwks_request /imagxp-fetch;
    imagxp_redeem_request /imagxp-redeem;
    imagxp_redeem_identity {domain} {world}/key.pem;
    imagxp_redeem_timeout {timeout};
    include {snippets}/imagxp-fetch.conf;
    include {snippets}/imagxp-redeem.conf;
    location = /.well-known/imagxp-agent.json {{ imagxp off; }}
    location /free/ {{ imagxp off; }}
"""


class Site:
    """A site, a real broker behind a front, and an agent with money."""

    def __init__(self, folder, service, front, agents, *, timeout="30s", mode="enforce", locations="", forgotten=None):
        self.front = front
        self.nginx = Nginx(folder / "nginx", "")
        self.origin = f"http://127.0.0.1:{self.nginx.port}"
        self.domain = f"127.0.0.1:{self.nginx.port}"
        self.agent = imagxp.Identity.generate(f"127.0.0.1:{agents.port}", allow_loopback=True)
        agents.document = self.agent.manifest().to_json()
        issuer = service.issuer
        policy = {
            "version": 1,
            "origins": [self.origin],
            "allow_loopback": True,
            "unsigned": "browsers",
            "purposes": {"SUMMARY": {"allow": True}},
            "price": {"amount": "0.5", "currency": "USD"},
            "payment": {
                "required": True,
                "brokers": [
                    {"issuer": issuer, "jwks_uri": f"{issuer}/.well-known/jwks.json", "binding": "agent", "check": "redeem"}
                ],
            },
        }
        self.world = World(folder / "world", policy)
        self.key = imagxp.PrivateKey.generate()
        self.world.write("key.pem", self.key.to_pem())
        publisher = imagxp.Identity(self.domain, self.key, allow_loopback=True)
        self.world.write("html/.well-known/imagxp-agent.json", publisher.manifest().to_json())
        self.world.write("html/free/page", "free\n")
        server = LOCATIONS.format(domain=self.domain, world=self.world.folder, timeout=timeout, snippets="{snippets}")
        server = "\n".join(line for line in server.splitlines() if forgotten is None or forgotten not in line)
        text = self.world.http(server=server, mode=mode, locations=locations)
        self.nginx.write("\n".join(line for line in text.splitlines() if "imagxp_manifest_file" not in line))
        self.service = service
        service.operator.deposit(self.agent.agent_id, "10", reference=f"bank-{self.nginx.port}")
        self.client = imagxp.BrokerClient(issuer, self.agent, allow_loopback=True)

    def visa(self):
        return self.client.issue(self.origin, "0.5", "USD", "SUMMARY")

    def headers(self, visa, path="/page", **more):
        return self.world.sign(path, purpose="SUMMARY", agent=self.agent, origin=self.origin, payment=visa["token"], **more)

    def state(self, visa):
        return self.client.visa(visa["jti"])["state"]


@pytest.fixture
def front():
    front = Front()
    yield front
    front.close()


@pytest.fixture
def agents():
    server = Manifests()
    yield server
    server.close()


@pytest.fixture
def site(tmp_path, front, agents):
    """site(timeout=…): the nginx runs until the test ends."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(broker(folder, issuer=f"http://127.0.0.1:{front.port}"))
        front.backend = service.port

        def start(**options):
            made = Site(tmp_path, service, front, agents, **options)
            stack.enter_context(made.nginx)
            return made

        yield start


def test_the_money_is_there_or_it_is_not(site, front):
    site = site()
    visa = site.visa()
    headers = site.headers(visa)
    answer = site.nginx.get("/page", [*headers, ("Cookie", "secret=1"), ("Authorization", "Bearer x")])
    assert (answer.status, answer.body) == (200, b"a page\n"), (answer, site.nginx.errors())
    assert site.state(visa) == "REDEEMED"
    # What was sent is the site's own: signed by it, with the agent's signature in the body, and nothing else of the reader.
    sent, body = front.asked[0]
    lines = set(sent)
    assert {"x-imagxp-payload", "x-imagxp-signature", "idempotency-key", "content-type", "content-length"} <= lines
    assert not lines & {"cookie", "authorization", "x-imagxp-payment"}
    presented = json.loads(body)["visas"][0]
    assert presented["visa"] == visa["token"]
    assert presented["request"]["signature"] == dict(headers)["x-imagxp-signature"]
    # Once: the site itself knows this one, and a visa that was redeemed elsewhere is refused by the broker.
    assert site.nginx.get("/page", site.headers(visa)).code == "payment.already_used"
    other = site.visa()
    publisher = imagxp.Identity(site.domain, site.key, allow_loopback=True)
    elsewhere = imagxp.BrokerClient(site.service.issuer, publisher, allow_loopback=True)
    assert elsewhere.confirm(imagxp.Presented(site.headers(other))) == "accepted"
    asked = len(front.asked)
    refused = site.nginx.get("/page", site.headers(other))
    assert (refused.status, refused.code) == (402, "payment.invalid_token"), refused
    assert len(front.asked) == asked + 1


def test_an_answer_that_was_lost_is_asked_for_again_and_the_visa_is_redeemed_once(site, front):
    site = site()
    visa = site.visa()

    def lose(handler):
        """The broker does it, and nobody hears of it."""
        front.behave = None
        status, answer = front.ask(handler, handler.body)
        assert (status, json.loads(answer)["accepted"]) == (200, 1)
        handler.close_connection = True
        handler.connection.close()

    front.behave = lose
    answer = site.nginx.get("/page", site.headers(visa))
    assert answer.status == 200, (answer, site.nginx.errors())
    # A machine that is busy may need a third.
    assert len(front.asked) >= 2
    assert len({(lines["idempotency-key"], body) for lines, body in front.asked}) == 1
    assert len({lines["x-imagxp-signature"] for lines, _ in front.asked}) == len(front.asked), "signed anew"
    assert site.state(visa) == "REDEEMED"


@pytest.mark.parametrize("first", ["", "imagxp observe;"])
def test_two_sites_of_one_request_ask_once(site, front, first):
    # An index leads to a location whose records go elsewhere; the broker, asked by another verdict, would say that the visa is spent.
    site = site(locations=f"location = / {{ {first} }} " + r"location ~ \.html$ { imagxp_audit_log {folder}/audit.jsonl; }")
    visa = site.visa()
    answer = site.nginx.get("/", site.headers(visa, "/"))
    assert (answer.status, answer.body) == (200, b"hello\n"), (answer, site.nginx.errors())
    assert len(front.asked) == 1
    assert site.state(visa) == "REDEEMED"
    # What it refuses, it refuses for both.
    front.behave = lambda handler: handler.answer(
        200, b'{"results":[{"accepted":false,"error":{"code":"visa.already_redeemed","message":"it is"}}]}'
    )
    refused = site.nginx.get("/", site.headers(site.visa(), "/"))
    assert (refused.status, refused.code) == (402, "payment.invalid_token"), refused
    assert len(front.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (503, b'{"error":{"code":"store.busy"}}'),
        (200, b"{}"),
        (200, b'{"results":[{"accepted":false,"error":{"code":"store.unknown"}}]}'),
        (200, b'{"results":[{"accepted":true},{"accepted":true}]}'),
        (302, b""),
        (401, b'{"error":{"code":"auth.required"}}'),
        (200, b" " * 100_000),
    ],
    ids=lambda answer: f"{answer[0]}-{answer[1][:24].decode()}",
)
def test_whatever_is_no_word_opens_nothing(site, front, answer):
    site = site(timeout="1500ms")

    front.behave = lambda handler: handler.answer(*answer)
    refused = site.nginx.get("/page", site.headers(site.visa()))
    assert (refused.status, refused.code) == (503, "payment.redeem_unavailable"), (refused, site.nginx.errors())
    assert len(front.asked) >= 2, "it is asked again while there is time"


def test_a_broker_that_stalls_holds_up_nobody_else(site, front):
    site = site(timeout="4s")
    front.behave = front.stall
    answers = []
    headers = [site.headers(site.visa()) for _ in range(8)]
    threads = [threading.Thread(target=lambda lines=lines: answers.append(site.nginx.get("/page", lines))) for lines in headers]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    slowest = 0.0
    while time.monotonic() < begun + 3:
        before = time.monotonic()
        assert site.nginx.get("/page", BROWSER).status == 200
        assert site.nginx.get("/free/page").body == b"free\n"
        slowest = max(slowest, time.monotonic() - before)
    for thread in threads:
        thread.join()
    assert [(answer.status, answer.code) for answer in answers] == [(503, "payment.redeem_unavailable")] * 8
    assert 3.9 < time.monotonic() - begun < 15
    # One worker, which waited for nothing.
    assert slowest < 2, slowest
    assert not site.nginx.crashed()


def test_a_reader_who_goes_away_while_the_broker_stalls(site, front):
    site = site()
    front.behave = front.stall
    lines = "".join(f"{name}: {value}\r\n" for name, value in site.headers(site.visa()))

    with socket.create_connection(("127.0.0.1", site.nginx.port)) as connection:
        connection.sendall(f"GET /page HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        until = time.monotonic() + 30
        while not front.asked:
            assert time.monotonic() < until
            time.sleep(0.01)
    front.behave = None
    front.release.set()
    assert site.nginx.get("/page", site.headers(site.visa())).status == 200
    assert not site.nginx.crashed(), site.nginx.errors()


def test_workers_end_while_a_broker_is_asked(site, front):
    site = site(timeout="2s")
    front.behave = front.stall
    headers = site.headers(site.visa())
    answers = []
    thread = threading.Thread(target=lambda: answers.append(site.nginx.get("/page", headers)))
    thread.start()
    time.sleep(0.3)
    site.nginx.reload()
    thread.join()
    assert answers[0].code == "payment.redeem_unavailable"
    assert not site.nginx.crashed()


def test_configurations_that_are_refused(tmp_path):
    world = World(tmp_path / "world")
    world.write("key.pem", imagxp.PrivateKey.generate().to_pem())
    world.write("nonsense.pem", "nonsense")
    key = f"{world.folder}/key.pem"
    for server, said in [
        ("imagxp_redeem_request /x;", "go together"),
        (f"imagxp_redeem_identity pub.example {key};", "go together"),
        (f"imagxp_redeem_request /x; imagxp_redeem_identity 192.0.2.1 {key};", "imagxp_redeem_identity"),
        (f"imagxp_redeem_request /x; imagxp_redeem_identity pub.example {world.folder}/nonsense.pem;", "imagxp_redeem_identity"),
        ("imagxp_redeem_request /x; imagxp_redeem_identity pub.example;", "takes a domain"),
        (f"imagxp_redeem_identity pub.example {key}; imagxp_redeem_identity pub.example {key};", "duplicate"),
    ]:
        good, text = Nginx(tmp_path / "nginx", world.http(server=server)).check()
        assert not good and said in text, (server, text)
    good, text = Nginx(tmp_path / "nginx", world.http(server="imagxp_redeem_identity off;")).check()
    assert good, text
    assert MODULE.exists() and os.path.exists(key)


def test_a_server_without_the_snippet_asks_nobody_at_once_and_says_so(site, front):
    site = site(forgotten="include {snippets}/imagxp-redeem.conf")
    visa = site.visa()
    begin = time.monotonic()
    answer = site.nginx.get("/page", site.headers(visa))
    assert (answer.status, answer.code) == (503, "payment.redeem_unavailable"), answer
    # Asking again would be in vain: it does not wait for imagxp_redeem_timeout.
    assert time.monotonic() - begin < 20
    assert '"imagxp_redeem_request" names "/imagxp-redeem", and this server has neither' in site.nginx.errors()
    assert front.asked == []
    assert site.state(visa) == "ISSUED"
