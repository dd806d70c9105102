"""Signing, external signers, manifests. The second opinions are `cryptography` and `rfc8785`."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import imagxp
import pytest
import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from imagxp import Identity, Manifest, ManifestKey, PrivateKey, PublicKey, SignerError, SignOptions, UsageError, content_digest
from support import NOW, NOW_MS, ORIGIN, knowing, signed

NONCE = "00000000-0000-4000-8000-000000000001"


def claim_of(headers: list[tuple[str, str]]) -> dict[str, Any]:
    claim: dict[str, Any] = json.loads(base64.b64decode(dict(headers)["x-imagxp-payload"]))
    return claim


def test_the_headers_are_what_the_protocol_says(agent: Identity) -> None:
    headers = agent.sign("GET", ORIGIN + "/a?b=c", "RAG_RETRIEVAL", now=NOW, nonce=NONCE)
    assert [name for name, _ in headers] == ["x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key"]
    values = dict(headers)
    assert claim_of(headers) == {
        "v": "1.1",
        "agent_id": "bot.example.com",
        "purpose": "RAG_RETRIEVAL",
        "ts": NOW,
        "nonce": NONCE,
        "resource": ORIGIN + "/a?b=c",
        "method": "GET",
    }
    payload = base64.b64decode(values["x-imagxp-payload"], validate=True)
    assert payload == rfc8785.dumps(claim_of(headers))
    assert re.fullmatch("[0-9a-f]{128}", values["x-imagxp-signature"])
    public = serialization.load_der_public_key(base64.b64decode(values["x-imagxp-public-key"]))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    raw = bytes.fromhex(values["x-imagxp-signature"])
    der = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public.verify(der, payload, ec.ECDSA(hashes.SHA256()))


def test_every_option_reaches_the_request(agent: Identity) -> None:
    headers = agent.sign(
        "POST",
        ORIGIN + "/a",
        "SUMMARY",
        now=NOW,
        nonce=NONCE,
        ads_displayed=True,
        context={"tool": "téléx", "n": [1, 2.5, None]},
        content_digest=imagxp.content_digest(b"body"),
        payment="a.b.c",
        proof="d.e.f",
        compatible=True,
    )
    claim = claim_of(headers)
    assert claim["context"] == {"tool": "téléx", "n": [1, 2.5, None], "ads_displayed": True}
    assert claim["content_digest"] == imagxp.content_digest(b"body")
    assert dict(headers)["x-imagxp-payment"] == dict(headers)["x-imagxp-credential"] == "a.b.c"
    assert dict(headers)["x-imagxp-proof"] == "d.e.f"


def test_a_thousand_random_requests_cross_verify() -> None:
    """Ours with `rfc8785` and `cryptography`, theirs with us: claims of every kind of content."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    rng = random.Random(seed)
    theirs = ec.generate_private_key(ec.SECP256R1())
    spki = theirs.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = theirs.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    identity = Identity("bot.example.com", PrivateKey.from_pem(pem))
    publisher = knowing(identity)
    for number in range(1000):
        text = "".join(rng.choice('aé€😀"\\/\u2028\n\t\x01') for _ in range(rng.randrange(12)))
        context = {text or "x": [rng.uniform(-1e6, 1e15), rng.randrange(-(2**53) + 1, 2**53), text], "number": number}
        path = f"/{number}?q={rng.randrange(10**9)}"
        if number % 2:
            headers = identity.sign("GET", ORIGIN + path, "RAG_RETRIEVAL", now=NOW, context=context)
            payload = base64.b64decode(dict(headers)["x-imagxp-payload"])
            assert payload == rfc8785.dumps(json.loads(payload)), f"seed {seed}"
            raw = bytes.fromhex(dict(headers)["x-imagxp-signature"])
            der = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            theirs.public_key().verify(der, payload, ec.ECDSA(hashes.SHA256()))
        else:
            claim = {
                "v": "1.1",
                "agent_id": "bot.example.com",
                "purpose": "RAG_RETRIEVAL",
                "ts": NOW,
                "nonce": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "resource": ORIGIN + path,
                "context": context,
            }
            r, s = utils.decode_dss_signature(theirs.sign(rfc8785.dumps(claim), ec.ECDSA(hashes.SHA256())))
            # The payload is not canonical: the signature holds for the canonical form all the same.
            payload = json.dumps(claim, indent=rng.choice([None, 2])).encode()
            headers = [
                ("x-imagxp-payload", base64.b64encode(payload).decode()),
                ("x-imagxp-signature", (r.to_bytes(32) + s.to_bytes(32)).hex()),
                ("x-imagxp-public-key", base64.b64encode(spki).decode()),
            ]
        verdict = publisher.verify("GET", path, headers, now=NOW).verdict
        assert verdict.is_allowed, f"seed {seed}, request {number}: {verdict.to_dict()}"


