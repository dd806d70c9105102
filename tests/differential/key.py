"""Steps 7 and 8 of the second verifier: the key and the signature."""

import base64
import hashlib

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from refusal import Refused


def verifies(key, message, signature):
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def read_key(der):
    try:
        key = load_der_public_key(der)
    except Exception:
        raise Refused("key.malformed") from None
    curve = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not curve and not isinstance(key, ed25519.Ed25519PublicKey):
        raise Refused("key.malformed")
    return key


def identify(case, claim, payload, canonical, signature, hint):
    def made(key):
        return verifies(key, canonical, signature) or (payload != canonical and verifies(key, payload, signature))

    url = f"https://{claim['agent_id']}/.well-known/imagxp-agent.json"
    manifest = case["manifests"].get(url)
    if manifest is None:
        if hint is not None and not made(read_key(hint)):
            raise Refused("sig.invalid")
        raise Refused("identity.manifest_needed")
    published = load_der_public_key(base64.b64decode(manifest["public_key"]))
    if hint is None:
        if not made(published):
            # A key that the cached manifest lacks, perhaps: but it was fetched just now.
            raise Refused("sig.invalid")
        return published
    hinted = read_key(hint)
    if not made(hinted):
        raise Refused("sig.invalid")
    if hinted != published:
        raise Refused("identity.key_mismatch")
    return hinted


def thumbprint(key):
    def text(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    if isinstance(key, ed25519.Ed25519PublicKey):
        members = {"crv": "Ed25519", "kty": "OKP", "x": text(key.public_bytes_raw())}
    else:
        numbers = key.public_numbers()
        members = {
            "crv": "P-256",
            "kty": "EC",
            "x": text(numbers.x.to_bytes(32, "big")),
            "y": text(numbers.y.to_bytes(32, "big")),
        }
    return text(hashlib.sha256(rfc8785.dumps(members)).digest())
