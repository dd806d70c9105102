"""A second verifier, written from PROTOCOL alone on `cryptography`, `rfc8785` and the standard library's `json`.

It shares no code with the core: JSON lines of `verify` cases in, one line of `outcome`, `code`, `http` for each out. It is as plain as it
can be, and slow: its only purpose is to disagree.
"""

import base64
import hashlib
import ipaddress
import json
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

STATUS = {
    400: "header.missing header.duplicate header.conflict header.base64_invalid json. claim. sig.malformed key.malformed payment.malformed",
    401: "auth.required sig.invalid time. identity.",
    402: "payment.",
    403: "policy. claim.resource_mismatch claim.method_mismatch method.not_allowed",
    409: "replay.nonce_seen",
    413: "header.too_large",
    503: "identity.manifest_needed payment.jwks_needed",
}
PURPOSES = {"CRAWL_TRAINING", "RAG_RETRIEVAL", "SUMMARY", "QUOTATION", "EMBEDDING"}
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


class Refused(Exception):
    """With its code."""


def http(code):
    """The status that goes with a code: the longest pattern that fits."""
    fitting = [(len(pattern), status) for status, text in STATUS.items() for pattern in text.split() if code.startswith(pattern)]
    return max(fitting)[1]


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


# Step 2: base64, hex, JSON.


def unbase64(text):
    if re.fullmatch(r"[A-Za-z0-9+/]*={0,2}|[A-Za-z0-9_-]*={0,2}", text) is None:
        raise Refused("header.base64_invalid")
    bare = text.rstrip("=")
    padding = -len(bare) % 4
    if padding == 3 or (text != bare and len(text) - len(bare) != padding):
        raise Refused("header.base64_invalid")
    data = base64.urlsafe_b64decode(bare.replace("+", "-").replace("/", "_") + "=" * padding)
    again = base64.urlsafe_b64encode(data).decode().rstrip("=")
    if again != bare.replace("+", "-").replace("/", "_"):
        raise Refused("header.base64_invalid")
    return data


