#!/usr/bin/env python3
"""Cross-signing: random requests signed in each language and verified in every other one.

Usage: cross.py [--count N] [--seed S] [--seed-fault] [language ...]       (1 000 each, all languages, a random seed that is printed)

Every request is signed with a P-256 or an Ed25519 key; ECDSA here is deterministic (RFC 6979), so all languages must also
agree on every byte. Then each request is spoiled in one place, and every verifier must refuse it with the same code.
`--seed-fault` has the last language overlook every such place: it is given the good requests. That must be noticed, and nothing else;
it exits 0 only then. Standard library only.
"""

import argparse
import base64
import contextlib
import json
import random
import secrets
import sys
from pathlib import Path

from check import ask
from table import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
AGENT, ORIGIN, NOW = "agent.example", "https://pub.example", "2026-03-01T12:00:00.000Z"
PURPOSES = ["RAG_RETRIEVAL", "SUMMARY", "QUOTATION", "EMBEDDING"]
POLICY = {
    "version": 1,
    "origins": [ORIGIN],
    "purposes": {name: {"allow": True} for name in PURPOSES},
    "methods": ["GET", "HEAD", "POST"],
}


def keys():
    """The private test keys of tests/vectors/sign.json, by algorithm."""
    cases = json.loads((ROOT / "tests" / "vectors" / "sign.json").read_text(encoding="utf-8"))["cases"]
    return {case["key"]["kty"]: case["key"] for case in cases}


def manifest(case):
    spki = dict(case["expect"]["headers"])["x-imagxp-public-key"]
    return {"agent_id": AGENT, "public_key": spki}


def random_text(rng):
    alphabet = 'abcXYZ019 _-~é€😀"\\\n\t\u2028/'
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))


def sign_cases(rng, count, private):
    cases = []
    for number in range(count):
        path = "/".join(
            rng.choice(["a", "b c".replace(" ", "%20"), "caf%C3%A9", "é", "x~y", "..", "."]) for _ in range(rng.randrange(1, 5))
        )
        case = {
            "id": number,
            "op": "sign",
            "key": private[rng.choice(sorted(private))],
            "agent_id": AGENT,
            "method": rng.choice(POLICY["methods"]),
            "url": f"{ORIGIN}/{path}{rng.choice(['', '?', '?q=1&r=a%2fb'])}",
            "purpose": rng.choice(PURPOSES),
            "now": f"2026-03-01T{rng.choice(['11:55:00.000', '11:59:59.999', '12:00:00.000', '12:01:00.000'])}Z",
            "nonce": f"{rng.getrandbits(128):032x}",
        }
        if rng.random() < 0.5:
            case["context"] = {
                random_text(rng): rng.choice(
                    [None, True, rng.randrange(-9, 9), rng.random(), random_text(rng), [1, {"z": 1, "a": 2}]]
                )
            }
        cases.append(case)
    return cases


def meaning(name, value):
    """What is signed, or the signature: two numbers of a claim that are the same double are one number (RFC 8785 §3.2.2.3)."""
    if name == "x-imagxp-payload":
        with contextlib.suppress(ValueError):
            return json.loads(base64.b64decode(value, altchars=b"-_", validate=True))
    return value


def spoil(rng, request):
    """One change that no verifier may accept."""
    name = rng.choice(["x-imagxp-signature", "x-imagxp-payload"])
    headers = []
    for key, value in request["headers"]:
        spoiled = value
        while key == name and meaning(key, spoiled) == meaning(key, value):
            at = rng.randrange(len(value) - 4)
            digit = rng.choice([c for c in "0123456789abcdef" if c != value[at].lower()])
            spoiled = value[:at] + digit + value[at + 1 :]
        headers.append([key, spoiled])
    return {**request, "headers": headers}


def refused(case, answer):
    """Whether a spoiled request is denied; or undecided, when it became the claim of another agent, whose manifest is not here."""
    if answer.get("outcome") != "undecided":
        return answer.get("outcome") == "deny"
    needs = [need["url"] for need in answer["needs"]]
    return len(needs) == 1 and needs[0] not in case["manifests"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--seed-fault", action="store_true")
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    rng = random.Random(options.seed)
    private = keys()
    manifests = {}
    for case in json.loads((ROOT / "tests" / "vectors" / "sign.json").read_text(encoding="utf-8"))["cases"]:
        manifests[case["key"]["kty"]] = manifest(case)
    cases = sign_cases(rng, options.count, private)
    signed = {language: ask(language, cases) for language in options.languages}
    passed = failed = others = 0
    blind = options.languages[-1] if options.seed_fault else None

    def count(ok, what, verifier=None):
        nonlocal passed, failed, others
        passed, failed = passed + ok, failed + (not ok)
        others += not ok and (verifier is None or verifier != blind)
        if not ok and failed <= 10 and not options.seed_fault:
            print("FAILED", what)

    first = options.languages[0]
    for language in options.languages[1:]:
        for case, one, two in zip(cases, signed[first], signed[language], strict=False):
            count(one == two and "headers" in one, f"{first} and {language} sign case {case['id']} differently: {one} {two}")
    for signer in options.languages:
        verify, spoiled = [], []
        for case, answer in zip(cases, signed[signer], strict=False):
            request = {
                "method": case["method"],
                "url": case["url"],
                "headers": [["User-Agent", "x IMAGXP/1.0"], *answer["headers"]],
            }
            item = {
                "id": case["id"],
                "op": "verify",
                "policy": POLICY,
                "now": NOW,
                "manifests": {f"https://{AGENT}/.well-known/imagxp-agent.json": manifests[case["key"]["kty"]]},
                "jwks": {},
                "request": request,
            }
            verify.append(item)
            spoiled.append({**item, "request": spoil(rng, request)})
        codes = {}
        for verifier in options.languages:
            for case, answer in zip(verify, ask(verifier, verify), strict=False):
                ok = answer.get("outcome") == "allow" and answer.get("agent_id") == AGENT
                count(ok, f"signed in {signer}, verified in {verifier}: case {case['id']}: {json.dumps(answer)[:300]}")
            answers = ask(verifier, verify if verifier == blind else spoiled)
            codes[verifier] = [answer.get("code") for answer in answers]
            for case, answer in zip(spoiled, answers, strict=False):
                count(
                    refused(case, answer),
                    f"spoiled, signed in {signer}, verified in {verifier}: {json.dumps(answer)[:300]}: {json.dumps(case)[:900]}",
                    verifier,
                )
        for language in options.languages[1:]:
            count(
                codes[language] == codes[options.languages[0]],
                f"{language} refuses with other codes than {options.languages[0]}",
                language,
            )
    if options.seed_fault:
        noticed = failed == len(options.languages) * (options.count + 1) and not others
        print("the seeded fault was noticed" if noticed else f"error: of {failed} failures {others} are not the seeded fault's")
        sys.exit(0 if noticed else 1)
    print(f"{options.count} requests, each signed by and verified in: {' '.join(options.languages)}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
