"""What Flask alone has; what all adapters have is in test_servers.py."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from imagxp import Identity, UsageError
from imagxp import flask as imagxp_flask
from support import BROWSER, PURPOSES, fresh, knowing, policy


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


def test_decorators_know_their_purposes_and_need_their_application(agent: Identity) -> None:
    site = imagxp_flask.Imagxp(policy=policy())
    with pytest.raises(UsageError, match="`FUN` is not a purpose"):
        site.verified("FUN")
    app = flask.Flask(__name__)
    app.testing = True
    app.get("/")(site.verified()(lambda: "in"))
    with pytest.raises(RuntimeError, match="not around this application"):
        app.test_client().get("/")
