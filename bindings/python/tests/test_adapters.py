"""What one adapter has and the others have not; what all have is in test_servers.py."""

from __future__ import annotations

import asyncio
import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask
import httpx
import imagxp
import pytest
from fastapi import Depends, FastAPI
from imagxp import Identity, Policy, UsageError, Verdict
from imagxp import fastapi as imagxp_fastapi
from imagxp import flask as imagxp_flask
from imagxp.gate import ClientGone, Incoming
from imagxp.wsgi import ImagxpMiddleware
from imagxp.wsgi_environ import BodyReader, incoming, is_public, remove_verdicts
from support import AGENT_UA, ORIGIN, knowing, policy, reserve, serving

ALLOWED = {"origins": [ORIGIN], "purposes": {"RAG_RETRIEVAL": {}, "SUMMARY": {}}}


def environ(**changes: Any) -> dict[str, Any]:
    base = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
    }
    return {**base, **changes}


def of(request: Incoming, name: bytes) -> list[bytes]:
    return request.values(name)


@pytest.mark.parametrize("joined", ["a,a", "a, b", ",a", "a,", ","])
@pytest.mark.parametrize("name", ["payload", "signature", "public-key", "payment", "proof", "feedback", "agent-id", "other"])
def test_lines_that_a_wsgi_server_has_joined_are_refused(name: str, joined: str, agent: Identity) -> None:
    """gunicorn, werkzeug and wsgiref join with a comma; what was two lines stays two lines."""
    key = f"HTTP_X_IMAGXP_{name.upper().replace('-', '_')}"
    request = incoming(environ(**{key: joined, "HTTP_ACCEPT": "text/html, */*"}))
    assert len(of(request, f"x-imagxp-{name}".encode())) == 2
    assert of(request, b"accept") == [b"text/html, */*"], "other lists stay lists"
    verdict = knowing(agent).verify("GET", request.target, request.headers).verdict
    assert (verdict.http, verdict.code) == (400, "header.duplicate")


def test_feedback_in_json_is_one_line() -> None:
    one = '{"url":"https://pub.example/","reason":"OTHER","quality_score":"0.5"}'
    assert of(incoming(environ(HTTP_X_IMAGXP_FEEDBACK=one)), b"x-imagxp-feedback") == [one.encode()]
    for between in (",", ", ", " , "):
        two = incoming(environ(HTTP_X_IMAGXP_FEEDBACK=one + between + one))
        assert of(two, b"x-imagxp-feedback") == [one.encode()] * 2


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({}, "/a"),
        ({"QUERY_STRING": "b=%2F&c"}, "/a?b=%2F&c"),
        ({"REQUEST_URI": "/%61?b", "QUERY_STRING": "b"}, "/%61?b"),
        ({"RAW_URI": "/%61"}, "/%61"),
        ({"REQUEST_URI": "/other", "PATH_INFO": "/a b"}, "/a%20b"),
        ({"REQUEST_URI": "http://evil.example/a"}, "/a"),
        ({"PATH_INFO": "http://evil.example/a"}, "*"),
        ({"PATH_INFO": ""}, "*"),
        ({"SCRIPT_NAME": "/app", "PATH_INFO": "/a"}, "/app/a"),
        ({"SCRIPT_NAME": "/app", "REQUEST_URI": "/app/%61"}, "/app/%61"),
        ({"PATH_INFO": "/\xc3\xa9"}, "/%C3%A9"),
        ({"PATH_INFO": "/\xff", "REQUEST_URI": "/%FF"}, "/%FF"),
        ({"PATH_INFO": "/\xff"}, "/%FF"),
        ({"PATH_INFO": "/\u1234"}, "/%E1%88%B4"),
    ],
)
def test_targets_of_wsgi(given: dict[str, str], target: str) -> None:
    assert incoming(environ(**given)).target == target


