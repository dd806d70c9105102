#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, from tests/vectors and from what the targets read: fuzz_seeds.py FOLDER [TARGET...].

A few more are in fuzz/seeds. Standard library only.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

import fuzz_calls
import fuzz_choices

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "vectors"
TARGETS = VECTORS.parent.parent / "fuzz" / "targets"
AGENT = "bot.example.com"  # the agent that fuzz/src/lib.rs is
MOST = 80  # of each target, the shortest; of `key`, a tenth of that in each of its eight forms
ALL = {"verify": 400, "request_head": 400, "python": 400}  # of these, all
# Values for the claims of a visa, in the order of fuzz/src/answer.rs.
CLAIMS = [b'"https://broker.example"', b'["pub.example"]', b'"agent.example"', b'"1.0"', b'"USD"', b"1800003600"]
CLAIMS += [b'["QUOTATION","SUMMARY"]', b'{"jkt":""}', b"1800000060", b'"visa-00000002"', b'"paid"', b"2"]
# PKCS#8 of a private key of each curve, up to the secret and, for P-256, between it and the public key.
P256 = bytes.fromhex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"), bytes.fromhex("a14403420004")
ED25519 = bytes.fromhex("302e020100300506032b657004220420")


def strings(value):
    """Every string inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def objects(value):
    """Every object inside a JSON value."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects(item)


def decoded(text):
    """The bytes that a base64 text of any alphabet stands for, or nothing."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


def pem(label, der):
    """The text form of a key."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def cases_of(name):
    """The cases of a file of vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text())["cases"]


def signature_der(raw):
    """An ECDSA signature of 64 bytes as X.509 writes it."""
    numbers = b""
    for half in (raw[:32], raw[32:]):
        number = half.lstrip(b"\0") or b"\0"
        number = b"\0" + number if number[0] >= 0x80 else number
        numbers += bytes([2, len(number)]) + number
    return bytes([0x30, len(numbers)]) + numbers


def keys():
    """Target and input: each form in which a key or a signature comes, the first byte says which."""
    cases = [case for name in ("sign", "feedback", "provenance", "assertion") for case in cases_of(name)]
    for jwk in (case["key"] for case in cases if "d" in case.get("key", {})):
        secret, point = decoded(jwk["d"]), decoded(jwk["x"]) + decoded(jwk.get("y", ""))
        der = ED25519 + secret if jwk["kty"] == "OKP" else P256[0] + secret + P256[1] + point
        yield "key", b"\3" + json.dumps({name: value for name, value in jwk.items() if name != "d"}).encode()
        yield "key", b"\4" + der
        yield "key", b"\5" + pem("PRIVATE KEY", der)
        yield "key", b"\6" + json.dumps(jwk).encode()
        agent = "IMAGXP_AGENT_ID=agent.example\n"
        # The target puts a text of its own at the place that the first byte names.
        yield "dotenv", b"\0" + f"\n{agent}IMAGXP_PRIVATE_KEY={base64.b64encode(der).decode()}\n".encode()
        yield "dotenv", b"\xff" + agent.encode() + b'IMAGXP_PRIVATE_KEY="' + pem("PRIVATE KEY", der) + b'"\n'
        yield "key_file", pem("PRIVATE KEY", der)
    for case in cases_of("manifest"):
        for key in objects(case["manifest"]):
            if spki := decoded(str(key.get("public_key", ""))):
                yield "key", b"\2" + pem("PUBLIC KEY", spki)
                yield "key_file", pem("PUBLIC KEY", spki)
                yield from rotations(key["public_key"])
    for case in cases_of("sign"):
        for raw in (decoded_hex(value) for _, value in case["expect"].get("headers", [])):
            if len(raw) == 64:
                yield "key", b"\7" + signature_der(raw)


def decoded_hex(text):
    """The bytes that a text of hex digits stands for, or nothing."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def rotations(current):
    """Target and input: a rotation's state at each stage, and walks through the stages."""
    other = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEb/A7lJJBzh2t1DUZ5pYOCoW0GmmgXDKBA6orzhWUyhY8T3U6Vb8B3FP2wLDH7ueLQMb/fSWpbiKCuYnO9xwUSg=="
    at = "2026-03-01T12:00:00.000Z"
    for stage, more in (
        ("settled", {}),
        ("prepared", {"other": other}),
        ("published", {"other": other, "at": at, "lifetime_s": 300}),
        ("switched", {"other": other, "at": at}),
    ):
        state = {"current": current, "revoked": [], "stage": stage, "version": 1, **more}
        yield "rotation", json.dumps(state, sort_keys=True, separators=(",", ":")).encode()
    # Kind, key or lifetime, time: prepared, published, an hour and more later switched, and retired as late; given up; revoked.
    yield "rotation", b"\1\2\0\2\12\1\4\0\xff\5\0\xff"
    yield "rotation", b"\1\2\0\3\0\1\6\0\1"
    yield "rotation", b"\1\2\0\2\12\1\4\0\xff\7\2\3\7\1\2"


