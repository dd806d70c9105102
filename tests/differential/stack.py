"""A second verifier, written from PROTOCOL alone on `cryptography`, `rfc8785` and the standard library's `json`.

It shares no code with the core: JSON lines of `sequence` cases in, one line of `outcome`, `code`, `http` for each step out. It is as
plain as it can be, and slow: its only purpose is to disagree.
"""

import collections
import json
import re
import sys

import rfc8785
from claim import moment, read_claim, strict_json, unbase64, url_parts
from cryptography.hazmat.primitives.asymmetric import ed25519
from key import identify, read_key, verifies
from refusal import Refused, http
from visa import visa

# Step 1: headers.


def headers_of(lines):
    found = {}
    total = sum(len(name.encode()) + len(value.encode()) for name, value in lines)
    if len(lines) > 100 or total > 32 * 1024:
        raise Refused("header.too_large")
    ours = [(name.lower(), value.strip(" \t")) for name, value in lines if name.lower().startswith("x-imagxp-")]
    limits = {"payload": 12 * 1024, "public-key": 512, "payment": 8192, "credential": 8192}
    for name, value in ours:
        if len(value) > limits.get(name[9:], 10**6):
            raise Refused("header.too_large")
    for name, value in ours:
        if name in found:
            raise Refused("header.duplicate")
        found[name] = value
    if any("," in found.get(name, "") for name in ("x-imagxp-payload", "x-imagxp-signature")):
        raise Refused("header.duplicate")
    payment, credential = found.get("x-imagxp-payment"), found.get("x-imagxp-credential")
    if None not in (payment, credential) and payment != credential:
        raise Refused("header.conflict")
    found["payment"] = payment if payment is not None else credential
    return found


def members(text):
    """The digests of RFC 9530, by algorithm; nothing when it is no dictionary of them."""
    found = [re.fullmatch(r"[ \t]*([a-z0-9_.*-]+)=:([^:]*):[ \t]*", part) for part in text.split(",")]
    try:
        names = {match[1]: unbase64(match[2]) for match in found}
    except (TypeError, Refused):
        return {}
    return names if len(names) == len(found) <= 4 else {}


def digests_agree(signed, body):
    signed, body = members(signed), members(body or "")
    both = signed.keys() & body.keys()
    return bool(both) and all(signed[name] == body[name] for name in both)


def verify(case, step, nonces, uses):
    """The order of PROTOCOL §5. Raises what it refuses; `nonces` and `uses` are what the publisher remembers."""
    request, policy = step["request"], case["policy"]
    headers = headers_of(request["headers"])
    payload, signature = headers.get("x-imagxp-payload"), headers.get("x-imagxp-signature")
    if payload is None and signature is None and headers["payment"] is None:
        raise Refused("auth.required")
    if payload is None or signature is None:
        raise Refused("header.missing")
    payload = unbase64(payload)
    hint = unbase64(headers["x-imagxp-public-key"]) if "x-imagxp-public-key" in headers else None
    if re.fullmatch(r"[0-9A-Fa-f]{128}", signature) is None:
        raise Refused("sig.malformed")
    signature = bytes.fromhex(signature)
    claim = strict_json(payload)
    millis, resource = read_claim(claim)
    if headers.get("x-imagxp-agent-id", claim["agent_id"]) != claim["agent_id"]:
        raise Refused("header.conflict")
    if "x-imagxp-timestamp" in headers and moment({"ts": headers["x-imagxp-timestamp"]}) != millis:
        raise Refused("header.conflict")
    if "v" in claim and (not isinstance(claim["v"], str) or claim["v"] not in ("1.0", "1.1")):
        raise Refused("claim.version_unsupported")
    now = moment({"ts": step["now"]})
    if now - millis > 300_000:
        raise Refused("time.expired")
    if millis - now > 60_000:
        raise Refused("time.future")
    nonce = (claim["agent_id"], claim["nonce"])
    if nonce in nonces:
        raise Refused("replay.nonce_seen")
    canonical = rfc8785.dumps(claim)
    if resource is None:
        raise Refused("claim.resource_invalid")
    _, path, query = url_parts(request["url"])
    ours = ("https", "pub.example", 443)
    origins = [ours, None] if policy.get("resource_match") == "path" else [ours]
    if resource not in [(origin, path, query) for origin in origins]:
        # A claim whose own key hint refutes it is called a forgery.
        key = None
        if hint is not None:
            try:
                key = read_key(hint)
            except Refused:
                key = None
        if key is not None and not verifies(key, canonical, signature) and not verifies(key, payload, signature):
            raise Refused("sig.invalid")
        raise Refused("claim.resource_mismatch")
    if claim.get("method", request["method"]) != request["method"]:
        raise Refused("claim.method_mismatch")
    if request["method"] not in policy["methods"]:
        raise Refused("method.not_allowed")
    if "content_digest" in claim and not digests_agree(claim["content_digest"], request.get("body_digest")):
        raise Refused("claim.digest_mismatch")
    key = identify(case, claim, payload, canonical, signature, hint)
    names = ("EdDSA", "Ed25519") if isinstance(key, ed25519.Ed25519PublicKey) else ("ES256", "ecdsa-p256-sha256", "ECDSA")
    if headers.get("x-imagxp-alg", names[0]).lower() not in [name.lower() for name in names]:
        raise Refused("header.conflict")
    nonces.add(nonce)
    if any(rule["match"] == claim["agent_id"] and not rule["allow"] for rule in policy["agents"]):
        raise Refused("policy.agent_denied")
    purpose = claim["purpose"]
    if not policy["purposes"].get(purpose, {}).get("allow", False):
        raise Refused("policy.purpose_denied")
    if path.startswith("/premium/"):
        if headers["payment"] is None:
            raise Refused("payment.required")
        visa(case, claim, headers["payment"], key, purpose, path, now, uses)


def main():
    for line in sys.stdin:
        case = json.loads(line)
        nonces, uses, results = set(), collections.Counter(), []
        for step in case["steps"]:
            try:
                verify(case, step, nonces, uses)
                results.append({"outcome": "allow", "code": None, "http": 200})
            except Refused as refused:
                code = str(refused)
                status = http(code)
                results.append({"outcome": "undecided" if status >= 500 else "deny", "code": code, "http": status})
        print(json.dumps({"id": case["id"], "results": results}))


if __name__ == "__main__":
    main()
