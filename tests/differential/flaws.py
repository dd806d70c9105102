"""What can be unusual about a request. Some of it is allowed: an unusual request must not be refused either."""

import base64
import hashlib
import json

from generate import AGENT, KEYS, NOW, OTHER, N, spki, timestamp

FLAWS = {}


def flaw(name):
    def register(function):
        FLAWS[name] = function
        return function

    return register


def claim(name, member, *values):
    """The claim's member is one of these; `...` leaves it out."""

    def change(draft):
        value = draft.rng.choice(values)
        if value is ...:
            draft.claim.pop(member, None)
        else:
            draft.claim[member] = value

    FLAWS[name] = change


claim("version", "v", "2.0", "", "1", 1, None)
claim("version_absent", "v", ...)
claim(
    "agent_form",
    "agent_id",
    "Agent.example",
    "agent.example.",
    "10.0.0.1",
    "agent",
    "agent.example:443",
    "a_b.example",
    "",
    7,
    ...,
)
claim("agent_unknown", "agent_id", "denied.example", OTHER)
claim("purpose_form", "purpose", "summary", "", "ALL", ["SUMMARY"], None, ...)
claim("purpose_denied", "purpose", "CRAWL_TRAINING", "QUOTATION", "EMBEDDING")
claim(
    "ts_form",
    "ts",
    "2026-03-01T12:00:00",
    "2026-03-01T12:00:00+00:00",
    "2026-03-01 12:00:00Z",
    "2026-03-01T12:00:60Z",
    "2026-02-29T12:00:00Z",
    "2026-03-01T12:00:00.1234Z",
    "2026-03-01T12:00:00z",
    "1999-12-31T23:59:59Z",
    NOW,
    None,
    ...,
)
claim("ts_edge", "ts", timestamp(NOW - 300), timestamp(NOW + 60))
claim("ts_old", "ts", timestamp(NOW - 301), timestamp(NOW - 300 - 86400), "2000-01-01T00:00:00Z")
claim("ts_early", "ts", timestamp(NOW + 61), timestamp(NOW + 60, 1), "2100-12-31T23:59:59Z")
claim("nonce_form", "nonce", "x" * 15, "x" * 129, "x" * 20 + " ", "x" * 20 + "é", 7, ...)
claim("nonce_edge", "nonce", "x" * 16, "~" * 128)
claim("method_other", "method", "GET ", "get", "PUT")
claim("method_absent", "method", ...)
claim(
    "resource_form",
    "resource",
    "",
    "ftp://pub.example/a",
    "https://u@pub.example/a",
    "https://pub.example/a#b",
    "pub.example/a",
    7,
    ...,
)
claim("resource_site", "resource", "https://other.example/a", "http://pub.example/a", "https://pub.example:444/a")
claim("context", "context", {}, {"ads_displayed": True, "x": [1.5, -0.0, 1e21, "\u20ac\u2028"]})
claim("context_form", "context", [], "x", None, {"ads_displayed": 1})
claim("digest_unmet", "content_digest", "sha-256=:AAAA:", "", "sha-256", 7, None)
claim("numbers", "x", 1e-7, 123456789.125, 9007199254740991, -9007199254740991, 0.1)
claim("text", "x\u00e9\U0001f600", '\u0000\u001f"\\/\u2028\U0001f600\ufb33')


@flaw("resource_path")
def _(draft):
    # Where another flaw has left no text, there is nothing to change.
    if isinstance(resource := draft.claim.get("resource"), str):
        draft.claim["resource"] = resource + draft.rng.choice(["x", "/", "&y", "%2F"])


@flaw("resource_relative")
def _(draft):
    # Only where the policy compares paths: PROTOCOL §2.
    draft.claim["resource"] = draft.rng.choice([draft.target, draft.target, "/other"])
    if draft.rng.random() < 0.5:
        draft.policy = {**draft.policy, "resource_match": "path"}


@flaw("resource_matched_by_path")
def _(draft):
    draft.policy = {**draft.policy, "resource_match": "path"}
    draft.claim["resource"] = (
        draft.rng.choice(["https://pub.example", "https://other.example", "http://pub.example"]) + draft.target
    )


def digest(body, algorithm="sha256"):
    value = base64.b64encode(hashlib.new(algorithm, body).digest()).decode()
    return f"{algorithm[:3]}-{algorithm[3:]}=:{value}:"


@flaw("body")
def _(draft):
    # What is signed, and what the caller says of the body; of two algorithms one is enough, and each that both name has to agree.
    sent, other, long = digest(b"sent"), digest(b"other"), digest(b"sent", "sha512")
    pairs = [
        (sent, sent),
        (sent, sent),
        (sent, other),
        (sent, None),
        (None, sent),
        (f"{sent}, {long}", sent),
        (sent, f"{long},{sent}"),
    ]
    pairs += [(f"{other}, {long}", f"{sent}, {long}"), (long, sent), (sent.upper(), sent), (f"{sent},{sent}", sent)]
    signed, draft.digest = draft.rng.choice(pairs)
    if signed is not None:
        draft.claim["content_digest"] = signed


