#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets that read documents, from tests/vectors: fuzz_seeds.py FOLDER.

The targets that read a sequence of decisions (verify, headers, c_calls) have theirs in fuzz/seeds. Standard library only.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "vectors"
AGENT = "bot.example.com"  # the agent that fuzz/src/lib.rs is
MOST = 80  # of each target, the shortest


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
    for case in json.loads((VECTORS / "audit.json").read_text())["cases"]:
        if "evidence" in case:
            canonical = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
            yield "audit_bundle", json.dumps(case["evidence"], **canonical).encode()
            yield "audit_bundle", case["evidence"]["checkpoint"].encode()
            yield "audit_log", json.dumps(case["evidence"]["record"], **canonical).encode()
            yield "audit_log", json.dumps(case["evidence"]["record"]["body"], **canonical).encode()


def discovery():
    """Target and input, from the files for the rules of each draft."""
    folder = VECTORS / "discovery"
    for path in sorted(folder.iterdir()):
        if path.suffix == ".txt":
            yield "robots", path.read_bytes()
        elif path.suffix == ".xml":
            yield "rsl", path.read_bytes()
    for case in json.loads((folder / "cases.json").read_text()):
        for _, value in case.get("headers", []):
            yield "preferences", value.encode()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = (VECTORS / "verify.jsonl").read_text().split("\n")
    cases = [json.loads(line) for line in lines if line]
    found = {}
    for target, data in [*seeds(cases), *discovery()]:
        found.setdefault(target, set()).add(data)
    for target, inputs in sorted(found.items()):
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for data in sorted(inputs, key=lambda data: (len(data), data))[:MOST]:
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    wanted = {"json", "claim", "jws", "manifest", "policy", "key", "time", "encoding", "resource"}
    missing = (wanted | {"robots", "rsl", "preferences", "audit_log", "audit_bundle"}) - set(found)
    if missing:
        sys.exit(f"no seeds for {sorted(missing)}")


if __name__ == "__main__":
    main()
