"""The vector sets as lists of conformance cases, each with its `expect`."""

import base64
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("IMAGXP_VECTORS", ROOT.parent / "shared" / "vectors"))
OWN = ROOT / "tests" / "vectors"

# JSONTestSuite says "must pass"; I-JSON (RFC 7493 section 2.3), which PROTOCOL section 2 demands, says "must not".
I_JSON_REFUSES = {
    "y_object_duplicated_key.json": "json.duplicate_key",
    "y_object_duplicated_key_and_value.json": "json.duplicate_key",
}


def shared(*parts):
    """The path of a shared vector file; None where there are none, which CI does not accept."""
    path = SHARED.joinpath(*parts)
    if path.exists():
        return path
    if os.environ.get("CI") == "true":
        sys.exit(f"the vectors are missing: {'/'.join(parts)}")
    return None


def load(*parts):
    path = shared(*parts)
    return None if path is None else json.loads(path.read_text(encoding="utf-8"))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def imagxp():
    """The project's shared verification vectors; a copy lives with our own."""
    return lines(OWN / "verify.jsonl")


def own():
    """The project's own vectors, generated from the core (tests/vectors/*.json)."""
    cases = []
    for path in sorted(OWN.glob("*.json")):
        cases += json.loads(path.read_text(encoding="utf-8"))["cases"]
    return cases


def hosts():
    data = json.loads((OWN / "hosts" / "agent_id_hosts.json").read_text(encoding="utf-8"))
    verdicts = [(name, False) for name in data["deny"]] + [(name, True) for name in data["allow"]]
    return [
        {"id": f"host-{i}", "op": "host", "name": name, "why": repr(name), "expect": {"valid": valid}}
        for i, (name, valid) in enumerate(verdicts)
    ]


def addresses():
    data = json.loads((OWN / "hosts" / "ssrf_ips.json").read_text(encoding="utf-8"))
    verdicts = [(ip, False) for ip in data["deny"]] + [(ip, True) for ip in data["allow"]]
    return [
        {"id": f"address-{i}", "op": "address", "ip": ip, "why": ip, "expect": {"allowed": ok}}
        for i, (ip, ok) in enumerate(verdicts)
    ]


def wycheproof_ecdsa():
    data = load("wycheproof", "ecdsa_secp256r1_sha256_p1363_test.json")
    return data and signatures(data, lambda group: base64.b64encode(bytes.fromhex(group["publicKeyDer"])).decode())


def wycheproof_ed25519():
    data = load("wycheproof", "ed25519_test.json")
    return data and signatures(data, lambda group: base64.b64encode(bytes.fromhex(group["publicKeyDer"])).decode())


def signatures(data, spki):
    return [
        {
            "id": f"tc{test['tcId']}",
            "op": "signature",
            "why": test["comment"],
            "key": {"spki": spki(group)},
            "message_hex": test["msg"],
            "signature_hex": test["sig"],
            "expect": {"valid": test["result"] == "valid"},
        }
        for group in data["testGroups"]
        for test in group["tests"]
    ]


def wycheproof_jws():
    """ES256 is the only algorithm that may pass; everything else must be refused, even when it is valid."""
    data = load("wycheproof", "json_web_signature_test.json")
    if data is None:
        return None
    cases = []
    for group in data["testGroups"]:
        public = group.get("public") or group.get("private")
        keys = public.get("keys", [public])
        es256 = all(key.get("kty") == "EC" and key.get("crv") == "P-256" and key.get("alg") == "ES256" for key in keys)
        for test in group["tests"]:
            token = test["jws"] if isinstance(test["jws"], str) else json.dumps(test["jws"])
            cases.append(
                {
                    "id": f"tc{test['tcId']}",
                    "op": "jws",
                    "why": f"{group['comment']}: {test['comment']}",
                    "jwks": {"keys": keys},
                    "token": token,
                    "now": "2026-03-01T12:00:00.000Z",
                    "expect": {"valid": es256 and test["result"] == "valid"},
                }
            )
    if not any(case["expect"]["valid"] for case in cases):
        sys.exit("no JWS case is expected to pass: the set proves nothing")
    return cases


def json_test_suite():
    data = load("JSONTestSuite", "jsontestsuite.json")
    if data is None:
        return None
    cases = []
    for case in data["cases"]:
        if case["suite"] != "test_parsing":
            continue
        name = case["name"]
        item = {"id": name, "op": "canonicalize", "json_b64": case["b64"], "why": case["expect"]}
        if name in I_JSON_REFUSES:
            item["expect"] = {"code": I_JSON_REFUSES[name]}
        elif name.startswith("y_"):
            item["expect"] = {"canonical": ANY}
        elif name.startswith("n_"):
            item["expect"] = {"code": ANY}
        else:
            continue
        cases.append(item)
    return cases


class Any:
    """Equal to every string: the member must be there, its value does not matter."""

    def __eq__(self, other):
        return isinstance(other, str)

    def __repr__(self):
        return "any string"


ANY = Any()