def strict_json(data):
    """The claim as a dict."""
    if len(data) > 8192:
        raise Refused("header.too_large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("json.invalid_unicode") from None

    def members(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Refused("json.duplicate_key")
        if len(names) > 64:
            raise Refused("json.too_many")
        return dict(pairs)

    def integer(digits):
        value = int(digits)
        if abs(value) > 2**53 - 1:
            raise Refused("json.number_range")
        return value

    def fraction(digits):
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            raise Refused("json.number_range")
        return value

    def word(_):
        raise Refused("json.malformed")

    try:
        value = json.loads(text, object_pairs_hook=members, parse_int=integer, parse_float=fraction, parse_constant=word)
    except (json.JSONDecodeError, RecursionError):
        raise Refused("json.malformed") from None
    if not isinstance(value, dict):
        raise Refused("json.malformed")

    def look(item, depth):
        if isinstance(item, str) and any(0xD800 <= ord(c) < 0xE000 for c in item):
            raise Refused("json.invalid_unicode")
        if isinstance(item, (dict, list)):
            if depth > 8:
                raise Refused("json.too_deep")
            for inner in item if isinstance(item, list) else [*item.keys(), *item.values()]:
                look(inner, depth + 1)

    look(value, 1)
    return value


# Step 3: the claim.


def is_agent_id(text):
    if not isinstance(text, str) or len(text) > 253 or text.count(".") < 1:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.split(".")
        return all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels) and not labels[-1].isdigit()
    return False


def moment(claim):
    version = claim.get("v")
    if "timestamp" in claim:
        if "ts" in claim or ("v" in claim and version != "1.0"):
            raise Refused("claim.ts_invalid")
        seconds = claim["timestamp"]
        if type(seconds) is not int or not 946684800 <= seconds < 4133980800:
            raise Refused("claim.ts_invalid")
        return seconds * 1000
    text = claim.get("ts")
    if not isinstance(text, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", text, re.ASCII) is None:
        raise Refused("claim.ts_invalid")
    try:
        found = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("claim.ts_invalid") from None
    # strptime takes a second 60 and 61.
    if not 2000 <= found.year <= 2100 or int(text[17:19]) > 59:
        raise Refused("claim.ts_invalid")
    return int(found.timestamp()) * 1000 + int(text[20:-1].ljust(3, "0") if len(text) > 20 else 0)


def url_parts(text):
    """Origin (or None), path and query in the normal form of RFC 3986."""
    if not isinstance(text, str) or len(text) > 4096 or re.search(r"[\s\\#]", text) or re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError
    parts = urlsplit(text)
    origin = None
    if not text.startswith("/"):
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError
        default = {"http": 80, "https": 443}[parts.scheme.lower()]
        origin = (parts.scheme.lower(), parts.hostname, parts.port or default)
    elif text.startswith("//"):
        raise ValueError

    def normal(piece):
        def escape(match):
            char = chr(int(match[1], 16))
            return char if char in UNRESERVED else match[0].upper()

        return re.sub(r"%([0-9A-Fa-f]{2})", escape, piece)

    # RFC 3986 §5.2.4
    out = []
    segments = normal(parts.path or "/").split("/")[1:]
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "..":
            out = out[:-1]
        elif segment != ".":
            out.append(segment)
        if last and segment in (".", ".."):
            out.append("")
    target = text.split("#")[0]
    query = normal(target.split("?", 1)[1]) if "?" in target else None
    return origin, "/" + "/".join(out), query


def read_claim(claim):
    if not is_agent_id(claim.get("agent_id")):
        raise Refused("claim.agent_id_invalid")
    purpose = claim.get("purpose")
    if not isinstance(purpose, str) or purpose not in PURPOSES:
        raise Refused("claim.purpose_invalid")
    millis = moment(claim)
    nonce = claim.get("nonce")
    if not isinstance(nonce, str) or re.fullmatch(r"[A-Za-z0-9._~-]{16,128}", nonce) is None:
        raise Refused("claim.nonce_invalid")
    resource = None
    if "resource" in claim:
        try:
            resource = url_parts(claim["resource"])
        except ValueError:
            raise Refused("claim.resource_invalid") from None
    if not isinstance(claim.get("method", ""), str):
        raise Refused("claim.method_mismatch")
    if not isinstance(claim.get("content_digest", ""), str):
        raise Refused("claim.digest_mismatch")
    context = claim.get("context", {})
    if not isinstance(context, dict) or not isinstance(context.get("ads_displayed", True), bool):
        raise Refused("claim.context_invalid")
    return millis, resource


# Steps 7 and 8: the key and the signature.


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


# Step 11: the visa.


def visa(case, claim, token, key, purpose, path, now):
    policy = case["policy"]["payment"]["brokers"]
    parts = token.split(".")
    if len(token) > 8192 or len(parts) != 3 or any(re.fullmatch(r"[A-Za-z0-9_-]*", part) is None for part in parts):
        raise Refused("payment.malformed")
    try:
        header, body, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        header = json.loads(header)
    except ValueError:
        raise Refused("payment.malformed") from None
    if not isinstance(header, dict) or len(signature) != 64:
        raise Refused("payment.malformed")
    if header.get("alg") != "ES256" or {"jku", "x5u", "jwk", "crit", "b64"} & set(header):
        raise Refused("payment.invalid_token")
    invalid = Refused("payment.invalid_token")
    try:
        claims = json.loads(body)
    except ValueError:
        raise invalid from None
    broker = next((one for one in policy if one["issuer"] == claims.get("iss")), None)
    if broker is None:
        raise invalid
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in ("imagxp-visa+jwt", "jwt"):
        raise invalid
    jwk = next((one for one in case["jwks"][broker["jwks_uri"]]["keys"] if one["kid"] == header.get("kid")), None)
    if jwk is None:
        raise invalid
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "="), "big") for name in "xy")
    issuer_key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    if not verifies(issuer_key, token.rsplit(".", 1)[0].encode(), signature):
        raise invalid

    def typed(name, *kinds):
        if name in claims and (type(claims[name]) not in kinds):
            raise invalid
        return claims.get(name)

    audience = typed("aud", str, list)
    for name in ("sub", "jti", "payment_status", "currency"):
        typed(name, str)
    ends, issued = typed("exp", int, float), typed("iat", int, float)
    if None in (audience, ends, issued):
        raise invalid
    bound = (typed("cnf", dict) or {}).get("jkt")
    if bound is not None and (not isinstance(bound, str) or re.fullmatch(r"[A-Za-z0-9_-]{43}", bound) is None):
        raise invalid
    purposes = typed("purposes", list)
    if any(not isinstance(one, str) for one in purposes or []):
        raise invalid
    amount = typed("amount", str, int, float)
    if isinstance(amount, str) and re.fullmatch(r"(0|[1-9][0-9]{0,20})(\.[0-9]{1,18})?", amount) is None:
        raise invalid
    audience = [audience] if isinstance(audience, str) else audience
    if not {"https://pub.example", "pub.example"} & set(audience):
        raise Refused("payment.wrong_audience")
    if now > (int(ends) + 5) * 1000:
        raise Refused("payment.expired")
    if int(issued) * 1000 > now + 5000 or not 0 <= int(ends) - int(issued) <= 3600:
        raise invalid
    if not 8 <= len((claims.get("jti") or "").encode()) <= 128 or "sub" not in claims:
        raise invalid
    if claims["sub"] != claim["agent_id"] or (bound is not None and bound != thumbprint(key)):
        raise Refused("payment.wrong_holder")
    if claims.get("payment_status", "paid") != "paid":
        raise Refused("payment.insufficient")
    price = next(rule["price"] for rule in case["policy"]["paths"])
    if amount is None or claims.get("currency") != price["currency"] or Decimal(str(amount)) < Decimal(price["amount"]):
        raise Refused("payment.insufficient")
    if purposes is not None and purpose not in purposes:
        raise invalid


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