def documents():
    """Target and input, from the vectors of each document."""
    for text in (
        b"",
        b"# nothing\n",
        b"\xef\xbb\xbfexport IMAGXP_AGENT_ID='a.example'\n",
        b'OTHER="a\\nb ${HOME}"\nIMAGXP_PUBLIC_KEY=\n',
    ):
        yield "dotenv", b"\0" + text
    for case in cases_of("key_file"):
        yield "key_file", case["text"].encode()
    for case in cases_of("offer"):
        yield "offer", case["body"].encode()
    tokens = {text for text in strings(cases_of("visa")) if text.count(".") == 2 and text.startswith("eyJ")}
    for token in sorted(tokens):
        yield "offer", json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 600}).encode()
    # Changes of the good answer: which claim (by its number, and no line feed), how, and what it says then.
    for claim, value in enumerate(CLAIMS, start=len(CLAIMS)):
        yield "offer", bytes([claim, 0])
        yield "offer", bytes([claim, 2]) + value
    for case in cases_of("feedback"):
        if value := case.get("value") or case["expect"].get("value"):
            yield "feedback", value.encode()
            yield "feedback", decoded(value)
    for case in cases_of("provenance"):
        for name, value in case.get("headers") or case["expect"].get("headers", []):
            if name.lower() == "x-imagxp-provenance":
                yield "provenance", value.encode()
                yield "provenance", decoded(value)


def python(cases):
    """Target and input of fuzz/python/target.py: documents for its readers, by their number, and requests with changes."""
    texts = [json.dumps(case["policy"]).encode() for case in cases if "policy" in case]
    for number, inputs in {
        0: texts,
        1: [case["json"].encode() for case in cases_of("json") if isinstance(case.get("json"), str)] + texts,
        2: [json.dumps(document).encode() for case in cases for document in case.get("jwks", {}).values()],
        3: [path.read_bytes() for path in sorted((VECTORS / "discovery").glob("*.txt"))],
        4: [data[1:] for target, data in keys() if target == "key" and data[0] == 2],
        5: [case["body"].encode() for case in cases_of("offer")],
        6: [json.dumps(case["evidence"]).encode() for case in cases_of("audit") if "evidence" in case],
        7: [json.dumps(document).replace(str(document.get("agent_id")), AGENT).encode() for document in manifests(cases)],
    }.items():
        for data in sorted(set(inputs), key=lambda data: (len(data), data))[:8]:
            yield "python", bytes([2 * number]) + data
            yield "python", bytes([2 * number + 1]) + data
    yield "python", b"?GET /page CRAWL_TRAINING"
    for target in (b"/page", b"/pag", b"//page", b"/./page", b"/%70age", b"/page?a", b"/page%00", b"/robots.txt", b"*"):
        yield "python", b"?GET " + target
        yield "python", b"?GET " + target + b"\n+user-agent:robot/1.0"
    for at in (0, 1, 2):
        for change in (b"-", b"*", b"=", b"!", b"~", b"^"):
            yield "python", b"?HEAD /page\n" + change + bytes([at, 0, 20]) + b"e30"
            yield "python", b"?\n" + change + bytes([at, 0, 20]) + b"e30"


def manifests(cases):
    """Every manifest of these cases."""
    return [document for case in cases for document in case.get("manifests", {}).values()]


def decisions(cases):
    """Target and input of the targets that read a sequence of decisions."""
    for data in fuzz_choices.verified():
        yield "verify", data
    for data in fuzz_choices.heads():
        yield "request_head", data
    for data in fuzz_calls.calls():
        yield "c_calls", data
    for request in (case["request"] for case in cases if "request" in case):
        yield "headers", fuzz_choices.headers(request["method"], request["url"], None, request["headers"])