@flaw("resource_equivalent")
def _(draft):
    # RFC 3986 §6.2.2: the case of an escape, an escaped unreserved character, dot segments.
    if not isinstance(resource := draft.claim.get("resource"), str):
        return
    head, mark, query = resource.partition("?")
    head = draft.rng.choice([head.replace("%C3", "%c3"), head.replace("~", "%7E"), head.replace("/a", "/b/../a", 1), head])
    draft.claim["resource"] = head + mark + query


@flaw("both_times")
def _(draft):
    draft.claim["timestamp"] = NOW


@flaw("timestamp")
def _(draft):
    draft.claim.pop("ts", None)
    draft.claim.update({"v": "1.0", "timestamp": NOW + draft.rng.choice([-300, 0, 60, 61, -301])})


@flaw("edwards")
def _(draft):
    draft.claim["agent_id"], draft.key = OTHER, KEYS[OTHER]
    if draft.visa is not None:
        draft.visa["sub"] = OTHER


@flaw("denied")
def _(draft):
    draft.claim["agent_id"], draft.key = "denied.example", KEYS["denied.example"]


@flaw("stranger")
def _(draft):
    draft.key = KEYS["stranger"]


def text(name, over_text, *changes):
    """The claim's JSON in another form; signed as it is sent, or in its canonical form."""

    def change(draft):
        draft.text, draft.over_text = draft.rng.choice(changes), over_text

    FLAWS[name] = change


def before(member):
    return lambda json_text: json_text.replace("{", "{" + member + ",", 1)


text("json_spaces", False, lambda t: t.replace(",", " ,\n"), lambda t: " " + t + "\t")
text("json_as_sent", True, lambda t: t.replace(",", " ,\n"))
text("json_reversed", False, lambda t: json.dumps(dict(reversed(list(json.loads(t).items())))))
text("json_duplicate", True, before('"purpose":"SUMMARY"'), before('"\\u0070urpose":"SUMMARY"'))
text("json_duplicate_deep", True, before('"x0":[{"a":1,"a":1}]'))
text(
    "json_broken",
    True,
    lambda t: t + "x",
    lambda t: t[:-1],
    lambda t: "[" + t + "]",
    lambda t: t.replace('"', "'"),
    lambda t: t.replace("}", ",}"),
)
text("json_mark", True, lambda t: "\ufeff" + t)
text("json_surrogate", True, before('"x0":"\\ud800"'), before('"x0":"\\udc00\\ud800"'))
text("json_integer", True, before('"x0":9007199254740992'), before('"x0":-9007199254740992'))
text("json_infinite", True, before('"x0":1e400'), before('"x0":-1e999'))
text("json_word", True, before('"x0":NaN'), before('"x0":Infinity'), before('"x0":01'), before('"x0":+1'), before('"x0":.5'))
text("json_deep", True, before('"x0":[[[[[[[[0]]]]]]]]'))
text("json_deepest", True, before('"x0":[[[[[[[0]]]]]]]'))
text("json_many", True, before(",".join(f'"m{n}":0' for n in range(64))))
text("json_control", True, before('"x0":"\t"'))
text("json_bytes", True, lambda t: before('"x0":"?"')(t).encode().replace(b"?", b"\xff"))


def header(name, field, *changes):
    """A header's value is changed; `None` leaves its line out, a list puts several in its place."""

    def change(draft):
        act = draft.rng.choice(changes)

        def lines(found):
            out = []
            for key, value in found:
                result = act(value) if key.lower() == field else value
                values = result if isinstance(result, list) else [result]
                out += [[key, each] for each in values if each is not None]
            return out

        draft.headers.append(lines)

    FLAWS[name] = change


def flip(value):
    return value[:9] + ("0" if value[9] != "0" else "1") + value[10:]


def high_s(value):
    if len(value) != 128:
        return value
    s = int(value[64:], 16)
    return value[:64] + f"{(N - s) % 2**256:064x}"


