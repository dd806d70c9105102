"""Verifying: headers in every form, verdicts, replay stores, rules of the site's own, threads."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from typing import Any

import httpx
import imagxp
import pytest
from imagxp import Claim, Identity, Limits, MemoryReplayStore, Policy, PrivateKey, Publisher, ReplayStore, UsageError, codes
from imagxp.replay import Insert
from starlette.datastructures import Headers as StarletteHeaders
from support import MANIFEST_PATH, NOW, NOW_MS, ORIGIN, SECRET, knowing, policy, signed

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


def priced(broker: PrivateKey, **broker_options: Any) -> dict[str, Any]:
    return {
        "price": {"amount": "0.05", "currency": "EUR"},
        "payment": {
            "brokers": [{"issuer": "https://broker.example", "jwks_uri": "https://broker.example/jwks", **broker_options}]
        },
    }


def visa(broker: PrivateKey, agent: Identity, **options: Any) -> str:
    return imagxp.issue_visa(
        broker,
        **{
            "issuer": "https://broker.example",
            "audience": ORIGIN,
            "agent_id": agent.agent_id,
            "jkt": agent.key_id,
            "jti": "visa-0001",
            "amount": "0.05",
            "currency": "EUR",
            "now": NOW,
            **options,
        },
    )


def jwks(broker: PrivateKey) -> dict[str, Any]:
    return {"keys": [{**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}]}


def test_visas_are_needed_fetched_counted_and_bound(agent: Identity) -> None:
    broker = PrivateKey.generate()
    publisher = knowing(agent, **priced(broker))
    unpaid = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    assert (unpaid.code, unpaid.http, unpaid.payment.state) == ("payment.required", 402, "unpaid")
    assert unpaid.offer is not None
    assert (unpaid.offer["price"], unpaid.offer["currency"]) == ("0.05", "EUR")
    assert json.loads(unpaid.body())["offer"] == unpaid.offer

    token = visa(broker, agent)
    waiting = publisher.verify("GET", "/a", signed(agent, payment=token), now=NOW)
    assert [(need.kind, need.url) for need in waiting.verdict.needs] == [("jwks", "https://broker.example/jwks")]
    assert waiting.pending is not None
    publisher.supply("https://broker.example/jwks", jwks(broker), now=NOW)
    paid = publisher.resume(waiting.pending, now=NOW).verdict
    assert paid.is_allowed
    facts = (paid.payment.state, paid.payment.jti, paid.payment.issuer, paid.payment.amount, paid.payment.currency)
    assert facts == ("visa", "visa-0001", "https://broker.example", "0.05", "EUR")
    again = publisher.verify("GET", "/a", signed(agent, payment=token), now=NOW).verdict
    assert again.code == "payment.already_used"

    thief = Identity.generate("thief.example.com")
    knowing(thief, publisher=publisher)
    assert publisher.verify("GET", "/a", signed(thief, payment=token), now=NOW).verdict.code == "payment.wrong_holder"


@pytest.mark.parametrize(
    ("answer", "code"),
    [("accepted", None), ("refused", "payment.invalid_token"), ("unavailable", "payment.redeem_unavailable")],
)
def test_visas_are_redeemed_where_the_policy_says_so(agent: Identity, answer: Any, code: str | None) -> None:
    broker = PrivateKey.generate()
    publisher = knowing(agent, **priced(broker, check="redeem"))
    publisher.supply("https://broker.example/jwks", jwks(broker), now=NOW)
    waiting = publisher.verify("GET", "/a", signed(agent, payment=visa(broker, agent)), now=NOW)
    assert [need.kind for need in waiting.verdict.needs] == ["redeem"]
    assert waiting.pending is not None
    with pytest.raises(UsageError):
        waiting.pending.redeemed("perhaps")  # type: ignore[arg-type]
    waiting.pending.redeemed(answer)
    assert publisher.resume(waiting.pending, now=NOW).verdict.code == code


def test_tokens_are_verified(agent: Identity) -> None:
    broker = PrivateKey.generate()
    keys = imagxp.JwkSet.parse(jwks(broker))
    assert (len(keys), keys.kids, keys.skipped) == (1, (broker.public_key.thumbprint,), 0)
    token = visa(broker, agent, purposes=["SUMMARY"], max_uses=3)
    claims = imagxp.verify_token(token, keys, now=NOW, issuer="https://broker.example", typ="imagxp-visa+jwt")
    assert claims is not None
    assert (claims["sub"], claims["purposes"], claims["max_uses"]) == ("bot.example.com", ["SUMMARY"], 3)
    assert claims["exp"] - claims["iat"] == 600
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"now": NOW_MS + 700_000}, "payment.expired"),
        ({"audience": "https://other.example"}, "payment.wrong_audience"),
        ({"issuer": "https://other.example"}, "payment.invalid_token"),
    ]
    for options, code in refusals:
        with pytest.raises(imagxp.TokenError) as caught:
            imagxp.verify_token(token, keys, **{"now": NOW, **options})
        assert caught.value.code == code
    with pytest.raises(imagxp.TokenError):
        imagxp.verify_token(token[:-4], keys, now=NOW)
    for bad in ({"amount": "1e3"}, {"jti": "short"}, {"lifetime_s": 3601}, {"max_uses": 0}, {"purposes": ["READ"]}, {"jkt": "x"}):
        with pytest.raises(UsageError):
            visa(broker, agent, **bad)


class SharedStore:
    """A replay store as a site might write it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[bytes, int] = {}
        self.calls: list[tuple[Any, ...]] = []

    def insert_if_absent(self, key: bytes, agent: bytes, expires_at: int, now: int, /) -> Insert:
        with self.lock:
            self.calls.append(("insert", key, agent, expires_at, now))
            if key in self.entries:
                return "seen"
            self.entries[key] = expires_at
            return "fresh"

    def seen(self, key: bytes, now: int, /) -> bool:
        self.calls.append(("seen", key, now))
        return key in self.entries

    def horizon(self) -> int | None:
        return None