def seeds(cases):
    """Target and input, in any order, with repetitions."""
    for case in cases:
        yield "policy", json.dumps(case["policy"]).encode()
        for document in case["manifests"].values():
            text = json.dumps(document).replace(str(document.get("agent_id")), AGENT).encode()
            yield "manifest", text
            yield "json", text
            spki = str(document.get("public_key", ""))
            yield "key", b"\1" + spki.encode()
            yield "key", b"\0" + decoded(spki)
        for document in case["jwks"].values():
            for jwk in objects(document):
                if "kty" in jwk:
                    yield "key", b"\3" + json.dumps(jwk).encode()
            yield "jws", b"\0" + json.dumps(document).encode()
    for text in strings(cases):
        raw = text.encode("utf-8", "surrogatepass")
        if raw.startswith(b"eyJ") or raw.startswith(b"ew"):
            yield "encoding", raw
            claim = decoded(text)
            yield "claim", b"\0" + claim
            yield "json", claim
            if raw.count(b".") == 2:
                yield "jws", b"\0" + raw
        elif raw.startswith((b"http", b"/")):
            yield "resource", raw
        elif raw[:2] == b"20" and raw.endswith(b"Z"):
            yield "time", raw
        elif len(raw) < 256 and b"." in raw:
            yield "resource", raw
        elif len(raw) in (64, 128):
            yield "encoding", raw
    # The good token, whole and with one byte changed.
    yield from (("jws", b"\1"), ("jws", b"\1\2\0\1"), ("jws", b"\2\7x"))
    yield "resource", b"/premium/*\n/premium/a"
    yield from audits()


def audits():
    """Target and input: evidence, entries, and whole logs, whose lines name the one before or are chained when they are read (`+`)."""
    bodies = [b"{}", b'{"a":1}', b'{"n":7,"prev":"A"}']
    for evidence in (case["evidence"] for case in cases_of("audit") if "evidence" in case):
        yield "audit_bundle", canonical(evidence)
        yield "audit_bundle", evidence["checkpoint"].encode()
        yield "audit_log", canonical(evidence["record"])
        yield "audit_log", canonical(evidence["record"]["body"])
        bodies.append(canonical(evidence["record"]["body"]))
    bodies = list(dict.fromkeys(bodies))
    for some in (bodies[:1], bodies[:2], bodies[:3], bodies[:3] * 3, bodies[3:5], bodies[1:6]):
        lines = chain(some)
        yield "audit_log", b"\n".join(lines)
        yield "audit_log", b"\n".join(b"+" + body for body in some)
        # One in the middle was altered; what comes behind it is chained to what stands there now.
        yield "audit_log", b"\n".join([lines[0], b'+{"b":2}', *(b"+" + line for line in lines[1:])])


def chain(bodies):
    """The lines of a log: each names the hash of the one before it."""
    lines, last = [], bytes(32)
    for number, body in enumerate(bodies):
        lines.append(b'{"body":%s,"n":%d,"prev":"%s"}' % (body, number, base64.b64encode(last)))
        last = hashlib.sha256(b"\0" + lines[-1]).digest()
    return lines


def canonical(value):
    """RFC 8785, of what has no number but integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def discovery():
    """Target and input, from the files for the rules of each draft."""
    folder = VECTORS / "discovery"
    # A path and rules, each a byte that says whether it allows and then letters, as the target draws them.
    yield "robots", b"aba\n0/a*b\n1/*a"
    for path in sorted(folder.iterdir()):
        if path.suffix == ".txt":
            yield "robots", path.read_bytes()
        elif path.suffix == ".xml":
            yield "rsl", path.read_bytes()
    for case in json.loads((folder / "cases.json").read_text()):
        for _, value in case.get("headers", []):
            yield "preferences", value.encode()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lines = (VECTORS / "verify.jsonl").read_text().split("\n")
    cases = [json.loads(line) for line in lines if line]
    found = {}
    for target, data in [*seeds(cases), *discovery(), *keys(), *documents(), *decisions(cases), *python(cases)]:
        form = data[:1].hex() if target == "key" else ""
        found.setdefault((target, form), set()).add(data)
    for (target, form), inputs in sorted(found.items()):
        if sys.argv[2:] and target not in sys.argv[2:]:
            continue
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for data in sorted(inputs, key=lambda data: (len(data), data))[: MOST // 8 if form else ALL.get(target, MOST)]:
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    targets = {path.stem for path in TARGETS.glob("*.rs")} - {"canary"}
    forms = {f"key, form {form}" for form in range(8) if ("key", f"{form:02x}") not in found}
    missing = targets - {target for target, _ in found} | forms
    if missing:
        sys.exit(f"no seeds for {sorted(missing)}")


if __name__ == "__main__":
    main()
