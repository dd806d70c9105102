"""Peers in Python. Each verifies one ES256 signature of a known key, checks its lifetime, and that its nonce is new."""

from __future__ import annotations

import base64
import datetime
import json
from types import SimpleNamespace
from typing import Any

import jwt
from conversation import serve, timed
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key()
URL = "https://pub.example/2026/03/01/what-the-spring-tides-left-behind?page=2"
SEEN: set[str] = set()
CLOCK = datetime.UTC
ES256 = algorithms.ECDSA_P256_SHA256
NUMBERS = iter(range(1 << 62))


def nonce() -> str:
    """One that nobody has used."""
    return f"6f1c9d1e-9d7a-4f7c-9b5e-{next(NUMBERS):012x}"


def fresh(value: str) -> None:
    """Each nonce counts once."""
    if value in SEEN:
        raise ValueError("a replay")
    SEEN.add(value)


class Keys(HTTPSignatureKeyResolver):
    """The one key."""

    def resolve_public_key(self, key_id: str) -> Any:
        """For verification."""
        return PUBLIC

    def resolve_private_key(self, key_id: str) -> Any:
        """For signing."""
        return KEY


SIGNER = HTTPMessageSigner(signature_algorithm=ES256, key_resolver=Keys())
VERIFIER = HTTPMessageVerifier(signature_algorithm=ES256, key_resolver=Keys())


def message() -> Any:
    """http-message-signatures (RFC 9421): method, authority and target are covered."""
    request = SimpleNamespace(method="GET", url=URL, headers={"host": "pub.example", "accept": "text/html"})
    now = datetime.datetime.now(CLOCK)
    expires = now + datetime.timedelta(seconds=300)
    covered = ("@method", "@authority", "@target-uri")
    SIGNER.sign(request, key_id="key-1", created=now, expires=expires, nonce=nonce(), covered_component_ids=covered, tag="bench")
    return request


def verify_message(request: Any) -> None:
    """One result, whose nonce is fresh."""
    (result,) = VERIFIER.verify(request, max_age=datetime.timedelta(minutes=5), expect_tag="bench")
    fresh(result.parameters["nonce"])


def claims() -> dict[str, Any]:
    """The members of a claim."""
    now = datetime.datetime.now(CLOCK)
    return {
        "v": "1.1",
        "agent_id": "crawler-0.agents.example",
        "purpose": "RAG_RETRIEVAL",
        "exp": int(now.timestamp()) + 300,
        "nonce": nonce(),
        "resource": URL,
        "method": "GET",
    }


def token() -> str:
    """PyJWT: a token of these members."""
    return jwt.encode(claims(), KEY, algorithm="ES256")


def verify_token(text: str) -> None:
    """Its signature and `exp`, then what it says."""
    said = jwt.decode(text, PUBLIC, algorithms=["ES256"], options={"require": ["exp", "nonce"]})
    if said["method"] != "GET" or said["resource"] != URL:
        raise ValueError("another request")
    fresh(said["nonce"])


def by_hand() -> tuple[str, str]:
    """What someone writes with `cryptography` and the standard library: base64 of JSON, and r and s in hexadecimal digits."""
    payload = json.dumps(claims()).encode()
    r, s = decode_dss_signature(KEY.sign(payload, ec.ECDSA(SHA256())))
    return base64.b64encode(payload).decode(), f"{r:064x}{s:064x}"


def verify_by_hand(parts: tuple[str, str]) -> None:
    """The same without canonical form, limits or policy."""
    payload = base64.b64decode(parts[0], validate=True)
    said = json.loads(payload)
    if said["method"] != "GET" or said["resource"] != URL or said["exp"] < datetime.datetime.now(CLOCK).timestamp():
        raise ValueError("another request")
    signature = encode_dss_signature(int(parts[1][:64], 16), int(parts[1][64:], 16))
    PUBLIC.verify(signature, payload, ec.ECDSA(SHA256()))
    fresh(said["nonce"])


def refuses() -> None:
    """A peer that accepts everything would be quick."""
    payload, signature = by_hand()
    try:
        verify_by_hand((payload, signature[:-1] + ("0" if signature[-1] != "0" else "1")))
    except InvalidSignature:
        return
    raise AssertionError("it accepts everything")


def main() -> None:
    """Each with new requests in each round."""
    refuses()
    serve(
        {
            "http-message-signatures": lambda count: timed(verify_message, [message() for _ in range(count)]),
            "pyjwt": lambda count: timed(verify_token, [token() for _ in range(count)]),
            "cryptography": lambda count: timed(verify_by_hand, [by_hand() for _ in range(count)]),
        }
    )


if __name__ == "__main__":
    main()
