"""The operations `provenance` and `feedback`."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import imagxp

Case = dict[str, Any]
Answer = dict[str, Any]


def provenance(case: Case) -> Answer:
    if "key" in case:
        receipt = imagxp.Receipt(
            case["url"],
            case["content_sha256"],
            origin=case["origin"],
            trace_id=case["trace_id"],
            agent_id=case.get("agent_id"),
            now=case["now"],
        )
        site = imagxp.Identity("pub.example", imagxp.PrivateKey.from_jwk(json.dumps(case["key"])))
        return {"headers": [list(line) for line in receipt.sign(site)]}
    try:
        signed = imagxp.SignedReceipt.from_headers([(name, value) for name, value in case["headers"]])
        publisher = signed.publisher(allow_loopback=True)
        if publisher is None:
            return {"valid": False, "code": "identity.key_mismatch"}
        manifest = imagxp.Manifest.parse(json.dumps(case["manifest"]), publisher, allow_loopback=True)
        signed.verify(manifest).check(
            url=case["url"], content_sha256=case["content_sha256"], agent_id=case.get("agent_id"), now=case["now"]
        )
    except imagxp.ImagxpError as error:
        return {"valid": False, "code": error.code}
    return {"valid": True, "code": None}


def feedback(case: Case) -> Answer:
    if "key" in case:
        score = Decimal(case["score_millionths"]).scaleb(-6)
        opinion = imagxp.Feedback(
            case["url"], f"{score:f}", case["reason"], jti=case.get("jti"), content_sha256=case.get("content_sha256")
        )
        identity = imagxp.Identity(case["agent_id"], imagxp.PrivateKey.from_jwk(json.dumps(case["key"])), allow_loopback=True)
        return {"value": imagxp.feedback_header(opinion.sign(identity, now=case["now"], nonce=case["nonce"]))}
    publisher = imagxp.Publisher(imagxp.Policy.from_json(json.dumps(case["policy"])), secret=bytes(16))
    for url, body in (case.get("manifests") or {}).items():
        with contextlib.suppress(imagxp.ImagxpError):
            publisher.supply(url, json.dumps(body), now=case["now"])
    taken = publisher.feedback(case["value"], now=case["now"])
    found = taken.feedback
    return {
        "outcome": taken.verdict.outcome,
        "code": taken.verdict.code,
        "http": taken.verdict.http,
        "agent_id": taken.verdict.agent_id,
        "feedback": None
        if found is None
        else {
            "url": found.url,
            "score_millionths": found.score_millionths,
            "reason": found.reason,
            "jti": found.jti,
            "content_sha256": None if found.content_sha256 is None else found.content_sha256.hex(),
        },
    }