@pytest.mark.parametrize(
    ("server", "visitor", "public"),
    [
        ("127.0.0.1", "127.0.0.1", False),
        ("localhost", "::1", False),
        ("localhost", "192.0.2.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "", True),
        ("pub.example", "", False),
    ],
)
def test_development_stays_on_loopback(server: str, visitor: str, public: bool) -> None:
    assert is_public(environ(SERVER_NAME=server, REMOTE_ADDR=visitor)) == public


def test_verdicts_of_strangers_are_removed() -> None:
    given = environ(HTTP_X_IMAGXP_VERDICT_AGENT_ID="evil", HTTP_X_IMAGXP_PAYLOAD="e30", HTTP_ACCEPT="*/*")
    remove_verdicts(given)
    assert sorted(key for key in given if key.startswith("HTTP_")) == ["HTTP_ACCEPT", "HTTP_X_IMAGXP_PAYLOAD"]


def test_bodies_of_wsgi() -> None:
    def read(body: bytes, **changes: Any) -> tuple[bytes | None, bytes]:
        given = environ(**{"wsgi.input": io.BytesIO(body), **changes})
        found = BodyReader(given)(10)
        return found, given["wsgi.input"].read()

    assert read(b"0123456789", CONTENT_LENGTH="10") == (b"0123456789", b"0123456789")
    assert read(b"0123456789+", CONTENT_LENGTH="11") == (None, b"0123456789+")
    assert read(b"next request", CONTENT_LENGTH="") == (b"", b"next request"), "no length, no body"
    assert read(b"chunked", **{"wsgi.input_terminated": True}) == (b"chunked", b"chunked")
    assert read(b"0123456789abc", **{"wsgi.input_terminated": True}) == (None, b"0123456789abc"), "nothing is lost"
    for length in ("-1", "1e3", "\u0661"):
        assert read(b"body", CONTENT_LENGTH=length)[0] is None
    with pytest.raises(ClientGone):
        read(b"half", CONTENT_LENGTH="8")


def start(answers: list[Any]) -> Any:
    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        answers.append((status, dict(headers), exc_info))
        return lambda chunk: answers.append(chunk)

    return start_response


def with_receipts(app: Any, agent: Identity) -> ImagxpMiddleware:
    """Around an application for browsers."""
    site = Identity.generate("pub.example")
    document = policy(unsigned="allow", provenance={"origin": "HUMAN"})
    return ImagxpMiddleware(app, document, identity=site, max_receipt_body=10)


@pytest.mark.parametrize(
    ("chunks", "length", "receipt"),
    [
        ([b"whole"], None, True),
        ([], None, True),
        ([b"a", b"b"], "2", True),
        ([b"a", b"b"], None, False),
        ([b"a" * 6, b"b" * 6], "12", False),
        ([b"a" * 6, b"b" * 6], "5", False),
        ([b"", b"a"], "1", True),
    ],
)
def test_pieces_of_wsgi(chunks: list[bytes], length: str | None, receipt: bool, agent: Identity) -> None:
    """Lists, generators that call `start_response` late, and lengths that lie."""
    closed = []

    class Pieces:
        def __init__(self, start_response: Any) -> None:
            self.start_response = start_response

        def __iter__(self) -> Iterator[bytes]:
            self.start_response("200 OK", [("content-length", length)] if length else [])
            yield from chunks

        def close(self) -> None:
            closed.append(True)

    def as_list(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-length", length)] if length else [])
        return chunks

    for app, known in (
        (as_list, receipt),
        (lambda environ, start_response: Pieces(start_response), receipt and (bool(length) or not chunks)),
    ):
        answers: list[Any] = []
        body = with_receipts(app, agent)(environ(HTTP_HOST="pub.example"), start(answers))
        assert b"".join(body) == b"".join(chunks)
        ((status, headers, _),) = answers
        assert status == "200 OK"
        assert ("x-imagxp-provenance" in headers) == known, (chunks, length)
        getattr(body, "close", lambda: None)()
    assert closed == [True]


def test_old_and_failing_applications_of_wsgi(agent: Identity) -> None:
    def writes(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"written")
        return [b"returned"]

    def fails(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            raise RuntimeError("late")
        except RuntimeError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return [b"sorry"]

    answers: list[Any] = []
    assert list(with_receipts(writes, agent)(environ(HTTP_HOST="pub.example"), start(answers))) == [b"returned"]
    assert [answers[0][0], answers[1]] == ["200 OK", b"written"]
    answers = []
    assert list(with_receipts(fails, agent)(environ(HTTP_HOST="pub.example"), start(answers))) == [b"sorry"]
    assert [status for status, _, _ in answers] == ["500 Internal Server Error"], "what waits is replaced"


def test_wsgi_takes_plain_callbacks_only() -> None:
    async def redeem(need: Any, visa: str) -> Any:
        return "accepted"

    class Feedback:
        async def __call__(self, feedback: Any, verdict: Any) -> None:
            return None

    for options in ({"redeem": redeem}, {"on_feedback": Feedback()}):
        with pytest.raises(TypeError, match="asynchronous"):
            ImagxpMiddleware(lambda environ, start_response: [], policy(), **options)


def test_a_client_that_leaves_is_not_verified(agent: Identity) -> None:
    publisher = knowing(agent, now=None, methods=["POST"])
    headers = agent.sign("POST", ORIGIN + "/a", "RAG_RETRIEVAL", content_digest=imagxp.content_digest(b"whole body"))
    given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in [*headers, AGENT_UA]}
    given |= {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"half"), "REQUEST_METHOD": "POST"}
    answers: list[Any] = []

    def never(environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError

    assert list(ImagxpMiddleware(never, publisher=publisher)(environ(**given), start(answers))) == [b""]
    assert answers[0][0] == "400 Bad Request"


# Flask


def flask_app(agent: Identity, **members: Any) -> Any:
    app = flask.Flask(__name__)
    publisher = knowing(agent, now=None, unsigned="browsers", **{"purposes": ALLOWED["purposes"], **members})
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


BROWSER = {"User-Agent": "Mozilla/5.0 Firefox/140.0", "Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}


def sign(agent: Identity, path: str, purpose: str) -> dict[str, str]:
    return dict([*agent.sign("GET", ORIGIN + path, purpose), AGENT_UA])


def test_flask_views_choose_their_purposes(agent: Identity) -> None:
    client = flask_app(agent).test_client()
    assert client.get("/open").text == "not verified", "a view that does not ask is not verified"
    good = client.get("/summary", headers=sign(agent, "/summary", "SUMMARY"))
    assert (good.status_code, good.text, good.headers["x-own"]) == (201, "for bot.example.com", "1")
    other = client.get("/summary", headers=sign(agent, "/summary", "RAG_RETRIEVAL"))
    assert (other.status_code, other.get_json()["error"]["code"]) == (403, "policy.purpose_denied")
    browser = client.get("/summary", headers=BROWSER)
    assert (browser.status_code, browser.headers["www-authenticate"]) == (401, "IMAGXP")
    nobody = client.get("/summary")
    assert nobody.get_json()["error"]["code"] == "auth.required"
    assert client.get("/async", headers=sign(agent, "/async", "SUMMARY")).text == "SUMMARY", "asked twice, verified once"


def test_flask_observes(agent: Identity) -> None:
    client = flask_app(agent, mode="observe").test_client()
    assert client.get("/summary", headers=BROWSER).status_code == 201
    assert client.get("/summary", headers=sign(agent, "/summary", "RAG_RETRIEVAL")).status_code == 201


def test_decorators_know_their_purposes_and_need_their_application(agent: Identity) -> None:
    site = imagxp_flask.Imagxp(policy=policy())
    with pytest.raises(UsageError, match="`FUN` is not a purpose"):
        site.verified("FUN")
    app = flask.Flask(__name__)
    app.testing = True
    app.get("/")(site.verified()(lambda: "in"))
    with pytest.raises(RuntimeError, match="not around this application"):
        app.test_client().get("/")


# FastAPI


@contextmanager
def fastapi_site(agent: Identity, **members: Any) -> Iterator[httpx.Client]:
    app = FastAPI(openapi_url=None)
    publisher = knowing(agent, now=None, methods=["GET", "POST"], purposes=ALLOWED["purposes"], **members)
    site = imagxp_fastapi.Imagxp(app, publisher=publisher, everywhere=False)
    assert site.publisher is publisher

    @app.get("/open")
    async def free() -> str:
        return "not verified"

    @app.get("/summary")
    async def summary(verdict: Verdict = Depends(site.purpose("SUMMARY"))) -> str:  # noqa: B008 (as FastAPI has it)
        return str(verdict.agent_id)

    @app.post("/words")
    async def words_of(words: dict[str, str], verdict: Verdict = Depends(site)) -> str:  # noqa: B008 (as FastAPI has it)
        return f"{words['word']} by {verdict.agent_id}"

    with serving(app, reserve(), lifespan="off") as server, httpx.Client(base_url=server.origin, trust_env=False) as client:
        yield client


def test_fastapi_operations_choose_their_purposes(agent: Identity) -> None:
    with fastapi_site(agent, unsigned="browsers") as client:
        assert client.get("/open").json() == "not verified"
        assert client.get("/summary", headers=sign(agent, "/summary", "SUMMARY")).json() == agent.agent_id
        other = client.get("/summary", headers=sign(agent, "/summary", "RAG_RETRIEVAL"))
        assert (other.status_code, other.json()["error"]["code"]) == (403, "policy.purpose_denied")
        assert client.get("/summary", headers=BROWSER).headers["www-authenticate"] == "IMAGXP"
        assert client.get("/summary", headers={**sign(agent, "/a", "SUMMARY")}).status_code == 403


def test_a_body_that_fastapi_has_read_already_is_still_checked(agent: Identity) -> None:
    with fastapi_site(agent) as client:

        def post(said: bytes, sent: bytes) -> httpx.Response:
            signed = agent.sign("POST", ORIGIN + "/words", "SUMMARY", content_digest=imagxp.content_digest(said))
            kind = ("Content-Type", "application/json")
            return client.post("/words", headers=[*signed, AGENT_UA, kind], content=sent)

        assert post(b'{"word": "yes"}', b'{"word": "yes"}').json() == f"yes by {agent.agent_id}"
        changed = post(b'{"word": "yes"}', b'{"word": "not"}')
        assert (changed.status_code, changed.json()["error"]["code"]) == (400, "claim.digest_mismatch")


def test_fastapi_needs_its_application() -> None:
    app = FastAPI(openapi_url=None)
    site = imagxp_fastapi.Imagxp(FastAPI(), policy())
    with pytest.raises(UsageError):
        site.purpose("FUN")
    with pytest.raises(TypeError, match="either a policy or a publisher"):
        imagxp_fastapi.Imagxp(app)
    app.get("/", dependencies=[Depends(site)])(lambda: "in")
    with serving(app, reserve(), lifespan="off", log_level="critical") as server, httpx.Client(trust_env=False) as client:
        assert client.get(server.origin).status_code == 500


# Django


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
        good = client.get(server.origin + "/a", headers=sign(agent, "/a", "RAG_RETRIEVAL"))
        assert good.json()["verdict"]["agent_id"] == agent.agent_id
        again = client.get(server.origin + "/a", headers=sign(agent, "/b", "RAG_RETRIEVAL"))
        assert again.json()["error"]["code"] == "claim.resource_mismatch"
        body = b"words"
        digest = imagxp.content_digest(body)
        signed = [*agent.sign("POST", ORIGIN + "/a", "RAG_RETRIEVAL", content_digest=digest), AGENT_UA]
        assert client.post(server.origin + "/a", headers=signed, content=body).json()["body"] == "words"


@pytest.mark.parametrize("name", ["httpx", "requests", "aiohttp", "scrapy", "django", "flask", "fastapi"])
def test_a_missing_framework_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"imagxp.{name}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'imagxp\[{name}\]'"):
        importlib.import_module(f"imagxp.{name}")