def verify(case):
    """The order of PROTOCOL §5. Raises what it refuses."""
    request, policy = case["request"], case["policy"]
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
    now = moment({"ts": case["now"]})
    if now - millis > 300_000:
        raise Refused("time.expired")
    if millis - now > 60_000:
        raise Refused("time.future")
    canonical = rfc8785.dumps(claim)
    if resource is None:
        raise Refused("claim.resource_invalid")
    _, path, query = url_parts(request["url"])
    if resource != (("https", "pub.example", 443), path, query):
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
    if "content_digest" in claim:
        # No case passes a body, so none can have this digest.
        raise Refused("claim.digest_mismatch")
    key = identify(case, claim, payload, canonical, signature, hint)
    names = ("EdDSA", "Ed25519") if isinstance(key, ed25519.Ed25519PublicKey) else ("ES256", "ecdsa-p256-sha256", "ECDSA")
    if headers.get("x-imagxp-alg", names[0]).lower() not in [name.lower() for name in names]:
        raise Refused("header.conflict")
    if any(rule["match"] == claim["agent_id"] and not rule["allow"] for rule in policy["agents"]):
        raise Refused("policy.agent_denied")
    purpose = claim["purpose"]
    if not policy["purposes"].get(purpose, {}).get("allow", False):
        raise Refused("policy.purpose_denied")
    if path.startswith("/premium/"):
        if headers["payment"] is None:
            raise Refused("payment.required")
        visa(case, claim, headers["payment"], key, purpose, path, now)


def main():
    for line in sys.stdin:
        case = json.loads(line)
        try:
            verify(case)
            answer = {"outcome": "allow", "code": None, "http": 200}
        except Refused as refused:
            code = str(refused)
            status = http(code)
            answer = {"outcome": "undecided" if status >= 500 else "deny", "code": code, "http": status}
        print(json.dumps({"id": case["id"], **answer}))


if __name__ == "__main__":
    main()
