"""What Django alone has; what all adapters have is in test_servers.py."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import imagxp
import pytest
from imagxp import Identity, Policy
from support import AGENT_UA, ORIGIN, PURPOSES, fresh, knowing, reserve, serving

ALLOWED = {"origins": [ORIGIN], "purposes": PURPOSES}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "IMAGXP is missing"),
        ({"POLICI": {}}, "POLICI"),
        ({}, "either a policy or a publisher"),
        ({"POLICY": {"version": 1, **ALLOWED}, "AUDIT": print, "PUBLISHER": "imagxp.codes.ALL"}, "audit log"),
    ],
)
def test_wrong_settings_of_django(given: Any, message: str) -> None:
    import django_site  # noqa: F401 (configures Django)
    from django.core.exceptions import ImproperlyConfigured
    from django.test import override_settings
    from imagxp.django import ImagxpMiddleware as Middleware

    with override_settings(IMAGXP=given), pytest.raises((ImproperlyConfigured, imagxp.PolicyError), match=message):
        Middleware(lambda request: request)  # type: ignore[arg-type, return-value]


def test_settings_of_django_name_things_by_their_path(tmp_path: Any) -> None:
    import django_site  # noqa: F401 (configures Django)
    from django.test import override_settings
    from imagxp.django import ImagxpMiddleware as Middleware

    file = tmp_path / "policy.toml"
    file.write_text('version = 1\norigins = ["https://pub.example"]\n[purposes]\nSUMMARY = {}\n')
    for given in (file, str(file), {"version": 1, **ALLOWED}, Policy.from_file(file)):
        with override_settings(IMAGXP={"POLICY": given, "ON_FEEDBACK": "builtins.print"}):
            middleware = Middleware(lambda request: request)  # type: ignore[arg-type, return-value]
            assert middleware.publisher.policy.origins == (ORIGIN,)
            assert not asyncio.iscoroutinefunction(middleware)


def test_a_synchronous_chain_of_django_under_asgi(agent: Identity) -> None:
    """Some other middleware may be synchronous: Django then runs ours in a thread."""
    import django_site
    from django.core.handlers.asgi import ASGIHandler
    from django.test import override_settings

    django_site.use(asynchronous=False)
    publisher = knowing(agent, now=None, methods=["GET", "POST"])
    chain = ["imagxp.django.ImagxpMiddleware", "django_site.synchronous"]
    with override_settings(IMAGXP={"PUBLISHER": publisher}, MIDDLEWARE=chain):
        handler = ASGIHandler()
    with serving(handler, reserve(), lifespan="off") as server, httpx.Client(trust_env=False) as client:
        good = client.get(server.origin + "/a", headers=fresh(agent, "/a", "RAG_RETRIEVAL"))
        assert good.json()["verdict"]["agent_id"] == agent.agent_id
        again = client.get(server.origin + "/a", headers=fresh(agent, "/b", "RAG_RETRIEVAL"))
        assert again.json()["error"]["code"] == "claim.resource_mismatch"
        body = b"words"
        digest = imagxp.content_digest(body)
        signed = [*agent.sign("POST", ORIGIN + "/a", "RAG_RETRIEVAL", content_digest=digest), AGENT_UA]
        assert client.post(server.origin + "/a", headers=signed, content=body).json()["body"] == "words"


def test_a_django_site_whose_mount_was_cut_off(agent: Identity) -> None:
    import django_site  # noqa: F401 (configures Django)
    from django.http import HttpResponse
    from django.test import AsyncRequestFactory, override_settings
    from imagxp.django import ImagxpMiddleware as Middleware

    async def view(request: Any) -> HttpResponse:
        return HttpResponse("in")

    publisher = knowing(agent, now=None, unsigned="allow", paths=[{"match": "/shop/private", "unsigned": "deny"}])
    with override_settings(IMAGXP={"PUBLISHER": publisher}):
        middleware = Middleware(view)
    with override_settings(FORCE_SCRIPT_NAME="/shop"):
        stranger = AsyncRequestFactory().get("/private")
        good = AsyncRequestFactory().get("/private", headers=fresh(agent, "/shop/private", "RAG_RETRIEVAL"))
    assert [asyncio.run(middleware(request)).status_code for request in (stranger, good)] == [401, 200]


def test_callables_leave_no_database_connection_behind(agent: Identity, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ASGI they run in threads where no request begins or ends: a connection that the server has cut would stay for ever."""
    import django_site
    from django.core.handlers.asgi import ASGIHandler
    from django.db import connection, connections
    from django.test import override_settings

    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "db"))
    django_site.use(asynchronous=True)
    opened: list[Any] = []

    def on_feedback(feedback: Any, verdict: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        opened.append(connections["default"])
        assert opened[-1].connection is not None

    publisher = knowing(agent, now=None)
    with override_settings(IMAGXP={"PUBLISHER": publisher, "ON_FEEDBACK": on_feedback}):
        handler = ASGIHandler()
    feedback = imagxp.feedback_header(imagxp.Feedback(ORIGIN + "/a", "1", "HIGH_QUALITY").sign(agent))
    with serving(handler, reserve(), lifespan="off") as server, httpx.Client(trust_env=False) as client:
        answer = client.get(server.origin + "/a", headers={**fresh(agent, "/a", "RAG_RETRIEVAL"), "x-imagxp-feedback": feedback})
    assert answer.headers["x-imagxp-feedback-status"] == "accepted"
    assert [each.connection for each in opened] == [None]


def test_announcements_of_a_django_site_are_at_the_root_of_the_origin() -> None:
    import django_site  # noqa: F401 (configures Django)
    from django.http import HttpResponse
    from django.test import AsyncRequestFactory, RequestFactory, override_settings
    from imagxp.django import ImagxpMiddleware as Middleware

    async def view(request: Any) -> HttpResponse:
        return HttpResponse("in")

    with override_settings(IMAGXP={"POLICY": {"version": 1, "origins": [ORIGIN], "unsigned": "deny"}}):
        blocking = Middleware(lambda request: HttpResponse("in"))
        asynchronous = Middleware(view)
    for mount, status in (("", 200), ("/shop", 401)):
        assert blocking(RequestFactory().get("/robots.txt", SCRIPT_NAME=mount)).status_code == status
        # A server in front has cut the mount off, and the setting says so.
        with override_settings(FORCE_SCRIPT_NAME=mount or None):
            request = AsyncRequestFactory().get("/robots.txt")
        assert asyncio.run(asynchronous(request)).status_code == status
