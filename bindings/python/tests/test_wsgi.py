"""What WSGI alone has; what all adapters have is in test_servers.py."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from typing import Any

import imagxp
import pytest
from imagxp import Identity, SignedReceipt
from imagxp.gate import ClientGone, Incoming
from imagxp.wsgi import ImagxpMiddleware
from imagxp.wsgi_environ import BodyReader, incoming, is_public, remove_verdicts
from support import AGENT_UA, MANIFEST_PATH, ORIGIN, knowing, policy


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
    ("given", "status"),
    [
        ({"PATH_INFO": "/open/private"}, "200 OK"),
        ({"PATH_INFO": "/private"}, "401 Unauthorized"),
        # As gunicorn 23 makes it of `GET /open/private` with `SCRIPT_NAME: /open`; older ones find it further inside, too.
        ({"SCRIPT_NAME": "/open", "PATH_INFO": "/private", "HTTP_SCRIPT_NAME": "/open"}, "401 Unauthorized"),
        ({"SCRIPT_NAME": "/open", "PATH_INFO": "/private", "HTTP_SCRIPT_NAME": "/x,/open"}, "401 Unauthorized"),
        # `Script-Name` looks the same, and moves nothing.
        ({"PATH_INFO": "/open", "HTTP_SCRIPT_NAME": "/open"}, "200 OK"),
        # What gunicorn's own environment says.
        ({"SCRIPT_NAME": "/app", "PATH_INFO": "/private"}, "200 OK"),
    ],
)
def test_a_mount_that_the_client_has_chosen_opens_nothing(given: dict[str, str], status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"in"]

    document = policy(unsigned="allow", paths=[{"match": "/private", "unsigned": "deny"}])
    raw = given.get("SCRIPT_NAME", "") + given["PATH_INFO"]
    answers: list[Any] = []
    list(ImagxpMiddleware(app, document)(environ(RAW_URI=raw, **given), start(answers)))
    assert answers[0][0] == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"PATH_INFO": "/robots.txt"}, "200 OK"),
        ({"PATH_INFO": "/.well-known/imagxp-policy.json"}, "200 OK"),
        ({"PATH_INFO": MANIFEST_PATH}, "200 OK"),
        ({"SCRIPT_NAME": "/.well-known", "PATH_INFO": "/imagxp-policy.json"}, "200 OK"),
        ({"SCRIPT_NAME": "/shop", "PATH_INFO": "/robots.txt"}, "401 Unauthorized"),
        ({"SCRIPT_NAME": "/shop", "PATH_INFO": "/.well-known/imagxp-policy.json"}, "401 Unauthorized"),
        ({"SCRIPT_NAME": "/shop", "PATH_INFO": MANIFEST_PATH}, "401 Unauthorized"),
        # As gunicorn makes it of `GET /robots.txt` with `SCRIPT_NAME: /robots.txt`: it serves the application's root.
        ({"SCRIPT_NAME": "/robots.txt", "PATH_INFO": "", "HTTP_SCRIPT_NAME": "/robots.txt"}, "401 Unauthorized"),
    ],
)
def test_announcements_are_at_the_root_of_the_origin(given: dict[str, str], status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"in"]

    site = Identity.generate("pub.example")
    guarded = ImagxpMiddleware(app, policy(unsigned="deny"), manifest=site.manifest())
    answers: list[Any] = []
    list(guarded(environ(RAW_URI=given.get("SCRIPT_NAME", "") + given["PATH_INFO"], **given), start(answers)))
    assert answers[0][0] == status


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


def test_a_body_that_was_begun_is_read_once() -> None:
    lines = b"one\ntwo\nthree"

    def after(act: Any, keep: int = 20) -> tuple[bytes | None, bytes]:
        given = environ(**{"wsgi.input": io.BytesIO(lines), "CONTENT_LENGTH": str(len(lines))})
        reader = BodyReader(given, keep)
        act(given["wsgi.input"])
        return reader(20), given["wsgi.input"].read()

    assert after(lambda body: None) == (lines, lines)
    assert after(lambda body: body.read()) == (lines, b"")
    assert after(lambda body: body.read(2)) == (lines, lines[2:])
    assert after(lambda body: body.readline()) == (lines, b"two\nthree")
    assert after(lambda body: body.readlines(1)) == (lines, b"two\nthree")
    assert after(lambda body: list(body)) == (lines, b"")
    assert after(lambda body: body.read(5), keep=4) == (None, lines[5:]), "more was read than is kept"


def start(answers: list[Any]) -> Any:
    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        answers.append((status, dict(headers), exc_info))
        return lambda chunk: answers.append(chunk)

    return start_response


def with_receipts(app: Any, site: Identity | None = None) -> ImagxpMiddleware:
    """Around an application for browsers."""
    site = site or Identity.generate("pub.example")
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
def test_pieces_of_wsgi(chunks: list[bytes], length: str | None, receipt: bool) -> None:
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
        body = with_receipts(app)(environ(HTTP_HOST="pub.example"), start(answers))
        assert b"".join(body) == b"".join(chunks)
        ((status, headers, _),) = answers
        assert status == "200 OK"
        assert ("x-imagxp-provenance" in headers) == known, (chunks, length)
        getattr(body, "close", lambda: None)()
    assert closed == [True]


def test_old_and_failing_applications_of_wsgi() -> None:
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
    assert list(with_receipts(writes)(environ(HTTP_HOST="pub.example"), start(answers))) == [b"returned"]
    assert [answers[0][0], answers[1]] == ["200 OK", b"written"]
    answers = []
    assert list(with_receipts(fails)(environ(HTTP_HOST="pub.example"), start(answers))) == [b"sorry"]
    assert [status for status, _, _ in answers] == ["500 Internal Server Error"], "what waits is replaced"


def test_a_receipt_is_of_the_answer_that_was_sent() -> None:
    """An application that fails may begin again as long as nothing has been sent (PEP 3333)."""

    def begins_again(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("content-length", "4")])
        yield b"ab"
        try:
            raise RuntimeError("late")
        except RuntimeError:
            start_response("200 OK", [("content-length", "5")], sys.exc_info())
        yield b"sorry"

    site = Identity.generate("pub.example")
    answers: list[Any] = []
    assert b"".join(with_receipts(begins_again, site)(environ(HTTP_HOST="pub.example"), start(answers))) == b"sorry"
    ((_, headers, _),) = answers
    assert headers["content-length"] == "5"
    receipt = SignedReceipt.from_headers(headers).verify(site.manifest())
    receipt.check(url=ORIGIN + "/a", content_sha256=hashlib.sha256(b"sorry").digest())


def test_wsgi_takes_plain_callbacks_only() -> None:
    async def redeem(need: Any, visa: str, presented: Any) -> Any:
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
