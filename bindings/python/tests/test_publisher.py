"""Verifying: headers in every form, verdicts, replay stores, rules of the site's own, threads."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from email.message import Message
from typing import Any

import httpx
import imagxp
import pytest
from imagxp import Claim, Identity, Limits, Policy, Publisher, UsageError, codes
from starlette.datastructures import Headers as StarletteHeaders
from support import MANIFEST_PATH, NOW, ORIGIN, knowing, policy, signed

FIELDS = {
    *("outcome", "code", "http", "message", "hint", "detail", "retry", "visitor", "would_deny", "agent_id", "key_id"),
    *("purpose", "resource", "binding", "payment", "warnings", "needs", "response_headers", "trace_id"),
}
URL = f"https://bot.example.com{MANIFEST_PATH}"


def byte_pairs(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]


def as_message(headers: Iterable[tuple[str, str]]) -> Message:
    message = Message()
    for name, value in headers:
        message[name] = value
    return message


FORMS: dict[str, Any] = {
    "list of str tuples": list,
    "tuple of str tuples": tuple,
    "list of lists": lambda headers: [list(line) for line in headers],
    "list of byte pairs": byte_pairs,
    "generator": iter,
    "dict": dict,
    "dict of bytes": lambda headers: dict(byte_pairs(headers)),
    "httpx.Headers": httpx.Headers,
    "starlette Headers": lambda headers: StarletteHeaders(raw=byte_pairs(headers)),
    "email.message.Message": as_message,
}


@pytest.mark.parametrize("form", FORMS)
def test_headers_as_the_framework_has_them(agent: Identity, form: str) -> None:
    verdict = knowing(agent).verify("GET", "/a", FORMS[form](signed(agent)), now=NOW).verdict
    assert verdict.is_allowed, verdict.to_dict()


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_has_the_verdicts_of_one_by_one(agent: Identity, form: str) -> None:
    one, many = knowing(agent), knowing(agent)
    headers = [signed(agent) for _ in range(9)]
    headers += [headers[3], [], signed(agent, purpose="CRAWL_TRAINING"), signed(agent, "/b")]
    expected = [one.verify("GET", "/a", FORMS[form](each), now=NOW).verdict.code for each in headers]
    requests = [("GET", "/a", FORMS[form](each)) for each in headers]
    assert [each.verdict.code for each in many.verify_batch(requests, now=NOW)] == expected
    assert expected[9] == "replay.nonce_seen"
    assert expected[11:] == ["policy.purpose_denied", "claim.resource_mismatch"]
    assert many.verify_batch([], now=NOW) == []
    assert many.verify_batch([("GET", "/a", signed(agent), None)], now=NOW)[0].verdict.is_allowed
    with pytest.raises(TypeError):
        many.verify_batch([("GET", "/a")])  # type: ignore[list-item]


@pytest.mark.parametrize("form", [form for form in FORMS if "dict" not in form])
def test_duplicates_are_seen(agent: Identity, form: str) -> None:
    headers = signed(agent)
    headers.append(headers[0])
    assert knowing(agent).verify("GET", "/a", FORMS[form](headers), now=NOW).verdict.code == "header.duplicate"


@pytest.mark.parametrize(
    "headers", ["abc", b"abcd", 5, None, ["ab"], [b"ab"], [("a",)], [("a", "b", "c")], [("a", 1)], {"a": ["b"]}, [5]]
)
def test_what_is_no_headers(headers: Any) -> None:
    with pytest.raises(TypeError):
        Publisher(policy()).verify("GET", "/a", headers)


@pytest.mark.parametrize("text", ["é", "\udcff", "\ud800", "\x00", "😀"])
def test_a_strangers_characters_are_refused_and_not_raised(agent: Identity, text: str) -> None:
    for position in range(3):
        headers = signed(agent)
        headers[position] = (headers[position][0], headers[position][1] + text)
        verdict = knowing(agent).verify("GET", "/a", headers, now=NOW).verdict
        assert not verdict.is_allowed
        assert verdict.http == 400
    headers = [*signed(agent), ("x-" + text, text), ("cookie", text)]
    assert knowing(agent).verify("GET", "/a", headers, now=NOW).verdict.is_allowed


@pytest.mark.parametrize(("text", "code"), [("", None), ("\xe9", "auth.required"), ("\xc3\xa9", None), ("\u20ac", None)])
def test_a_character_of_a_header_is_a_byte(text: str, code: str | None) -> None:
    user_agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0{text}"
    headers = [("User-Agent", user_agent), ("Accept-Language", "en"), ("Sec-Fetch-Mode", "navigate")]
    publisher = Publisher(policy(unsigned="browsers"))
    assert publisher.verify("GET", "/a", headers).verdict.code == code
    if text != "\u20ac":
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        assert publisher.verify("GET", "/a", pairs).verdict.code == code


def test_a_verdict_has_every_field(identity: Identity) -> None:
    publisher = knowing(identity, provenance={"origin": "HUMAN"})
    verification = publisher.verify("GET", "/a?x=1", signed(identity, "/a?x=1"), now=NOW)
    verdict = verification.verdict
    assert verification.pending is None
    assert set(verdict.to_dict()) == FIELDS
    assert json.loads(verdict.to_json()) == verdict.to_dict()
    for name in FIELDS - {"payment", "needs", "response_headers", "warnings"}:
        assert getattr(verdict, name) == verdict.to_dict()[name], name
    assert (verdict.outcome, verdict.code, verdict.http) == ("allow", None, 200)
    assert (verdict.agent_id, verdict.key_id) == (identity.agent_id, identity.key_id)
    assert (verdict.purpose, verdict.resource) == ("RAG_RETRIEVAL", ORIGIN + "/a?x=1")
    assert (verdict.visitor, verdict.binding) == ("verified_agent", "domain")
    assert (verdict.payment.state, verdict.payment.jti, verdict.payment.amount) == ("not_required", None, None)
    assert verdict.response_headers == (("x-imagxp-content-origin", "HUMAN"),)
    assert (verdict.warnings, verdict.needs, verdict.offer) == ((), (), None)
    assert len(verdict.trace_id) == 32


def test_a_verdict_is_not_a_truth_value(agent: Identity) -> None:
    verification = Publisher(policy()).verify("GET", "/a", signed(agent), now=NOW)
    for thing in (verification, verification.verdict):
        with pytest.raises(TypeError, match="is_allowed"):
            bool(thing)


def test_needs_are_supplied_and_resumed(agent: Identity) -> None:
    publisher = Publisher(policy())
    first = publisher.verify("GET", "/a", signed(agent), now=NOW)
    assert (first.verdict.outcome, first.verdict.code) == ("undecided", "identity.manifest_needed")
    assert [(need.kind, need.url) for need in first.verdict.needs] == [("manifest", URL)]
    assert first.pending is not None
    publisher.supply(URL, agent.manifest().to_json(), max_age=600, now=NOW)
    resumed = publisher.resume(first.pending, now=NOW)
    assert resumed.verdict.is_allowed
    assert resumed.verdict.trace_id == first.verdict.trace_id
    assert resumed.pending is None
    with pytest.raises(UsageError):
        publisher.resume(first.pending, now=NOW)
    with pytest.raises(UsageError):
        first.pending.redeemed("accepted")
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.is_allowed


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("failed", "identity.fetch_failed"),
        ("not_found", "identity.not_found"),
        ("redirect", "identity.redirect"),
        ("address_denied", "identity.address_denied"),
        ("busy", "identity.fetch_busy"),
        ("invalid", "identity.manifest_invalid"),
    ],
)
def test_failed_fetches_decide(agent: Identity, failure: Any, code: str) -> None:
    publisher = Publisher(policy())
    pending = publisher.verify("GET", "/a", signed(agent), now=NOW).pending
    assert pending is not None
    publisher.supply_failure(URL, failure, now=NOW)
    assert publisher.resume(pending, now=NOW).verdict.code == code


def test_documents_that_break_a_rule_are_raised_and_recorded(agent: Identity) -> None:
    publisher = Publisher(policy())
    pending = publisher.verify("GET", "/a", signed(agent), now=NOW).pending
    assert pending is not None
    with pytest.raises(imagxp.ManifestError):
        publisher.supply(URL, b"{", now=NOW)
    assert publisher.resume(pending, now=NOW).verdict.code == "identity.manifest_invalid"
    for url in ("https://elsewhere.example/x", "", "http://127.0.0.1:1" + MANIFEST_PATH):
        with pytest.raises(UsageError):
            publisher.supply(url, b"{}")
        with pytest.raises(UsageError):
            publisher.supply_failure(url, "failed")
    with pytest.raises(UsageError):
        publisher.supply_failure(URL, "tired")  # type: ignore[arg-type]


def test_refusals_tell_what_to_answer(agent: Identity) -> None:
    verdict = knowing(agent).verify("GET", "/a", signed(agent, purpose="CRAWL_TRAINING"), now=NOW).verdict
    assert (verdict.outcome, verdict.code, verdict.http, verdict.retry) == ("deny", "policy.purpose_denied", 403, "never")
    error = json.loads(verdict.body())["error"]
    assert error["code"] == verdict.code
    assert error["trace_id"] == verdict.trace_id
    assert "detail" not in error
    assert ("cache-control", "no-store") in verdict.response_headers
    stranger = Publisher(policy()).verify("GET", "/a", []).verdict
    assert (stranger.code, stranger.http, stranger.visitor) == ("auth.required", 401, "unsigned_client")
    assert ("www-authenticate", "IMAGXP") in stranger.response_headers


def test_observe_mode_lets_pass_and_tells(agent: Identity) -> None:
    verdict = knowing(agent, mode="observe").verify("GET", "/a", signed(agent, purpose="CRAWL_TRAINING"), now=NOW).verdict
    assert (verdict.is_allowed, verdict.would_deny, verdict.code) == (True, True, "policy.purpose_denied")


def test_a_rule_of_the_sites_own(agent: Identity, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[tuple[Claim, str]] = []

    def rule(claim: Claim, path: str) -> bool:
        asked.append((claim, path))
        return path != "/secret folder"

    publisher = knowing(agent, publisher=Publisher(policy(), custom_policy=rule))
    assert publisher.may_wait
    assert publisher.verify("GET", "/a", signed(agent, context={"k": "v"}), now=NOW).verdict.is_allowed
    verdict = publisher.verify("GET", "/secret%20folder", signed(agent, "/secret%20folder"), now=NOW).verdict
    assert (verdict.code, verdict.http) == ("policy.denied", 403)
    claim, path = asked[0]
    assert claim.extra == {"context": {"k": "v"}} or claim.extra == {}
    assert (claim.agent_id, claim.purpose, claim.method, path) == ("bot.example.com", "RAG_RETRIEVAL", "GET", "/a")
    assert (claim.resource, claim.content_digest, claim.ads_displayed) == (ORIGIN + "/a", None, None)
    assert claim.ts.isoformat() == "2026-03-01T12:00:00+00:00"
    assert len(claim.nonce) == 36

    for broken in (lambda *_: 1 / 0, lambda *_: "yes", lambda: True):
        publisher = knowing(agent, publisher=Publisher(policy(), custom_policy=broken))  # type: ignore[arg-type]
        with caplog.at_level(logging.ERROR, logger="imagxp"):
            verdict = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
        assert (verdict.code, verdict.http) == ("policy.error", 503)
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(TypeError):
        Publisher(policy(), custom_policy=True)  # type: ignore[arg-type]


def test_limits(agent: Identity) -> None:
    publisher = knowing(agent, publisher=Publisher(policy(), limits=Limits(header_lines=3)))
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.code == "header.too_large"
    assert Limits(header_lines=10**9).header_lines == 100, "the cap"
    assert Limits() == Limits(payload_header=12 * 1024)
    assert Limits() != Limits(directory=5)


@pytest.mark.parametrize("secret", [b"", b"x" * 15, b"x" * 17])
def test_secrets_are_16_bytes(secret: bytes) -> None:
    with pytest.raises(UsageError):
        Publisher(policy(), secret=secret)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes_that_share_a_secret_make_traces_of_their_own(agent: Identity) -> None:
    def trace(publisher: Publisher) -> str:
        return publisher.verify("GET", "/a", [], now=NOW).verdict.trace_id

    ours = knowing(agent)
    assert trace(ours) != trace(knowing(agent)), "as in two workers, which have the same secret"
    # A server that loads the application before it forks (`gunicorn --preload`).
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of pytest's may run here, and a child that hangs ends.
        try:
            signal.alarm(60)
            os.write(writer, trace(ours).encode())
            os._exit(0)
        finally:
            os._exit(2)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        theirs = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(theirs) == 32
    assert theirs != trace(ours)


def test_purposes_of_one_page(agent: Identity) -> None:
    publisher = knowing(agent)
    for purposes, code in ((["SUMMARY", "QUOTATION"], "policy.purpose_denied"), (("RAG_RETRIEVAL",), None), ((), None)):
        assert publisher.verify("GET", "/a", signed(agent), now=NOW, purposes=purposes).verdict.code == code
    with pytest.raises(UsageError, match="`FUN` is not a purpose"):
        publisher.verify("GET", "/a", [], purposes=["FUN"])
    with pytest.raises(TypeError):
        publisher.verify("GET", "/a", [], purposes="SUMMARY")


def test_body_digests(agent: Identity) -> None:
    publisher = knowing(agent, methods=["POST"])
    digest = imagxp.content_digest(b"body")
    headers = agent.sign("POST", ORIGIN + "/a", "RAG_RETRIEVAL", now=NOW, content_digest=digest)
    for given in (None, imagxp.content_digest(b"other")):
        assert publisher.verify("POST", "/a", headers, now=NOW, body_digest=given).verdict.code == "claim.digest_mismatch"
    assert publisher.verify("POST", "/a", headers, now=NOW, body_digest=digest).verdict.is_allowed


def test_policies_in_every_form(tmp_path: Any) -> None:
    document = {"version": 1, "origins": [ORIGIN], "purposes": {"SUMMARY": {}}}
    toml = f'version = 1\norigins = ["{ORIGIN}"]\n[purposes]\nSUMMARY = {{}}\n'
    (tmp_path / "p.json").write_text(json.dumps(document))
    (tmp_path / "p.toml").write_text(toml)
    forms = [
        Policy.from_dict(document),
        Policy.from_json(json.dumps(document)),
        Policy.from_json(json.dumps(document).encode()),
        Policy.from_toml(toml),
        Policy.from_file(tmp_path / "p.json"),
        Policy.from_file(str(tmp_path / "p.toml")),
    ]
    assert len({form.hash for form in forms}) == 1
    assert forms[0].origins == (ORIGIN,)
    assert (forms[0].mode, forms[0].allow_loopback) == ("enforce", False)
    public = json.loads(forms[0].public_json())
    assert public["purposes"] == {"SUMMARY": {"allow": True}}
    assert "agents" not in public
    assert policy(unsigned="browsers").remarks()
    assert json.loads(Policy.schema())["$schema"].startswith("https://json-schema.org/")


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: Policy.from_json("{"), "line 1"),
        (lambda: Policy.from_json('{"version":1,"version":1}'), "twice"),
        (lambda: policy(surprise=1), "surprise"),
        (lambda: policy(origins=["http://pub.example"]), "origins"),
        (lambda: policy(version=2), "version"),
        (lambda: Policy.from_toml("x = = 1"), "TOML"),
        (lambda: Policy.from_json(b"\xff"), "line 1"),
    ],
)
def test_policies_that_are_refused(act: Any, sentence: str) -> None:
    with pytest.raises(imagxp.PolicyError, match=sentence) as caught:
        act()
    assert caught.value.code == "usage.policy"


def test_codes_are_the_cores() -> None:
    assert len(codes.ALL) == len({code.name for code in codes.ALL}) == len({code.number for code in codes.ALL})
    assert codes.by_name("sig.invalid") == codes.by_number(401)
    assert codes.by_name("replay.nonce_seen").http == 409
    assert all(len(code.message) <= 120 and code.hint and code.retry for code in codes.ALL)
    with pytest.raises(KeyError):
        codes.by_name("no.such")


def test_a_panic_is_an_exception_and_the_process_goes_on() -> None:
    from imagxp import _imagxp

    for _ in range(3):
        with pytest.raises(imagxp.InternalError) as caught:
            _imagxp._panic()
        assert caught.value.code == "internal.panic"
        assert isinstance(caught.value, Exception)


def test_the_interpreter_is_released_while_a_batch_is_signed(agent: Identity) -> None:
    """Another thread keeps counting: with the interpreter held, it would stand still for the whole batch."""
    ticks = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.0005)

    requests = [("GET", ORIGIN, "SUMMARY")] * 4000
    thread = threading.Thread(target=count)
    thread.start()
    try:
        time.sleep(0.02)
        before = ticks
        agent.sign_batch(requests)
        during = ticks - before
    finally:
        stop.set()
        thread.join()
    # Hundreds on a quiet machine. Before and after the batch, when arguments and results are converted, there may be one each.
    assert during > 5, during


def test_objects_do_not_leak(agent: Identity) -> None:
    publisher = knowing(agent)
    headers = signed(agent)
    counts = []
    for _ in range(3):
        for _ in range(200):
            publisher.verify("GET", "/a", headers, now=NOW).verdict.to_dict()
            with pytest.raises(TypeError):
                publisher.verify("GET", "/a", [("a", 1)])  # type: ignore[list-item]
        counts.append(
            (sys.getrefcount(headers), sys.getrefcount(headers[0]), sys.getrefcount(publisher), sys.getrefcount(TypeError))
        )
    assert counts[0] == counts[1] == counts[2]
