"""The Python conformance runner (DESIGN §6): one JSON line in, one JSON line out, through the package's public API."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

import agent
import discovery
import evidence
import imagxp
from audit import audit
from key_file import key_file

Case = dict[str, Any]
Answer = dict[str, Any]

# All runners use the same, so that their answers can be compared.
_SECRET = bytes(16)


def verify(case: Case) -> Answer:
    return _step(_publisher(case), case, case)


def sequence(case: Case) -> Answer:
    publisher = _publisher(case)
    return {"results": [_step(publisher, case, step) for step in case["steps"]]}


def sign(case: Case) -> Answer:
    identity = imagxp.Identity(case["agent_id"], imagxp.PrivateKey.from_jwk(_text(case["key"])), allow_loopback=True)
    headers = identity.sign(
        case["method"],
        case["url"],
        case["purpose"],
        now=case["now"],
        nonce=case["nonce"],
        context=case.get("context"),
        payment=case.get("payment"),
        proof=case.get("proof"),
        compatible=case.get("compatible", False),
    )
    return {"headers": [list(line) for line in headers]}


def canonicalize(case: Case) -> Answer:
    text = base64.b64decode(case["json_b64"], validate=True) if "json_b64" in case else case["json"]
    try:
        return {"canonical": imagxp.canonicalize(text).decode()}
    except imagxp.JsonError as error:
        return {"code": error.code}


def key(case: Case) -> Answer:
    try:
        public = _public_key(case)
    except imagxp.KeyFormatError as error:
        return {"code": error.code}
    return {"thumbprint": public.thumbprint, "alg": public.algorithm}


def signature(case: Case) -> Answer:
    try:
        public = _public_key(case["key"])
    except imagxp.KeyFormatError as error:
        return {"valid": False, "code": error.code}
    return {"valid": public.verify(bytes.fromhex(case["message_hex"]), bytes.fromhex(case["signature_hex"]))}


def jws(case: Case) -> Answer:
    expect = case.get("expect") or {}
    document = case["jwks_text"] if "jwks_text" in case else _text(case["jwks"])
    try:
        claims = imagxp.verify_token(
            case["token"],
            imagxp.JwkSet.parse(document),
            now=case["now"],
            issuer=expect.get("issuer"),
            audience=expect.get("audience"),
            typ=expect.get("typ"),
        )
    except (imagxp.TokenError, imagxp.KeyFormatError) as error:
        return {"valid": False, "code": error.code, "claims": None}
    return {"valid": True, "code": None, "claims": claims}


def host(case: Case) -> Answer:
    return {"valid": imagxp.is_agent_id(case["name"])}


def address(case: Case) -> Answer:
    return {"allowed": imagxp.is_public_address(case["ip"])}


def manifest(case: Case) -> Answer:
    try:
        parsed = imagxp.Manifest.parse(_text(case["manifest"]), case["agent_id"])
    except imagxp.ManifestError as error:
        return {"valid": False, "code": error.code, "keys": []}
    return {"valid": True, "code": None, "keys": [key.thumbprint for key in parsed.keys_at(case["now"])]}


def visa(case: Case) -> Answer:
    token = imagxp.issue_visa(
        imagxp.PrivateKey.from_jwk(_text(case["key"])),
        issuer=case["issuer"],
        audience=case["audience"],
        agent_id=case["agent_id"],
        jti=case["jti"],
        amount=case["amount"],
        currency=case["currency"],
        jkt=case.get("jkt"),
        purposes=case.get("purposes", []),
        max_uses=case.get("max_uses", 1),
        lifetime_s=case.get("lifetime_s", 600),
        now=case["now"],
        allow_loopback=True,
    )
    return {"token": token}


OPERATIONS: dict[str, Callable[[Case], Answer]] = {
    "verify": verify,
    "sequence": sequence,
    "sign": sign,
    "canonicalize": canonicalize,
    "key": key,
    "key_file": key_file,
    "signature": signature,
    "jws": jws,
    "host": host,
    "address": address,
    "manifest": manifest,
    "visa": visa,
    "provenance": evidence.provenance,
    "feedback": evidence.feedback,
    **discovery.OPERATIONS,
    "audit": audit,
    "offer": agent.offer,
    "spend": agent.spend,
    "assertion": agent.assertion,
}


def answer_line(line: str) -> str:
    """Answers one line; whatever happens, with one line that carries the case's id."""
    identifier = None
    try:
        case = json.loads(line)
        identifier = case.get("id")
        operation = OPERATIONS.get(case.get("op"))
        answer = {"unsupported": True} if operation is None else operation(case)
    except imagxp.ImagxpError as error:
        answer = {"error_code": error.code}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    return json.dumps({"id": identifier, **answer})


def _publisher(case: Case) -> imagxp.Publisher:
    return imagxp.Publisher(imagxp.Policy.from_json(_text(case["policy"])), secret=_SECRET)


def _step(publisher: imagxp.Publisher, case: Case, step: Case) -> Answer:
    """One request on a publisher; what the case has of manifests and key sets counts as fetched at the step's `now`."""
    for documents in ("manifests", "jwks"):
        for url, body in (case.get(documents) or {}).items():
            # A document that is refused is part of the case: the verdict tells.
            with contextlib.suppress(imagxp.ImagxpError):
                publisher.supply(url, _text(body), now=step["now"])
    request = step["request"]
    headers = [(name, value) for name, value in request["headers"]]
    verification = publisher.verify(
        request["method"], request["url"], headers, now=step["now"], body_digest=request.get("body_digest")
    )
    return verification.verdict.to_dict()


def _public_key(case: Case) -> imagxp.PublicKey:
    if "spki" in case:
        return imagxp.PublicKey.from_spki(case["spki"])
    if "pem" in case:
        return imagxp.PublicKey.from_pem(case["pem"])
    return imagxp.PublicKey.from_jwk(_text(case["jwk"]))


def _text(value: Any) -> str:
    return json.dumps(value)


def main() -> None:
    """Reads cases from standard input until it ends."""
    # The generator's table goes with the last publisher: one that stays spares every case making it anew.
    _standing = _publisher({"policy": {"version": 1, "origins": ["https://example.org"]}})
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        if line.strip():
            print(answer_line(line), flush=True)


if __name__ == "__main__":
    main()