header("payload_missing", "x-imagxp-payload", lambda _: None)
header("payload_twice", "x-imagxp-payload", lambda v: [v, v], lambda v: f"{v},{v}")
header("payload_url", "x-imagxp-payload", lambda v: v.replace("+", "-").replace("/", "_"), lambda v: v.rstrip("="))
header(
    "payload_base64",
    "x-imagxp-payload",
    lambda v: v[:8] + " " + v[8:],
    lambda v: v + "==",
    lambda v: "*" + v[1:],
    lambda _: "e31=",
)
header("payload_large", "x-imagxp-payload", lambda _: "YWFh" * 3080)
header("signature_missing", "x-imagxp-signature", lambda _: None)
header("signature_twice", "x-imagxp-signature", lambda v: [v, v], lambda v: f"{v}, {v}")
header(
    "signature_form",
    "x-imagxp-signature",
    lambda v: v[:-1],
    lambda v: v + "00",
    lambda v: "0x" + v,
    lambda v: "g" + v[1:],
    # Of what another flaw sends twice, the first.
    lambda v: base64.b64encode(bytes.fromhex(v[:128])).decode(),
)
header("signature_case", "x-imagxp-signature", lambda v: v.upper())
header(
    "signature_wrong",
    "x-imagxp-signature",
    flip,
    lambda v: "0" * 64 + v[64:],
    lambda v: v[:64] + "0" * 64,
    lambda v: "f" * 128,
    lambda v: v[:64] + f"{N:064x}",
)
header("signature_high_s", "x-imagxp-signature", high_s)
header("hint_missing", "x-imagxp-public-key", lambda _: None)
header("hint_broken", "x-imagxp-public-key", lambda _: "AAAA", lambda v: v[:40])
header("hint_other", "x-imagxp-public-key", lambda _: spki(KEYS["stranger"]))
header("hint_base64", "x-imagxp-public-key", lambda _: "!!!!")
header("agent_copy", "user-agent", lambda v: v)
header("payment_missing", "x-imagxp-payment", lambda _: None)
header("payment_form", "x-imagxp-payment", lambda v: v.rsplit(".", 1)[0], lambda _: "a.b", lambda v: v + ".x")


def line(name, *lines):
    """One more line."""

    def change(draft):
        extra = draft.rng.choice(lines)
        draft.headers.append(lambda found: [*found, list(extra)])

    FLAWS[name] = change


line("copies", ("x-imagxp-agent-id", AGENT), ("X-IMAGXP-Alg", "ES256"))
line(
    "copies_wrong",
    ("x-imagxp-agent-id", "other.example"),
    ("x-imagxp-timestamp", "2020-01-01T00:00:00Z"),
    ("x-imagxp-alg", "EdDSA"),
)
line("credential", ("x-imagxp-credential", "a.b.c"))


@flaw("request_method")
def _(draft):
    draft.method = draft.rng.choice(["PUT", "DELETE"])
    if draft.rng.random() < 0.5:
        draft.claim["method"] = draft.method


@flaw("request_path")
def _(draft):
    draft.target = draft.rng.choice(["/other", "/a?x", "/A"])


def visa(name, member, *values):
    """The visa's member is one of these."""

    def change(draft):
        if draft.visa is None:
            draft.buy()
        value = draft.rng.choice(values)
        if value is ...:
            draft.visa.pop(member, None)
        else:
            draft.visa[member] = value

    FLAWS[name] = change


visa("visa_issuer", "iss", "https://other.example", "https://broker.example/", 7, ...)
visa("visa_audience", "aud", "https://other.example", ["https://other.example"], "http://pub.example")
visa("visa_audience_form", "aud", "pub.example", ["https://other.example", "https://pub.example"])
visa("visa_ended", "exp", NOW - 6, NOW - 30)
visa("visa_edge", "exp", NOW - 5, NOW + 3540)
visa("visa_long", "exp", NOW + 3541, NOW + 86400)
visa("visa_early", "iat", NOW + 6, NOW + 100)
visa("visa_times", "exp", "soon", True, None, ...)
visa("visa_holder", "sub", "other.example")
visa("visa_holder_form", "sub", 7, None, ...)
visa("visa_name", "jti", "short", "x" * 129, 7, ...)
visa("visa_bound", "cnf", {"jkt": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"})
visa("visa_bound_form", "cnf", "x", {"jkt": 7}, {"jkt": "short"})
visa("visa_unbound", "cnf", {})
visa("visa_amount", "amount", "0.049", "0", "0.0499999")
visa("visa_amount_form", "amount", "0,05", "-1", "1e2", True, "", "01")
visa("visa_amount_more", "amount", "0.050", "100", 1, 0.05)
visa("visa_currency", "currency", "EUR", ...)
visa("visa_status", "payment_status", "pending", "PAID")
visa("visa_status_paid", "payment_status", "paid")
visa("visa_uses", "max_uses", 1, 2, 2, 3, 1_000_000)
visa("visa_uses_form", "max_uses", 0, -1, 1.5, "2", True, None, 1_000_001)
visa("visa_purposes", "purposes", ["QUOTATION"], [])
visa("visa_purposes_form", "purposes", "SUMMARY", [7])
visa("visa_purposes_all", "purposes", ["SUMMARY", "RAG_RETRIEVAL"])


def visa_header(name, member, *values):
    def change(draft):
        if draft.visa is None:
            draft.buy()
        draft.visa_header[member] = draft.rng.choice(values)

    FLAWS[name] = change


visa_header("visa_alg", "alg", "none", "HS256", "EdDSA", "es256")
visa_header("visa_typ", "typ", "imagxp-adproof+jwt", "at+jwt", "")
visa_header("visa_typ_plain", "typ", "JWT", "application/imagxp-visa+jwt")
visa_header("visa_crit", "crit", ["exp"])
visa_header("visa_jku", "jku", "https://evil.example/")


@flaw("visa_forged")
def _(draft):
    if draft.visa is None:
        draft.buy()
    draft.visa_key = KEYS["stranger"]