@pytest.mark.parametrize(
    ("now", "millis"),
    [
        (NOW, NOW_MS),
        ("2026-03-01T12:00:00Z", NOW_MS),
        (NOW_MS + 7, NOW_MS + 7),
        (datetime(2026, 3, 1, 12, 0, 0, 999, UTC), NOW_MS),
        (datetime(2026, 3, 1, 14, 30, 0, 5999, timezone(timedelta(hours=2, minutes=30))), NOW_MS + 5),
    ],
)
def test_times_in_every_form(agent: Identity, now: Any, millis: int) -> None:
    ts = claim_of(agent.sign("GET", ORIGIN, "SUMMARY", now=now))["ts"]
    assert datetime.fromisoformat(ts) == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=millis)


@pytest.mark.parametrize(
    "now", [datetime(2026, 3, 1), "yesterday", "2026-03-01 12:00:00Z", 2**70, datetime(1900, 1, 1, tzinfo=UTC)]
)
def test_times_that_are_refused(agent: Identity, now: Any) -> None:
    with pytest.raises(UsageError):
        agent.sign("GET", ORIGIN, "SUMMARY", now=now)


@pytest.mark.parametrize("now", [True, 1.5, b"x", object()])
def test_times_of_a_wrong_type(agent: Identity, now: Any) -> None:
    with pytest.raises(TypeError):
        agent.sign("GET", ORIGIN, "SUMMARY", now=now)


def test_the_clock_is_read_when_no_time_is_given(agent: Identity) -> None:
    before = time.time()
    ts = datetime.fromisoformat(claim_of(agent.sign("GET", ORIGIN, "SUMMARY"))["ts"]).timestamp()
    assert before - 0.001 <= ts <= time.time()


def test_nonces_are_random_uuids(agent: Identity) -> None:
    nonces = [claim_of(headers)["nonce"] for headers in agent.sign_batch([("GET", ORIGIN, "SUMMARY")] * 200)]
    assert len(set(nonces)) == 200
    for nonce in nonces:
        parsed = uuid.UUID(nonce)
        assert (str(parsed), parsed.version, parsed.variant) == (nonce, 4, uuid.RFC_4122)


def test_batches_verify(identity: Identity) -> None:
    requests = [("GET", f"{ORIGIN}/{number}", "RAG_RETRIEVAL") for number in range(50)]
    publisher = knowing(identity)
    for (_, url, _), headers in zip(requests, identity.sign_batch(requests, now=NOW), strict=True):
        assert publisher.verify("GET", url, headers, now=NOW).verdict.is_allowed
    assert identity.sign_batch([]) == []


def test_batches_are_signed_as_one_by_one(identity: Identity) -> None:
    options: list[SignOptions] = [
        {"nonce": f"nonce-{number:012}", "now": NOW_MS + number} | extra
        for number, extra in enumerate(
            [
                {"ads_displayed": True, "context": {"a": "é", "n": [1]}},
                {"content_digest": content_digest(b"x")},
                {"payment": "a.b.c", "proof": "d.e.f", "compatible": True},
                *[SignOptions()] * 30,
            ]
        )
    ]
    signed = identity.sign_batch([("POST", f"{ORIGIN}/x", "SUMMARY", each) for each in options])
    assert signed == [identity.sign("POST", f"{ORIGIN}/x", "SUMMARY", **each) for each in options]
    # A request without a time of its own has the batch's.
    own, common = identity.sign_batch([("GET", ORIGIN, "SUMMARY", {"now": NOW_MS + 5000}), ("GET", ORIGIN, "SUMMARY")], now=NOW)
    assert claim_of(own)["ts"] != claim_of(common)["ts"] == claim_of(identity.sign("GET", ORIGIN, "SUMMARY", now=NOW))["ts"]


