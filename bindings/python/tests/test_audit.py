"""Audit logs: recorded by a publisher and by the middleware, verified, proven, and caught when altered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import imagxp
import pytest
from asgi_site import Domain, Site, call
from imagxp import AuditLog, Identity, PrivateKey, Publisher
from imagxp.asgi import ImagxpMiddleware
from support import NOW, knowing, policy, respond, serving, signed

ORIGIN = "pub.example/imagxp-audit"


def recorded(folder: Path, agent: Identity, key: PrivateKey, **options: Any) -> list[imagxp.Verdict]:
    with AuditLog(folder, key, ORIGIN, **options) as log:
        publisher = knowing(agent, publisher=Publisher(policy(), audit=log))
        assert publisher.may_wait
        purposes = ["RAG_RETRIEVAL", "CRAWL_TRAINING", "RAG_RETRIEVAL"]
        verdicts = [publisher.verify("GET", "/a", signed(agent, purpose=p), now=NOW).verdict for p in purposes]
        assert len(log) == 4
    return verdicts


@pytest.mark.parametrize("sync", ["each", "interval", "never"])
def test_a_log_verifies_and_one_byte_is_caught(tmp_path: Path, agent: Identity, sync: str) -> None:
    key = PrivateKey.generate("EdDSA")
    recorded(tmp_path, agent, key, sync=sync)
    keys = [key.public_key]
    report = AuditLog.verify(tmp_path, keys)
    assert report["intact"]
    assert report["verdicts"] == 3
    assert report["sealed"] == report["entries"] == 4
    # The last one: text, an empty line, signature.
    *_, text, signature = (tmp_path / "checkpoints").read_text().rstrip("\n").split("\n\n")
    assert AuditLog.verify(tmp_path, keys, checkpoint=f"{text}\n\n{signature}\n")["intact"]
    file = tmp_path / "0000000000000000.jsonl"
    file.write_text(file.read_text().replace("GET", "PUT", 1))
    report = AuditLog.verify(tmp_path, keys)
    assert not report["intact"]
    assert report["findings"][0]["line"] == 3
    with pytest.raises(imagxp.AuditError, match=r"audit\.altered"):
        AuditLog(tmp_path, key, ORIGIN)


def test_evidence(tmp_path: Path, agent: Identity) -> None:
    key = PrivateKey.generate()
    verdicts = recorded(tmp_path, agent, key)
    keys = [key.public_key]
    evidence = AuditLog.prove(tmp_path, keys, trace_id=verdicts[1].trace_id)
    proven = imagxp.verify_evidence(evidence, keys)
    assert proven["request_verified"]
    assert proven["key_known"]
    assert (proven["agent_id"], proven["outcome"]) == ("bot.example.com", verdicts[1].outcome)
    assert (proven["binding"], proven["url_signed"], len(proven["nonce"])) == ("domain", True, 36)
    assert not imagxp.verify_evidence(evidence)["key_known"]
    with pytest.raises(imagxp.AuditError) as caught:
        imagxp.verify_evidence(evidence, [PrivateKey.generate().public_key])
    assert caught.value.code == "audit.altered"
    bent = json.loads(evidence)
    bent["record"]["body"]["http"] = 201
    with pytest.raises(imagxp.AuditError) as caught:
        imagxp.verify_evidence(json.dumps(bent), keys)
    assert caught.value.code == "audit.proof_invalid"
    size = imagxp.verify_inclusion(
        json.loads(evidence)["checkpoint"],
        keys,
        imagxp.canonicalize(json.dumps(json.loads(evidence)["record"])),
        json.loads(evidence)["proof"],
    )
    assert size == 4
    for arguments in ({}, {"entry": 1, "nonce": "x"}, {"entry": 0}, {"nonce": "unknown"}):
        with pytest.raises(imagxp.UsageError):
            AuditLog.prove(tmp_path, keys, **arguments)


def test_a_sink_in_python(agent: Identity) -> None:
    kept: list[tuple[bytes, bytes | None]] = []
    publisher = knowing(agent, publisher=Publisher(policy(), audit=lambda *record: kept.append(record)))
    verdict = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    body, manifest = kept[0]
    assert json.loads(body)["trace_id"] == verdict.trace_id
    assert manifest is not None
    assert json.loads(manifest)["agent_id"] == "bot.example.com"

    def full(body: bytes, manifest: bytes | None) -> None:
        raise OSError("no room")

    publisher = knowing(agent, publisher=Publisher(policy(), audit=full))
    verdict = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    assert (verdict.outcome, verdict.code, verdict.http) == ("undecided", "audit.unavailable", 503)
    with pytest.raises(TypeError):
        Publisher(policy(), audit=1)  # type: ignore[arg-type]


def test_a_closed_log_leaves_nothing_decided(tmp_path: Path, agent: Identity) -> None:
    log = AuditLog(tmp_path, PrivateKey.generate(), ORIGIN)
    publisher = knowing(agent, publisher=Publisher(policy(), audit=log))
    log.close()
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.code == "audit.unavailable"
    with pytest.raises(imagxp.UsageError):
        AuditLog(tmp_path, PrivateKey.generate(), ORIGIN, sync="sometimes")


def test_the_middleware_records(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 200, b"content")

    key = PrivateKey.generate("EdDSA")
    log = AuditLog(tmp_path, key, ORIGIN)
    with serving(ImagxpMiddleware(app, policy(), audit=log)) as server:
        assert httpx.get(f"{server.origin}/a", headers={"x-imagxp-payload": "e30="}).status_code == 400
    log.close()
    report = AuditLog.verify(tmp_path, [key.public_key])
    assert report["intact"]
    assert report["verdicts"] == 1
    with pytest.raises(TypeError):
        ImagxpMiddleware(app, publisher=Publisher(policy()), audit=log)


def test_a_signed_body_leaves_one_record(domain: Domain) -> None:
    kept: list[dict[str, Any]] = []

    def keep(body: bytes, manifest: bytes | None) -> None:
        kept.append(json.loads(body))

    with Site(methods=["GET", "POST"], middleware={"audit": keep, "max_body": 1000}) as site:
        for body in (b"x" * 1000, b"x" * 1001):
            site.get("/a", domain.identity, method="POST", content=body, content_digest=imagxp.content_digest(body))
        # A connection has no body that could be read.
        headers = domain.identity.sign("GET", site.origin + "/ws", "RAG_RETRIEVAL", content_digest=imagxp.content_digest(b""))
        lines = [(name.encode(), value.encode()) for name, value in headers]
        asyncio.run(call(site.app, {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "headers": lines}))
    assert [(one["outcome"], one.get("code"), "body_digest" in one) for one in kept] == [
        ("allow", None, True),
        ("deny", "claim.digest_mismatch", False),
        ("deny", "claim.digest_mismatch", False),
    ]
