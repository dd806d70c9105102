"""Receipts and feedback: the values, and the middleware that sends and takes them; real uvicorn, real httpx."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import imagxp
import pytest
from imagxp import Feedback, Identity, Manifest, Policy, Receipt, SignedReceipt, UsageError
from imagxp.asgi import ImagxpMiddleware
from imagxp.asgi_receipt import ReceiptSender
from imagxp.httpx import ImagxpAuth
from imagxp.receipt import ReceiptDraft
from support import MANIFEST_PATH, NOW, ORIGIN, address, knowing, reserve, respond, serving

URL = f"{ORIGIN}/a"
HELLO = hashlib.sha256(b"hello")


def receipt(**changes: Any) -> Receipt:
    members = {"origin": "HUMAN", "trace_id": "t-1", "agent_id": "bot.example.com", "now": NOW, **changes}
    return Receipt(members.pop("url", URL), members.pop("content_sha256", HELLO.digest()), **members)


def test_a_receipt_round_trips(identity: Identity) -> None:
    publisher = Identity("pub.example", imagxp.PrivateKey.generate())
    sent = receipt().sign(publisher)
    assert [name for name, _ in sent] == ["x-imagxp-provenance", "x-imagxp-provenance-sig"]
    read = SignedReceipt.from_headers([("Content-Type", "text/plain"), *sent])
    assert read.receipt == receipt()
    assert (read.key_id, read.publisher()) == (publisher.key_id, "pub.example")
    verified = read.verify(publisher.manifest())
    assert (verified.origin, verified.trace_id, verified.agent_id) == ("HUMAN", "t-1", identity.agent_id)
    assert (verified.url, verified.content_sha256) == (URL, HELLO.digest())
    assert verified.ts.isoformat() == "2026-03-01T12:00:00+00:00"
    verified.check(url=URL, content_sha256=HELLO.hexdigest(), agent_id="bot.example.com", now=NOW)
    verified.check(url=URL, content_sha256=HELLO.digest(), agent_id="bot.example.com", any_time=True)
    for changed in (
        {"url": ORIGIN + "/b"},
        {"content_sha256": hashlib.sha256(b"hullo").digest()},
        {"agent_id": "other.example.com"},
        {"now": "2026-03-01T12:05:01Z"},
    ):
        arguments = {"url": URL, "content_sha256": HELLO.digest(), "agent_id": "bot.example.com", "now": NOW, **changed}
        with pytest.raises(imagxp.ProvenanceError) as caught:
            verified.check(**arguments)
        assert caught.value.code == "provenance.mismatch"


def test_bad_receipts_raise() -> None:
    publisher = Identity.generate("pub.example")
    sent = dict(receipt().sign(publisher))
    for headers, code in (
        ({}, "provenance.missing"),
        ({"x-imagxp-provenance": sent["x-imagxp-provenance"]}, "provenance.missing"),
        ({**sent, "x-imagxp-provenance": "e30="}, "provenance.malformed"),
        ([*sent.items(), *sent.items()], "provenance.malformed"),
    ):
        with pytest.raises(imagxp.ProvenanceError) as caught:
            SignedReceipt.from_headers(headers)
        assert caught.value.code == code
    read = SignedReceipt.from_headers(sent)
    for manifest, code in (
        (Identity.generate("pub.example").manifest(), "identity.key_mismatch"),
        (Identity.generate("other.example").manifest(), "identity.key_mismatch"),
    ):
        with pytest.raises(imagxp.ImagxpError) as wrong:
            read.verify(manifest)
        assert wrong.value.code == code
    forged = {**sent, "x-imagxp-provenance-sig": "0" * 127 + "1"}
    with pytest.raises(imagxp.ImagxpError) as spoiled:
        SignedReceipt.from_headers(forged).verify(publisher.manifest())
    assert spoiled.value.code == "sig.invalid"
    for changes in ({"url": "/a"}, {"origin": "ALIEN"}, {"trace_id": "a b"}, {"content_sha256": b"short"}, {"agent_id": "x"}):
        with pytest.raises(UsageError):
            receipt(**changes).sign(publisher)
    with pytest.raises(TypeError):
        receipt(content_sha256=5)


def test_feedback_counts_once(identity: Identity) -> None:
    publisher = knowing(identity)
    feedback = Feedback(URL, "0.1", "SEO_SPAM", jti="visa-0001", content_sha256=HELLO.hexdigest())
    signed = feedback.sign(identity, now=NOW)
    assert json.loads(signed)["quality_score"] == 0.1
    for value in (signed, imagxp.feedback_header(signed)):
        taken = publisher.feedback(value, now=NOW)
        assert taken.verdict.code in (None, "replay.nonce_seen")
    assert taken.feedback is None
    fresh = publisher.feedback(feedback.sign(identity, now=NOW, nonce="0123456789abcdef"), now=NOW)
    assert fresh.verdict.is_allowed
    assert fresh.verdict.agent_id == identity.agent_id
    assert fresh.feedback is not None
    assert (fresh.feedback.url, fresh.feedback.reason, fresh.feedback.jti) == (URL, "SEO_SPAM", "visa-0001")
    assert (fresh.feedback.quality_score, fresh.feedback.score_millionths) == (Decimal("0.1"), 100_000)
    assert (fresh.feedback.agent_id, fresh.feedback.content_sha256) == (identity.agent_id, HELLO.digest())
    assert fresh.feedback.ts is not None
    with pytest.raises(TypeError, match="verdict"):
        bool(fresh)


def test_a_score_is_a_number_however_python_prints_it() -> None:
    for score, millionths in ((0.00005, 50), (0.000001, 1), (0.0, 0), (1.0, 1_000_000), (1, 1_000_000), (Decimal("5E-5"), 50)):
        assert Feedback(URL, score, "OTHER").score_millionths == millionths


def test_bad_feedback_is_refused(identity: Identity) -> None:
    publisher = knowing(identity)
    stranger = Identity.generate(identity.agent_id)
    for value, code in (
        (Feedback(URL, 1, "HIGH_QUALITY").sign(stranger, now=NOW), "sig.invalid"),
        (Feedback("https://other.example/", 1, "OTHER").sign(identity, now=NOW), "claim.resource_mismatch"),
        (Feedback(URL, 1, "OTHER").sign(identity, now="2026-03-01T11:54:59Z"), "time.expired"),
        (Feedback(URL, 1, "OTHER").sign(Identity.generate("new.example"), now=NOW), "identity.manifest_needed"),
        ("{}", "feedback.malformed"),
        (b"\xff", "feedback.malformed"),
    ):
        taken = publisher.feedback(value, now=NOW)
        assert (taken.verdict.code, taken.feedback) == (code, None)
    for score in ("1.1", "-1", 2, 0.1234567, 5e-07, "5e-05", Decimal("1e-7"), float("nan"), "many", None, True):
        with pytest.raises(UsageError):
            Feedback(URL, score, "OTHER")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Feedback(URL, 1, "BAD")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Feedback("/a", 1, "OTHER").sign(identity)


class Town:
    """A publisher with receipts and feedback, and an agent whose domain serves its manifest."""

    def __init__(self) -> None:
        self.domain = reserve()
        self.agent = Identity.generate(address(self.domain), allow_loopback=True)
        self.listener = reserve()
        self.site = Identity.generate(address(self.listener), allow_loopback=True)
        self.feedback: list[Feedback] = []
        self.chunks = [b"hello"]
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 200
        policy = Policy.from_dict(
            {
                "version": 1,
                "origins": [self.origin],
                "purposes": {"RAG_RETRIEVAL": {"allow": True}},
                "paths": [{"match": "/closed", "purposes": {"RAG_RETRIEVAL": {"allow": False}}}],
                "unsigned": "allow",
                "provenance": {"origin": "HYBRID"},
                "allow_loopback": True,
            }
        )
        self.app = ImagxpMiddleware(
            self.answer, policy, identity=self.site, max_receipt_body=1000, on_feedback=self.take_feedback
        )

    @property
    def origin(self) -> str:
        return f"http://{address(self.listener)}"

    async def take_feedback(self, feedback: Feedback, verdict: imagxp.Verdict) -> None:
        assert verdict.agent_id == self.agent.agent_id
        if feedback.reason == "OTHER":
            raise RuntimeError("on purpose")
        self.feedback.append(feedback)

    async def serve_agent(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == MANIFEST_PATH
        await respond(send, 200, self.agent.manifest().to_json())

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for chunk in self.chunks[:-1]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": self.chunks[-1]})

    def read(self, path: str = "/a", **options: Any) -> httpx.Response:
        auth = ImagxpAuth(self.agent, purpose="RAG_RETRIEVAL")
        with httpx.Client(auth=auth, trust_env=False) as client:
            return client.get(self.origin + path, **options)


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    with (
        serving(town.serve_agent, town.domain, lifespan="off", interface="asgi3"),
        serving(town.app, town.listener, lifespan="off"),
    ):
        yield town


def verified(town: Town, response: httpx.Response) -> Receipt:
    read = SignedReceipt.from_headers(response.headers)
    assert read.publisher(allow_loopback=True) == town.site.agent_id
    return read.verify(town.site.manifest())


def test_the_middleware_sends_receipts(town: Town) -> None:
    response = town.read("/a?b=1")
    receipt = verified(town, response)
    receipt.check(
        url=town.origin + "/a?b=1", content_sha256=hashlib.sha256(response.content).digest(), agent_id=town.agent.agent_id
    )
    assert (receipt.origin, response.headers["x-imagxp-content-origin"]) == ("HYBRID", "HYBRID")
    with httpx.Client(trust_env=False) as plain:
        unsigned = plain.get(town.origin + "/x")
        assert verified(town, unsigned).agent_id is None
        assert verified(town, unsigned).url == town.origin + "/x"
        elsewhere = plain.get(town.origin + "/x", headers={"Host": "evil.example"})
        assert "x-imagxp-provenance" not in elsewhere.headers
        assert "x-imagxp-provenance" not in plain.head(town.origin + "/x").headers


def test_bodies_in_pieces(town: Town) -> None:
    town.chunks = [b"a" * 300, b"b" * 300, b"c"]
    town.headers = [(b"content-length", b"601")]
    response = town.read()
    assert response.content == b"".join(town.chunks)
    assert verified(town, response).content_sha256 == hashlib.sha256(response.content).digest()
    # A stream without a length is not held back, and this server has no trailers.
    town.headers = []
    response = town.read()
    assert response.content == b"".join(town.chunks)
    assert "x-imagxp-provenance" not in response.headers
    # Nor is one that is longer than may wait.
    town.chunks = [b"a" * 600, b"b" * 600, b"c"]
    town.headers = [(b"content-length", b"1201")]
    response = town.read()
    assert response.content == b"".join(town.chunks)
    assert "x-imagxp-provenance" not in response.headers


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_no_receipt_for_what_is_no_content(town: Town, status: int) -> None:
    town.status = status
    town.chunks = [b""] if status in (204, 304) else [b"no"]
    assert "x-imagxp-provenance" not in town.read().headers


def test_trailers_where_the_server_has_them(agent: Identity) -> None:
    verdict = knowing(agent).verify("GET", "/a", [*agent.sign("GET", URL, "RAG_RETRIEVAL", now=NOW)], now=NOW).verdict
    site = Identity.generate("pub.example")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def stream() -> None:
        sender = ReceiptSender(send, ReceiptDraft(site, verdict, url=URL, origin="HUMAN", max_body=10), trailers=True)
        await sender({"type": "http.response.start", "status": 200, "headers": []})
        assert sent == []
        for chunk in (b"x" * 8, b"y" * 8):
            await sender({"type": "http.response.body", "body": chunk, "more_body": True})
        await sender({"type": "http.response.body", "body": b"z"})

    asyncio.run(stream())
    assert [message["type"].rpartition(".")[2] for message in sent] == ["start", "body", "body", "body", "trailers"]
    assert sent[0]["trailers"]
    receipt = SignedReceipt.from_headers(sent[-1]["headers"]).verify(site.manifest())
    assert receipt.content_sha256 == hashlib.sha256(b"x" * 8 + b"y" * 8 + b"z").digest()


PATH = {"type": "http.response.pathsend", "path": "/tmp/page"}  # noqa: S108 (nobody opens it)
FILE = {"type": "http.response.zerocopysend", "file": 3}
CHUNK = {"type": "http.response.body", "body": b"x", "more_body": True}
LAST = {"type": "http.response.body", "body": b"z"}


@pytest.mark.parametrize(
    ("answer", "promised"),
    [
        ([PATH], False),
        ([FILE], False),
        ([{**FILE, "more_body": True}, FILE], False),
        ([{**FILE, "more_body": True}, LAST], False),
        ([CHUNK, FILE], True),
        ([CHUNK, {**FILE, "more_body": True}, LAST], True),
    ],
)
def test_a_body_that_the_server_reads_from_a_file_has_no_receipt(agent: Identity, answer: list[Any], promised: bool) -> None:
    verdict = knowing(agent).verify("GET", "/a", [*agent.sign("GET", URL, "RAG_RETRIEVAL", now=NOW)], now=NOW).verdict
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def stream() -> None:
        draft = ReceiptDraft(Identity.generate("pub.example"), verdict, url=URL, origin="HUMAN", max_body=10)
        sender = ReceiptSender(send, draft, trailers=True)
        for message in ({"type": "http.response.start", "status": 200, "headers": []}, *answer):
            await sender(message)

    asyncio.run(stream())
    # Trailers that were promised come, or the server waits for them; nothing in them is about what nobody has hashed.
    end = [{"type": "http.response.trailers", "headers": [], "more_trailers": False}] if promised else []
    assert sent[1:] == [*answer, *end]
    assert sent[0].get("trailers", False) is promised
    assert sent[0]["headers"] == []


def test_the_middleware_takes_feedback(town: Town) -> None:
    def send(reason: Any, path: str = "/a", signer: Identity | None = None) -> httpx.Response:
        signed = Feedback(town.origin + "/a", "0.25", reason).sign(signer or town.agent)
        return httpx.get(town.origin + path, headers={"x-imagxp-feedback": imagxp.feedback_header(signed)}, trust_env=False)

    response = send("INACCURATE")
    assert (response.status_code, response.headers["x-imagxp-feedback-status"]) == (200, "accepted")
    assert [feedback.score_millionths for feedback in town.feedback] == [250_000]
    stranger = Identity("127.0.0.1:1", imagxp.PrivateKey.generate(), allow_loopback=True)
    response = send("INACCURATE", signer=stranger)
    assert (response.status_code, response.headers["x-imagxp-feedback-status"]) == (200, "identity.fetch_failed")
    assert send("OTHER").headers["x-imagxp-feedback-status"] == "internal.invariant"
    assert len(town.feedback) == 1
    # Feedback about something else than the request that carries it, which is refused.
    auth = ImagxpAuth(town.agent, purpose="RAG_RETRIEVAL")
    signed = Feedback(town.origin + "/a", 1, "HIGH_QUALITY").sign(town.agent)
    with httpx.Client(auth=auth, trust_env=False) as client:
        response = client.get(town.origin + "/closed", headers={"accept": "*/*"})
        assert response.status_code == 403
        assert "x-imagxp-feedback-status" not in response.headers
    response = httpx.get(town.origin + "/closed", headers={"x-imagxp-feedback": imagxp.feedback_header(signed)}, trust_env=False)
    assert response.headers["x-imagxp-feedback-status"] == "accepted"
    assert len(town.feedback) == 2


def test_feedback_travels_with_a_signed_request(town: Town) -> None:
    signed = Feedback(town.origin + "/a", "0.75", "HIGH_QUALITY").sign(town.agent)
    response = town.read(extensions={"imagxp": {"feedback": signed}})
    assert (response.status_code, response.headers["x-imagxp-feedback-status"]) == (200, "accepted")
    assert town.feedback[-1].score_millionths == 750_000


def test_receipts_need_an_origin_in_the_policy(town: Town) -> None:
    policy = Policy.from_dict({"version": 1, "origins": [ORIGIN], "purposes": {}})
    with pytest.raises(TypeError, match="provenance"):
        ImagxpMiddleware(town.answer, policy, identity=town.site)


def test_a_manifest_read_again_verifies(town: Town) -> None:
    manifest = Manifest.parse(town.site.manifest().to_json(), town.site.agent_id, allow_loopback=True)
    assert SignedReceipt.from_headers(town.read().headers).verify(manifest)