def jcs_documents():
    folder = shared("jcs", "input")
    if folder is None:
        return None
    return [
        {
            "id": path.name,
            "op": "canonicalize",
            "json_b64": base64.b64encode(path.read_bytes()).decode(),
            "expect": {"canonical": (folder.parent / "output" / path.name).read_text(encoding="utf-8").rstrip("\n")},
        }
        for path in sorted(folder.iterdir())
    ]


def jcs_numbers():
    """Each number is written with 17 significant digits, which names the double exactly, and must come out as ES6 writes it."""
    import struct

    path = shared("jcs", "es6numbers-10k.txt")
    if path is None:
        return None
    cases = []
    for number, line in enumerate(path.read_text().split()):
        bits, expected = line.split(",")
        value = struct.unpack(">d", int(bits, 16).to_bytes(8, "big"))[0]
        # An integer token beyond 2^53-1 is refused by I-JSON; with an exponent it is an ordinary double.
        cases.append({"id": number, "op": "canonicalize", "json": f"[{value:.17e}]", "expect": {"canonical": f"[{expected}]"}})
    return cases


def rfc():
    """RFC 7515 A.3, and the raw signatures of RFC 9421 B.2.4 and B.2.6."""
    a3 = load("rfc", "rfc7515_a3_es256.json")
    if a3 is None:
        return None
    jwks = {"keys": [a3["jwk"]]}
    before, after = "2011-03-22T18:00:00Z", "2026-03-01T12:00:00Z"
    return [
        {
            "id": "rfc7515-a3",
            "op": "jws",
            "token": a3["compact"],
            "jwks": jwks,
            "now": before,
            "expect": {"valid": True, "claims": {"iss": "joe"}},
        },
        {
            "id": "rfc7515-a3-expired",
            "op": "jws",
            "token": a3["compact"],
            "jwks": jwks,
            "now": after,
            "expect": {"valid": False, "code": "payment.expired"},
        },
        *rfc9421(),
    ]


def rfc9421():
    """B.2.4 (ECDSA P-256) and B.2.6 (Ed25519): raw signatures over the given bases, and each with its last bit flipped."""
    data = load("rfc", "rfc9421_appendix_b.json")
    found = []
    for case in data["cases"]:
        key = data["keys"].get(case["keyid"], {})
        if key.get("crv") not in ("P-256", "Ed25519"):
            continue
        message = case["signature_base"].encode()
        jwk = {member: key[member] for member in ("kty", "crv", "x", "y") if member in key}
        for valid, data_signed in ((True, message), (False, message[:-1] + bytes([message[-1] ^ 1]))):
            found.append(
                {
                    "id": f"rfc9421-{case['label']}-{'as-given' if valid else 'flipped'}",
                    "op": "signature",
                    "key": {"jwk": jwk},
                    "message_hex": data_signed.hex(),
                    "signature_hex": base64.b64decode(case["signature_b64"]).hex(),
                    "expect": {"valid": valid},
                }
            )
    if len(found) < 4:
        sys.exit("RFC 9421 gave fewer raw signatures than B.2.4 and B.2.6")
    return found


def thumbprints():
    """RFC 7638 thumbprints: RFC 8037 A.3, and those of the Web Bot Auth drafts."""
    cases = [
        {
            "id": "rfc8037-a3",
            "op": "key",
            "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            "expect": {"thumbprint": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "alg": "EdDSA"},
        }
    ]
    data = load("web-bot-auth", "jwk_thumbprint_vectors.json")
    if data is None:
        return None
    for number, case in enumerate(data):
        jwk = json.loads(case["jwk"])
        ours = jwk.get("crv") in ("P-256", "Ed25519")
        expect = {"thumbprint": case["thumbprint"]} if ours else {"code": "key.malformed"}
        cases.append({"id": f"web-bot-auth-{number}", "op": "key", "jwk": jwk, "expect": expect})
    return cases


def wycheproof_jwk():
    """Key sets that a verifier must take or refuse; with symmetric or RSA keys in them they never verify anything here."""
    data = load("wycheproof", "json_web_key_test.json")
    if data is None:
        return None
    cases = []
    for group in data["testGroups"]:
        keys = group.get("public") or group["private"]
        for test in group["tests"]:
            cases.append(
                {
                    "id": f"tc{test['tcId']}",
                    "op": "jws",
                    "why": f"{group['comment']}: {test['comment']}",
                    "jwks": keys if "keys" in keys else {"keys": [keys]},
                    "token": test["jws"],
                    "now": "2026-03-01T12:00:00.000Z",
                    "expect": {"valid": False},
                }
            )
    return cases


ALL = {
    "imagxp": imagxp,
    "own": own,
    "hosts": hosts,
    "addresses": addresses,
    "wycheproof-ecdsa": wycheproof_ecdsa,
    "wycheproof-ed25519": wycheproof_ed25519,
    "wycheproof-jws": wycheproof_jws,
    "wycheproof-jwk": wycheproof_jwk,
    "json-test-suite": json_test_suite,
    "jcs-documents": jcs_documents,
    "jcs-numbers": jcs_numbers,
    "rfc": rfc,
    "thumbprints": thumbprints,
}