def test_a_store_in_python_is_used_and_shared(agent: Identity) -> None:
    store = SharedStore()
    assert isinstance(store, ReplayStore)
    first, second = (knowing(agent, publisher=Publisher(policy(), secret=SECRET, replay_store=store)) for _ in range(2))
    assert first.may_wait
    headers = signed(agent)
    assert first.verify("GET", "/a", headers, now=NOW).verdict.is_allowed
    assert second.verify("GET", "/a", headers, now=NOW).verdict.code == "replay.nonce_seen"
    (kind, key, by, expires_at, now), *_ = [call for call in store.calls if call[0] == "insert"]
    assert (kind, len(key), len(by), now) == ("insert", 16, 16, NOW_MS)
    assert NOW_MS + 300_000 < expires_at <= NOW_MS + 600_000, "until the claim has expired, and a margin"
    other = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    assert other.verify("GET", "/a", headers, now=NOW).verdict.is_allowed, "another secret, other keys"


@pytest.mark.parametrize("method", ["insert_if_absent", "seen", "horizon"])
@pytest.mark.parametrize("how", ["raises", "answers nonsense", "exits"])
def test_a_broken_store_fails_closed_and_is_logged(
    agent: Identity, caplog: pytest.LogCaptureFixture, method: str, how: str
) -> None:
    store = SharedStore()

    def broken(*_: Any) -> Any:
        if how == "raises":
            raise ConnectionError("redis is down")
        if how == "exits":
            raise SystemExit(3)
        return "yes"

    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    setattr(store, method, broken)
    with caplog.at_level(logging.ERROR, logger="imagxp"):
        verdict = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    assert (verdict.outcome, verdict.code, verdict.http) == ("undecided", "replay.store_error", 503)
    assert not store.entries
    assert any(method in record.getMessage() and record.exc_info for record in caplog.records)
    delattr(store, method)
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.is_allowed, "it recovers"


@pytest.mark.parametrize(
    ("answer", "code"), [("full", "replay.store_full"), ("error", "replay.store_error"), ("seen", "replay.nonce_seen")]
)
def test_every_answer_of_a_store(agent: Identity, answer: Insert, code: str) -> None:
    store = SharedStore()
    store.insert_if_absent = lambda *_: answer  # type: ignore[assignment,method-assign]
    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.code == code


def test_the_horizon_of_a_store_counts(agent: Identity) -> None:
    store = SharedStore()
    store.horizon = lambda: NOW_MS + 300_000  # type: ignore[method-assign]
    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.code == "time.expired"
    assert publisher.verify("GET", "/a", signed(agent, now=NOW_MS + 1), now=NOW).verdict.is_allowed


