"""Step 11 of the second verifier: the visa."""

import base64
import json
import re
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric import ec
from key import thumbprint, verifies
from refusal import Refused


def visa(case, claim, token, key, purpose, path, now, uses):
    """Raises what it refuses; `uses` counts what has been shown here, by issuer and name."""
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
    most = typed("max_uses", int, float)
    if "max_uses" in claims and (most != int(most) or not 1 <= most <= 1_000_000):
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
    shown = (claims["iss"], claims["jti"])
    if uses[shown] >= (most or 1):
        raise Refused("payment.already_used")
    uses[shown] += 1