def test_a_batch_is_signed_whole_or_not_at_all(identity: Identity) -> None:
    nonce: SignOptions = {"nonce": "nonce-000000000000"}
    with pytest.raises(UsageError, match="request 1: `/a` is not an absolute"):
        identity.sign_batch([("GET", ORIGIN, "SUMMARY"), ("GET", "/a", "SUMMARY")])
    with pytest.raises(UsageError, match="request 2: an earlier request has the same nonce"):
        identity.sign_batch([("GET", ORIGIN, "SUMMARY", nonce), ("GET", ORIGIN, "SUMMARY"), ("GET", ORIGIN, "SUMMARY", nonce)])
    wrong: list[Any] = [("GET", ORIGIN), ["GET", ORIGIN, "SUMMARY"], ("GET", ORIGIN, "SUMMARY", {"nonse": "x"}), "GET"]
    wrong += [("GET", ORIGIN, "SUMMARY", {"now": True}), ("GET", 1, "SUMMARY"), ("GET", ORIGIN, "SUMMARY", {}, 1)]
    for each in wrong:
        with pytest.raises(TypeError):
            identity.sign_batch([each])
    with pytest.raises(UsageError, match="READING"):
        identity.sign_batch([("GET", ORIGIN, "READING")])


@pytest.mark.parametrize(
    "act",
    [
        lambda a: a.sign("get", ORIGIN, "SUMMARY"),
        lambda a: a.sign("", ORIGIN, "SUMMARY"),
        lambda a: a.sign("GET", "/a", "SUMMARY"),
        lambda a: a.sign("GET", ORIGIN + "/#f", "SUMMARY"),
        lambda a: a.sign("GET", "https://user@pub.example/", "SUMMARY"),
        lambda a: a.sign("GET", ORIGIN, "summary"),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", nonce="short"),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", nonce="ü" * 20),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", payment="a b"),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", payment=""),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={"x": float("nan")}),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={"x": {1, 2}}),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={"x": 2**60}),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={"x": "\ud800"}),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={1: "a", "1": "b"}),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={"x": "y" * 9000}),
        lambda a: a.sign("GET", ORIGIN, "SUMMARY", context={"ads_displayed": "yes"}),
        lambda a: a.sign_batch([("GET", ORIGIN, "SUMMARY"), ("GET", "/", "SUMMARY")]),
        lambda a: a.manifest(others=[ManifestKey(a.public_key)]),
        lambda a: a.manifest(others=[ManifestKey(PrivateKey.generate().public_key) for _ in range(8)]),
    ],
)
def test_what_no_publisher_would_accept_is_not_signed(agent: Identity, act: Callable[[Identity], Any]) -> None:
    with pytest.raises(UsageError) as caught:
        act(agent)
    assert caught.value.code == "usage.argument"


def test_external_signers_sign(agent: Identity) -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())
    spki = theirs.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = PublicKey.from_spki(spki)

    def kms(message: bytes) -> bytes:
        return theirs.sign(message, ec.ECDSA(hashes.SHA256()))

    identity = Identity.external("bot.example.com", public, kms, der=True)
    assert identity.is_external
    assert not agent.is_external
    publisher = knowing(identity)
    for number in range(20):
        headers = signed(identity, f"/{number}")
        assert (
            int(dict(headers)["x-imagxp-signature"][64:], 16)
            <= 0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8
        )
        assert publisher.verify("GET", f"/{number}", headers, now=NOW).verdict.is_allowed
    with pytest.raises(UsageError):
        identity.save("never.pem")

    raw = PrivateKey.generate("EdDSA")
    assert signed(Identity.external("bot.example.com", raw.public_key, raw.sign))


