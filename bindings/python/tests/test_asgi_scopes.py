"""The middleware and its server: mounts, WebSockets, and scopes that no common server makes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from asgi_site import Domain, Site, call, ok
from imagxp import Identity, Policy, Publisher
from imagxp.asgi import ImagxpMiddleware
from imagxp.asgi_scope import target
from support import knowing, signed
from websockets.exceptions import InvalidStatus


def test_mounts_and_rewritten_paths(domain: Domain) -> None:
    with Site() as site:
        answer = site.get("/mounted/a%20b", domain.identity).json()
        assert answer["path"] == "/mounted/a b"
        assert answer["verdict"]["resource"] == site.origin + "/mounted/a%20b"


def test_scopes_that_a_server_may_make() -> None:
    document = {
        "version": 1,
        "origins": ["https://pub.example"],
        "unsigned": "allow",
        "paths": [{"match": "/private*", "unsigned": "deny"}],
    }
    app = ImagxpMiddleware(ok, Policy.from_dict(document))
    cases: list[tuple[dict[str, Any], int]] = [
        ({"path": "/open"}, 200),
        ({"path": "/private"}, 401),
        ({"path": "/private", "raw_path": b"/private"}, 401),
        ({"path": "/open", "raw_path": b"/open"}, 200),
        # Rewritten by someone before us: what is served decides, whatever the client asked for.
        ({"path": "/private", "raw_path": b"/open"}, 401),
        ({"path": "/open", "raw_path": b"/private"}, 200),
        ({"path": "/a", "root_path": "/private", "raw_path": b"/private/a"}, 401),
        ({"path": "/pri\udcffvate"}, 200),
        ({"path": ""}, 401),
    ]
    for scope, status in cases:
        sent = asyncio.run(call(app, {"type": "http", **scope}))
        assert sent[0]["status"] == status, scope
    with pytest.raises(ValueError, match="unknown ASGI scope"):
        asyncio.run(call(app, {"type": "carrier-pigeon", "path": "/"}))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        # hypercorn's `--root-path`, FastAPI's `root_path`, Django's `FORCE_SCRIPT_NAME`: a proxy has cut the mount off.
        ({"path": "/a", "raw_path": b"/a"}, "/api/a"),
        ({"path": "/a b", "raw_path": b"/%61%20b"}, "/api/%61%20b"),
        ({"path": "/a b"}, "/api/a%20b"),
        ({"path": "/a", "raw_path": b"/elsewhere"}, "/api/a"),
        ({"path": "/apiary", "raw_path": b"/apiary"}, "/api/apiary"),
        ({"path": "/a", "raw_path": b"/a", "root_path": "/\u00e9/"}, "/%C3%A9/a"),
        # Nothing was cut off.
        ({"path": "/api/a", "raw_path": b"/api/%61"}, "/api/%61"),
        ({"path": "/api/a", "raw_path": b"/a"}, "/api/a"),
        ({"path": "/a", "raw_path": b"/api/%61"}, "/api/%61"),
        ({"path": "/api"}, "/api"),
        ({"path": "/a", "root_path": "/"}, "/a"),
        # What is no path becomes none.
        ({"path": ""}, "*"),
        ({"path": "http://evil.example/a", "raw_path": b"http://evil.example/a"}, "*"),
    ],
)
def test_what_is_verified_is_what_was_asked_for(scope: dict[str, Any], expected: str) -> None:
    assert target({"root_path": "/api", **scope}) == expected
    assert target({"root_path": "/api", **scope, "query_string": b"q=%2F"}) == f"{expected}?q=%2F".replace("*?q=%2F", "*")


def test_behind_a_proxy_that_cuts_the_mount_off(agent: Identity) -> None:
    publisher = knowing(agent, now=None, unsigned="allow", paths=[{"match": "/api/private/*", "unsigned": "deny"}])
    app = ImagxpMiddleware(ok, publisher=publisher)

    def ask(path: str, headers: Any = ()) -> int:
        lines = [(name.encode(), value.encode()) for name, value in headers]
        scope = {"type": "http", "path": path, "raw_path": path.encode(), "root_path": "/api", "headers": lines}
        return int(asyncio.run(call(app, scope))[0]["status"])

    assert ask("/private/a") == 401, "closed is closed"
    assert ask("/open") == 200
    assert ask("/private/a", signed(agent, "/api/private/a", now=None)) == 200, "and an agent signs what it asked for"


@pytest.mark.parametrize("path", ["/robots.txt", "/.well-known/imagxp-policy.json", "/.well-known/imagxp-agent.json"])
def test_announcements_are_at_the_root_of_the_origin(path: str) -> None:
    document = {"version": 1, "origins": ["https://pub.example"], "unsigned": "deny"}
    manifest = Identity.generate("pub.example").manifest()
    app = ImagxpMiddleware(ok, Policy.from_dict(document), manifest=manifest)
    cases: list[tuple[dict[str, Any], int]] = [
        ({"path": path}, 200),
        ({"path": path, "root_path": "/"}, 200),
        ({"path": f"/shop{path}"}, 401),
        ({"path": f"/shop{path}", "root_path": "/shop"}, 401),
        # Without the mount, as some servers and frameworks have it.
        ({"path": path, "root_path": "/shop"}, 401),
        ({"path": path, "root_path": "/shop", "raw_path": f"/shop{path}".encode()}, 401),
    ]
    for scope, status in cases:
        sent = asyncio.run(call(app, {"type": "http", **scope}))
        assert sent[0]["status"] == status, scope


@pytest.mark.parametrize(
    ("server", "status"),
    [
        *[(server, 200) for server in (("127.0.0.1", 80), ("::1", 80), ("testserver", 80), ("/run/site.sock", None), None)],
        *[((address, 80), 500) for address in ("192.0.2.1", "0.0.0.0", "10.0.0.1", "2001:db8::1")],
    ],
)
def test_the_development_switch_works_on_loopback_only(server: Any, status: int, caplog: pytest.LogCaptureFixture) -> None:
    document = {"version": 1, "origins": ["https://pub.example"], "unsigned": "allow", "allow_loopback": True}
    sent = asyncio.run(call(ImagxpMiddleware(ok, Policy.from_dict(document)), {"type": "http", "path": "/", "server": server}))
    assert sent[0]["status"] == status
    assert ("allow_loopback" in caplog.text) == (status == 500)
    del document["allow_loopback"]
    sent = asyncio.run(call(ImagxpMiddleware(ok, Policy.from_dict(document)), {"type": "http", "path": "/", "server": server}))
    assert sent[0]["status"] == 200


def test_websockets_are_verified_before_they_are_accepted(domain: Domain) -> None:
    with Site(server={"ws": "websockets-sansio"}) as site:
        url = site.origin.replace("http", "ws") + "/ws"
        with pytest.raises(InvalidStatus) as caught:
            websockets.sync.client.connect(url, proxy=None)
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body or b"")["error"]["code"] == "auth.required"
        headers = domain.identity.sign("GET", site.origin + "/ws", "RAG_RETRIEVAL")
        with websockets.sync.client.connect(url, additional_headers=headers, proxy=None) as connection:
            assert connection.recv() == "verified_agent"


def test_websockets_of_servers_without_responses_are_closed() -> None:
    app = ImagxpMiddleware(ok, Policy.from_dict({"version": 1, "origins": ["https://pub.example"]}))
    sent = asyncio.run(call(app, {"type": "websocket", "path": "/ws", "raw_path": b"/ws"}))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_what_the_middleware_needs(tmp_path: Path) -> None:
    policy = Policy.from_dict({"version": 1, "origins": ["https://pub.example"]})
    for arguments in ({}, {"policy": policy, "publisher": Publisher(policy)}):
        with pytest.raises(TypeError):
            ImagxpMiddleware(ok, **arguments)  # type: ignore[arg-type]