def test_what_is_no_store() -> None:
    for store in (object(), {}, "memory"):
        with pytest.raises(TypeError):
            Publisher(policy(), replay_store=store)  # type: ignore[arg-type]


def test_the_store_in_memory_has_limits_and_can_be_shared(agent: Identity) -> None:
    store = MemoryReplayStore(max_entries=2)
    assert bool(store)
    first, second = (knowing(agent, publisher=Publisher(policy(), secret=SECRET, replay_store=store)) for _ in range(2))
    assert not first.may_wait
    headers = signed(agent)
    assert first.verify("GET", "/a", headers, now=NOW).verdict.is_allowed
    assert second.verify("GET", "/a", headers, now=NOW).verdict.code == "replay.nonce_seen"
    assert second.verify("GET", "/a", signed(agent), now=NOW).verdict.is_allowed
    assert first.verify("GET", "/a", signed(agent), now=NOW).verdict.code == "replay.store_full"
    assert len(store) == 2
    quota = knowing(agent, publisher=Publisher(policy(), replay_store=MemoryReplayStore(max_per_agent=1)))
    codes_seen = [quota.verify("GET", "/a", signed(agent), now=NOW).verdict.code for _ in range(2)]
    assert codes_seen == [None, "replay.store_full"]
    for bad in ({"max_entries": -1}, {"max_per_agent": 2**40}):
        with pytest.raises(OverflowError):
            MemoryReplayStore(**bad)


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


def test_body_digests(agent: Identity) -> None:
    publisher = knowing(agent, methods=["POST"])
    digest = imagxp.content_digest(b"body")
    headers = agent.sign("POST", ORIGIN + "/a", "RAG_RETRIEVAL", now=NOW, content_digest=digest)
    for given in (None, imagxp.content_digest(b"other")):
        assert publisher.verify("POST", "/a", headers, now=NOW, body_digest=given).verdict.code == "claim.digest_mismatch"
    assert publisher.verify("POST", "/a", headers, now=NOW, body_digest=digest).verdict.is_allowed


def test_explaining_spends_nothing(agent: Identity) -> None:
    store = SharedStore()
    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    headers = signed(agent)
    for _ in range(3):
        explanation = publisher.explain("GET", "/a", headers, now=NOW)
        assert explanation.verdict.is_allowed
    assert not store.entries
    assert [step.number for step in explanation.steps] == sorted(step.number for step in explanation.steps)
    assert explanation.to_dict()["verdict"]["outcome"] == "allow"
    assert {step.result for step in explanation.steps} <= {"passed", "skipped"}
    refused = publisher.explain("GET", "/\x1b[2Jb", headers, now=NOW)
    last = refused.steps[-1]
    assert (last.result, last.name) == ("failed", "claim: resource")
    assert "\x1b" not in str(refused)
    assert "claim.resource_mismatch" in str(refused)


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


def test_one_nonce_passes_once_in_many_threads(agent: Identity) -> None:
    for publisher in (knowing(agent), knowing(agent, publisher=Publisher(policy(), replay_store=SharedStore()))):
        for round_ in range(20):
            headers = signed(agent, f"/{round_}")
            barrier = threading.Barrier(8)

            def attempt(
                path: str = f"/{round_}", headers: Any = headers, publisher: Any = publisher, barrier: Any = barrier
            ) -> Any:
                barrier.wait()
                return publisher.verify("GET", path, headers, now=NOW).verdict.code

            with ThreadPoolExecutor(8) as pool:
                found = Counter(future.result() for future in [pool.submit(attempt) for _ in range(8)])
            assert found == {None: 1, "replay.nonce_seen": 7}


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


def test_a_slow_store_does_not_stop_other_threads(agent: Identity) -> None:
    """A store that waits for a network must not hold up verifications on other threads, nor deadlock with them."""

    everybody = threading.Barrier(10)

    class Slow(SharedStore):
        def seen(self, key: bytes, now: int, /) -> bool:
            # Goes on only when all ten wait here at once.
            everybody.wait(30)
            return super().seen(key, now)

    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=Slow()))
    with ThreadPoolExecutor(10) as pool:
        tasks = [pool.submit(publisher.verify, "GET", f"/{n}", signed(agent, f"/{n}"), now=NOW) for n in range(10)]
        assert all(task.result(timeout=60).verdict.is_allowed for task in tasks)


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