@pytest.mark.parametrize(
    ("sign", "sentence"),
    [
        (lambda _: b"", "64 bytes"),
        (lambda _: bytes(65), "64 bytes"),
        (lambda _: bytes(64), "does not verify"),
        (lambda _: None, "failed"),
        (lambda _: "0" * 64, "failed"),
    ],
)
def test_external_signers_that_answer_nonsense(sign: Any, sentence: str) -> None:
    identity = Identity.external("bot.example.com", PrivateKey.generate().public_key, sign)
    with pytest.raises(SignerError, match=sentence) as caught:
        signed(identity)
    assert caught.value.code == "usage.signer"


def test_the_exception_of_an_external_signer_is_the_cause() -> None:
    class KmsDown(Exception):
        pass

    def down(_: bytes) -> bytes:
        raise KmsDown("secret endpoint")

    identity = Identity.external("bot.example.com", PrivateKey.generate().public_key, down)
    with pytest.raises(SignerError) as caught:
        signed(identity)
    assert isinstance(caught.value.__cause__, KmsDown)
    assert "secret" not in str(caught.value)
    with pytest.raises(SignerError):
        identity.sign_batch([("GET", ORIGIN, "SUMMARY")])
    with pytest.raises(TypeError):
        Identity.external("bot.example.com", identity.public_key, "not callable")  # type: ignore[arg-type]


def test_the_manifest_is_what_publishers_read(identity: Identity) -> None:
    other = PrivateKey.generate()
    manifest = identity.manifest(
        contact="security@example.com", others=[ManifestKey(other.public_key, not_before=NOW, not_after=NOW_MS + 1000)]
    )
    parsed = Manifest.parse(manifest.to_json(), "bot.example.com")
    assert parsed == manifest
    assert (parsed.agent_id, parsed.contact) == ("bot.example.com", "security@example.com")
    assert [key.key for key in parsed.keys] == [identity.public_key, other.public_key]
    assert parsed.keys[0].not_before is None
    assert parsed.keys[1].not_before == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert parsed.keys[1].not_after == datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
    assert parsed.keys[1].exists_at(NOW)
    assert not parsed.keys[1].exists_at(NOW_MS - 1)
    assert parsed.keys_at(NOW_MS + 1001) == (identity.public_key,)
    assert parsed.to_dict() == json.loads(manifest.to_json())
    assert Manifest.parse(parsed.to_dict(), "bot.example.com") == manifest
    assert imagxp.manifest_url("bot.example.com") == "https://bot.example.com/.well-known/imagxp-agent.json"


@pytest.mark.parametrize("body", ["", "{}", "[]", {"agent_id": "other.example.com"}, b"\xff", '{"agent_id":"bot.example.com"}'])
def test_manifests_that_break_a_rule(body: Any) -> None:
    with pytest.raises(imagxp.ManifestError) as caught:
        Manifest.parse(body, "bot.example.com")
    assert caught.value.code == "identity.manifest_invalid"


def test_canonical_json_is_rfc8785s() -> None:
    for value in ({"b": 1, "a": [1e30, 0.1, -0.0, 1e-7, "é\u0007"]}, [], "x", {"\u20ac": 1, "\r": 2, "\ufb33": 3, "😀": 4}):
        assert imagxp.canonicalize(json.dumps(value)) == rfc8785.dumps(value)  # type: ignore[arg-type]
    for text, code in (
        ("{", "json.malformed"),
        ('{"a":1,"\\u0061":2}', "json.duplicate_key"),
        ("[" * 65 + "]" * 65, "json.too_deep"),
        ("9007199254740993", "json.number_range"),
        ('"\\ud800"', "json.invalid_unicode"),
        (b"\xff", "json.invalid_unicode"),
    ):
        with pytest.raises(imagxp.JsonError) as caught:
            imagxp.canonicalize(text)
        assert caught.value.code == code
    with pytest.raises(TypeError):
        imagxp.canonicalize(5)  # type: ignore[arg-type]


def test_small_functions() -> None:
    assert imagxp.is_agent_id("bot.example.com")
    assert not imagxp.is_agent_id("127.0.0.1:80")
    assert imagxp.is_agent_id("127.0.0.1:80", allow_loopback=True)
    assert imagxp.user_agent("") == "IMAGXP/1.0"
    assert imagxp.user_agent("x/1") == "x/1 IMAGXP/1.0"
    assert imagxp.content_digest(b"") == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
