"""What Flask alone has; what all adapters have is in test_servers.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask
import httpx
import imagxp
import pytest
from imagxp import Identity, UsageError
from imagxp import flask as imagxp_flask
from support import AGENT_UA, BROWSER, ORIGIN, PURPOSES, Bank, fresh, knowing, policy, signed
from werkzeug.serving import WSGIRequestHandler, make_server


def flask_app(agent: Identity, **members: Any) -> Any:
    app = flask.Flask(__name__)
    publisher = knowing(agent, now=None, unsigned="browsers", **{"purposes": PURPOSES, **members})
    site = imagxp_flask.Imagxp(publisher=publisher, everywhere=False)
    site.init_app(app)

    @app.get("/open")
    def free() -> str:
        try:
            site.verdict  # noqa: B018
        except RuntimeError:
            return "not verified"
        return "verified"

    @app.get("/summary")
    @site.verified("SUMMARY", "QUOTATION")
    def summary() -> tuple[str, int, dict[str, str]]:
        assert site.publisher is publisher
        return f"for {site.verdict.agent_id}", 201, {"x-own": "1"}

    @app.get("/async")
    @site.verified()
    @site.verified("SUMMARY")
    def twice() -> str:
        return str(site.verdict.purpose)

    return app


def test_flask_views_choose_their_purposes(agent: Identity) -> None:
    client = flask_app(agent).test_client()
    assert client.get("/open").text == "not verified", "a view that does not ask is not verified"
    good = client.get("/summary", headers=fresh(agent, "/summary", "SUMMARY"))
    assert (good.status_code, good.text, good.headers["x-own"]) == (201, "for bot.example.com", "1")
    other = client.get("/summary", headers=fresh(agent, "/summary", "RAG_RETRIEVAL"))
    assert (other.status_code, other.get_json()["error"]["code"]) == (403, "policy.purpose_denied")
    browser = client.get("/summary", headers=BROWSER)
    assert (browser.status_code, browser.headers["www-authenticate"]) == (401, "IMAGXP")
    nobody = client.get("/summary")
    assert nobody.get_json()["error"]["code"] == "auth.required"
    assert client.get("/async", headers=fresh(agent, "/async", "SUMMARY")).text == "SUMMARY", "asked twice, verified once"


def test_flask_observes(agent: Identity) -> None:
    client = flask_app(agent, mode="observe").test_client()
    assert client.get("/summary", headers=BROWSER).status_code == 201
    assert client.get("/summary", headers=fresh(agent, "/summary", "RAG_RETRIEVAL")).status_code == 201


def test_a_purpose_that_a_view_refuses_costs_no_visa(agent: Identity) -> None:
    bank, asked = Bank(), []

    def redeem(need: Any, visa: str, presented: Any) -> str:
        asked.append(visa)
        return "accepted"

    publisher = knowing(agent, now=None, purposes={**PURPOSES, "QUOTATION": {}}, **bank.members("redeem"))
    bank.introduce(publisher)
    app = flask.Flask(__name__)
    site = imagxp_flask.Imagxp(app, publisher=publisher, everywhere=False, redeem=redeem)
    app.get("/summary")(site.verified("SUMMARY")(lambda: "in"))
    visa = bank.visa(agent)

    def read(purpose: str) -> tuple[int, str | None]:
        answer = app.test_client().get("/summary", headers=dict(signed(agent, "/summary", purpose, now=None, payment=visa)))
        return answer.status_code, answer.get_json()["error"]["code"] if answer.is_json else None

    assert read("QUOTATION") == (403, "policy.purpose_denied")
    assert asked == []
    assert read("SUMMARY") == (200, None)
    assert asked == [visa]


def test_a_visa_that_was_spent_before_the_view_was_known_is_told(agent: Identity, caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    publisher = knowing(agent, now=None, purposes={**PURPOSES, "QUOTATION": {}}, **bank.members("offline"))
    bank.introduce(publisher)
    app = flask.Flask(__name__)
    site = imagxp_flask.Imagxp(app, publisher=publisher)
    app.get("/summary")(site.verified("SUMMARY")(lambda: "in"))
    headers = dict(signed(agent, "/summary", "QUOTATION", now=None, payment=bank.visa(agent)))
    assert app.test_client().get("/summary", headers=headers).status_code == 403
    assert "a visa was spent before its purpose was refused" in caplog.text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_flask_has_read_already_is_still_checked(agent: Identity, chunked: bool) -> None:
    """On a real server, which keeps the connection: to read a body a second time is to wait for ever."""
    app = flask.Flask(__name__)
    publisher = knowing(agent, now=None, methods=["POST"], purposes=PURPOSES)
    site = imagxp_flask.Imagxp(app, publisher=publisher, everywhere=False, max_body=100)

    @app.before_request
    def look() -> None:
        if flask.request.path != "/half":
            flask.request.get_json()
        else:
            flask.request.stream.read(3)

    @app.post("/words")
    @app.post("/half")
    @site.verified()
    def words() -> str:
        again = flask.request.environ["wsgi.input"]
        return flask.request.stream.read().decode() + "|" + again.read().decode()

    with werkzeug_server(app) as origin, httpx.Client(trust_env=False, timeout=10) as client:

        def post(path: str, said: bytes, sent: bytes) -> httpx.Response:
            digest = imagxp.content_digest(said)
            headers = [*agent.sign("POST", ORIGIN + path, "SUMMARY", content_digest=digest), AGENT_UA]
            content = iter([sent[:5], sent[5:]]) if chunked else sent
            return client.post(origin + path, headers=[*headers, ("Content-Type", "application/json")], content=content)

        body = b'{"word": "yes"}'
        good = post("/words", body, body)
        assert (good.status_code, good.text) == (200, "|"), "the application has read it all"
        assert post("/half", body, body).text == body[3:].decode() + "|", "and here the beginning"
        changed = post("/words", body, b'{"word": "not"}')
        assert (changed.status_code, changed.json()["error"]["code"]) == (400, "claim.digest_mismatch")
        large = b'{"word": "' + b"y" * 100 + b'"}'
        assert post("/words", large, large).json()["error"]["code"] == "claim.digest_mismatch"


@contextmanager
def werkzeug_server(app: Any) -> Iterator[str]:
    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def test_decorators_know_their_purposes_and_need_their_application(agent: Identity) -> None:
    site = imagxp_flask.Imagxp(policy=policy())
    with pytest.raises(UsageError, match="`FUN` is not a purpose"):
        site.verified("FUN")
    app = flask.Flask(__name__)
    app.testing = True
    app.get("/")(site.verified()(lambda: "in"))
    with pytest.raises(RuntimeError, match="not around this application"):
        app.test_client().get("/")
