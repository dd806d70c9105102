"""Requests for the comparison: good ones, and ones with one or two flaws, some of them several times; the same for the same seed.

A flaw is a function that changes a draft at one stage: its claim, the claim's text, what is signed, the headers, the request or the
visa. It is known by its name, by which intended.json explains what stacks may disagree about.
"""

import base64
import json
import random
from datetime import UTC

import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AGENT, OTHER, ORIGIN, BROKER = "agent.example", "edwards.example", "https://pub.example", "https://broker.example"
NOW = 1_772_366_400  # 2026-03-01T12:00:00Z
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
POLICY = {
    "version": 1,
    "origins": [ORIGIN],
    "purposes": {"RAG_RETRIEVAL": {"allow": True}, "SUMMARY": {"allow": True}, "CRAWL_TRAINING": {"allow": False}},
    "methods": ["GET", "HEAD", "POST"],
    "agents": [{"match": "denied.example", "allow": False}],
    "paths": [{"match": "/premium/*", "price": {"amount": "0.05", "currency": "USD"}}],
    "payment": {"brokers": [{"issuer": BROKER, "jwks_uri": BROKER + "/jwks.json"}]},
}


def es256(number):
    return ec.derive_private_key(number, ec.SECP256R1())


KEYS = {
    AGENT: es256(0xA1),
    OTHER: ed25519.Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32),
    "denied.example": es256(0xA2),
    "stranger": es256(0xA3),
    BROKER: es256(0xB1),
}


def spki(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key):
    numbers = key.public_key().public_numbers()
    x, y = (b64url(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def thumbprint(key):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        members = {"crv": "Ed25519", "kty": "OKP", "x": b64url(raw)}
    else:
        members = jwk(key)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(rfc8785.dumps(members))
    return b64url(digest.finalize())


MANIFESTS = {
    f"https://{agent}/.well-known/imagxp-agent.json": {"agent_id": agent, "public_key": spki(KEYS[agent])}
    for agent in (AGENT, OTHER, "denied.example")
}
JWKS = {BROKER + "/jwks.json": {"keys": [{**jwk(KEYS[BROKER]), "kid": thumbprint(KEYS[BROKER])}]}}


def sign(key, message):
    """r ‖ s, or the Ed25519 signature."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def timestamp(seconds, millis=0):
    from datetime import datetime

    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{millis:03d}Z"


class Draft:
    """One request while it is being made."""

    def __init__(self, rng):
        self.rng = rng
        self.key = KEYS[AGENT]
        path = rng.choice(["/a", "/a/b", "/caf%C3%A9", "/x?q=1", "/x?q=%20&r", "/", "/a~b/c.html"])
        self.target = path
        self.method = rng.choice(["GET", "GET", "GET", "HEAD", "POST"])
        self.claim = {
            "v": rng.choice(["1.1", "1.1", "1.0"]),
            "agent_id": AGENT,
            "purpose": rng.choice(["RAG_RETRIEVAL", "SUMMARY"]),
            "ts": timestamp(NOW + rng.randrange(-299, 60), rng.randrange(1000)),
            "nonce": f"{rng.getrandbits(128):032x}",
            "resource": ORIGIN + path,
            "method": self.method,
        }
        self.text = None
        self.over_text = False
        self.payload = self.signature = None
        self.headers = []
        self.visa = self.visa_header = None
        self.visa_key = KEYS[BROKER]
        self.digest = None
        self.policy = POLICY

    def buy(self):
        """Asks for what costs something, with a good visa."""
        self.target = "/premium/1"
        self.claim["resource"] = ORIGIN + self.target
        self.visa_header = {"typ": "imagxp-visa+jwt", "kid": thumbprint(KEYS[BROKER]), "alg": "ES256"}
        self.visa = {
            "iss": BROKER,
            "aud": ORIGIN,
            "sub": AGENT,
            "iat": NOW - 60,
            "exp": NOW + 600,
            "jti": f"visa-{self.rng.getrandbits(64):016x}",
            "amount": "0.05",
            "currency": "USD",
        }

    def finish(self):
        canonical = rfc8785.dumps(self.claim)
        text = self.text(canonical.decode()) if self.text else canonical
        text = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        self.signature = sign(self.key, text if self.over_text else canonical)
        lines = [
            ["User-Agent", "test IMAGXP/1.0"],
            ["x-imagxp-payload", base64.b64encode(text).decode()],
            ["x-imagxp-signature", self.signature.hex()],
            ["x-imagxp-public-key", spki(self.key)],
        ]
        if self.visa is not None:
            head, body = (b64url(json.dumps(part).encode()) for part in (self.visa_header, self.visa))
            token = f"{head}.{body}"
            lines.append(["x-imagxp-payment", f"{token}.{b64url(sign(self.visa_key, token.encode()))}"])
        for change in self.headers:
            lines = change(lines)
        request = {"method": self.method, "url": self.target, "headers": lines}
        if self.digest:
            request["body_digest"] = self.digest
        return request


# What may come after the first request.
AGAIN = ("again", "again_forged", "again_later", "again_fresh")


def again(draft, first):
    """What comes after the first request, by its name: a publisher remembers, and so must whoever disagrees with it."""
    kind = draft.rng.choice(AGAIN)
    now = NOW
    if kind == "again_fresh" and len(str(draft.claim.get("nonce"))) == 32:
        # Another request, perhaps with the same visa.
        draft.claim["nonce"] = f"{draft.rng.getrandbits(128):032x}"
        return kind, now, draft.finish()
    request = first
    if kind == "again_forged":
        lines = [
            [name, "0" * 64 + value[64:]] if name == "x-imagxp-signature" else [name, value] for name, value in first["headers"]
        ]
        request = {**first, "headers": lines}
    if kind == "again_later":
        now += draft.rng.choice([1, 360, 700])
    return kind, now, request


def case(rng, number, flaws):
    """One case: mostly a request with a single flaw, sometimes none or two; of every fifth, more requests that follow it."""
    draft = Draft(rng)
    if rng.random() < 0.25:
        draft.buy()
    names = rng.sample(sorted(flaws), rng.choices([0, 1, 2], [2, 6, 2])[0])
    try:
        for name in names:
            flaws[name](draft)
        first = draft.finish()
    except Exception as error:
        error.add_note(f"in case {number}: {' + '.join(names)}")
        raise
    steps = [{"now": timestamp(NOW), "request": first}]
    for _ in range(rng.choice([0, 0, 0, 0, 3])):
        kind, now, request = again(draft, first)
        names.append(kind)
        steps.append({"now": timestamp(now), "request": request})
    return {
        "id": number,
        "op": "sequence",
        "policy": draft.policy,
        "manifests": MANIFESTS,
        "jwks": JWKS,
        "steps": steps,
    }, names


def cases(seed, count, flaws):
    """As many cases, one after the other."""
    rng = random.Random(seed)
    for number in range(count):
        yield case(rng, number, flaws)
