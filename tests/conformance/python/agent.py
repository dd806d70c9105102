"""The operations `offer`, `spend` and `assertion`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import imagxp

Case = dict[str, Any]
Answer = dict[str, Any]


def offer(case: Case) -> Answer:
    try:
        found = imagxp.read_offer(case["body"])
    except imagxp.ImagxpError as error:
        return {"code": error.code}
    answer = {**found, "code": None, "brokers": [broker["issuer"] for broker in found["brokers"]]}
    if "trusted" in case:
        answer["chosen"] = _chosen(case)
    return answer


def _chosen(case: Case) -> str:
    """Where a visit would ask for a visa: through the public machine, which is what chooses."""
    wallet = imagxp.Wallet([imagxp.Caps("USD", "1000000")])
    identity = imagxp.Identity.generate("agent.example")
    agent = imagxp.Agent(identity, "SUMMARY", "Conformance", wallet=wallet, brokers=case["trusted"], discover=False)
    visit = agent.visit("GET", "https://pub.example/")
    visit.start()
    action = visit.answered(402, [], case["body"])
    if action.kind == "request_token":
        assert urlsplit(action.url).scheme == "https"
        return action.url
    assert action.error is not None
    return action.error.code


def spend(case: Case) -> Answer:
    caps = dict(case["caps"])
    wallet = imagxp.Wallet([imagxp.Caps(caps.pop("currency"), caps.pop("per_request"), **caps)])
    results: list[Answer] = []
    for step in case["steps"]:
        if "settle" in step:
            wallet.settle(step["id"], step["settle"])
            results.append({"spent": wallet.spent(case["caps"]["currency"])})
            continue
        terms = {name: step[name] for name in ("agent_id", "issuer", "audience", "amount", "currency", "now")}
        try:
            results.append({"code": None, "again": wallet.reserve(step["id"], purpose="SUMMARY", **terms)})
        except imagxp.ImagxpError as error:
            results.append({"code": error.code, "again": None})
    return {"results": results}


def assertion(case: Case) -> Answer:
    endpoint, now = case["token_endpoint"], case["now"]
    if "key" in case:
        key = imagxp.PrivateKey.from_jwk(json.dumps(case["key"]))
        identity = imagxp.Identity(case["agent_id"], key, allow_loopback=True)
        return {"assertion": imagxp.sign_assertion(identity, endpoint, jti=case["jti"], now=now)}
    manifest = imagxp.Manifest.parse(json.dumps(case["manifest"]), case["agent_id"])
    try:
        found = imagxp.verify_assertion(case["assertion"], manifest, endpoint, now=now)
    except imagxp.ImagxpError as error:
        return {"code": error.code, "jti": None, "key_id": None}
    return {"code": None, "jti": found.jti, "key_id": found.key_id}
