"""The middleware over the network: what reaches the application, and what does not."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from typing import Any

import httpx
import imagxp
import pytest
from asgi_site import BROWSER, Domain, Site, raw_request
from imagxp import Policy, Publisher
from imagxp.asgi import WELL_KNOWN_PATH, ImagxpMiddleware
from support import Server, respond, serving


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
