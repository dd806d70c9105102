"""What each kind of request is answered with: one block per line of a table, against one running nginx."""

import base64
import http.client
import json
from datetime import UTC, datetime, timedelta

import imagxp
import pytest
from instance import Nginx, wait_for
from world import AGENT, BASE, BROWSER, World, nonce

POLICY = {
    **BASE,
    "methods": ["GET", "HEAD", "POST"],
    "agents": [{"match": "banned.example", "allow": False}, {"match": "slow.example", "rate": {"requests": 2, "per_s": 3600}}],
    "paths": [
        {"match": "/closed/*", "unsigned": "deny"},
        {"match": "/priced/*", "price": {"amount": "0.01", "currency": "USD"}, "unsigned": "deny"},
    ],
    "payment": {"brokers": [{"issuer": "https://broker.example", "jwks_uri": "https://broker.example/jwks.json"}]},
    "provenance": {"origin": "HUMAN"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("verdict"), POLICY)
    more = ""
    world.agents = {}
    for name in ("banned.example", "slow.example", "other.example"):
        world.agents[name] = imagxp.Identity.generate(name)
        world.write(f"{name}.json", world.agents[name].manifest().to_json())
        more += f"imagxp_manifest_file {name} {world.folder}/{name}.json;\n"
    world.broker = imagxp.PrivateKey.generate()
    world.write(
        "jwks.json", json.dumps({"keys": [{**world.broker.public_key.to_jwk(), "kid": world.broker.public_key.thumbprint}]})
    )
    more += f"imagxp_jwks_file https://broker.example/jwks.json {world.folder}/jwks.json;"
    # The file of the agent itself is inherited only where a level names no other: it is named again.
    more += f"imagxp_manifest_file {AGENT} {world.folder}/manifest.json;"
    world.write("html/priced/page", "a priced page\n")
    world.write("html/a b", "spaces\n")
    http = world.http(more=more, location="", locations="location = /off { imagxp off; try_files /page =404; }")
    with Nginx(tmp_path_factory.mktemp("nginx"), http) as nginx:
        nginx.world = world
        yield nginx
    assert nginx.crashed() == []


def changed(headers, name, value):
    return [(other, value if other.lower() == name else old) for other, old in headers]


def without(headers, name):
    return [(other, value) for other, value in headers if other.lower() != name]


def claim(headers):
    return json.loads(base64.b64decode(dict(headers)["x-imagxp-payload"]))


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


def flipped(headers):
    signature = dict(headers)["x-imagxp-signature"]
    return changed(headers, "x-imagxp-signature", ("0" if signature[0] != "0" else "1") + signature[1:])


def encoded(headers, change):
    """The headers with another claim under the old signature."""
    return changed(headers, "x-imagxp-payload", base64.b64encode(json.dumps({**claim(headers), **change}).encode()).decode())


def payload(text):
    return lambda w: changed(w.sign(), "x-imagxp-payload", base64.b64encode(text).decode())


def visa(world, amount="0.01"):
    return imagxp.issue_visa(
        world.broker,
        issuer="https://broker.example",
        audience="https://pub.example",
        agent_id=AGENT,
        jti=nonce(),
        amount=amount,
        currency="USD",
    )


# name, headers from the world, path and method, http status, code
CASES = [
    ("a signed request", lambda w: w.sign(), "/page", "GET", 200, None),
    ("a signed request for another purpose", lambda w: w.sign(purpose="SUMMARY"), "/page", "GET", 200, None),
    ("a signed HEAD", lambda w: w.sign(method="HEAD"), "/page", "HEAD", 200, None),
    ("a signed request with a query", lambda w: w.sign("/page?a=1&b=2"), "/page?a=1&b=2", "GET", 200, None),
    ("an escaped path", lambda w: w.sign("/a%20b"), "/a%20b", "GET", 200, None),
    ("dot segments name the same resource", lambda w: w.sign("/page"), "/x/../page", "GET", 200, None),
    ("a closed page, signed", lambda w: w.sign("/closed/page"), "/closed/page", "GET", 200, None),
    ("a page that is not there", lambda w: w.sign("/nothing"), "/nothing", "GET", 404, None),
    ("a browser", lambda w: BROWSER, "/page", "GET", 200, None),
    ("a browser at a closed page", lambda w: BROWSER, "/closed/page", "GET", 401, "auth.required"),
    ("a browser at a closed page, doubled slashes", lambda w: BROWSER, "//closed//page", "GET", 401, "auth.required"),
    ("a browser at a closed page, escaped", lambda w: BROWSER, "/%63losed/page", "GET", 401, "auth.required"),
    ("a browser at a closed page, dots", lambda w: BROWSER, "/x/../closed/page", "GET", 401, "auth.required"),
    ("a browser at a closed page, escaped dots", lambda w: BROWSER, "/x/%2e%2e/closed/page", "GET", 401, "auth.required"),
    ("a browser at a closed page, escaped slash", lambda w: BROWSER, "/closed%2Fpage", "GET", 401, "auth.required"),
    ("a client without a signature", lambda w: [("User-Agent", "curl/8")], "/page", "GET", 401, "auth.required"),
    ("no headers at all", lambda w: [], "/page", "GET", 401, "auth.required"),
    ("robots.txt, whoever asks", lambda w: [], "/robots.txt", "GET", 200, None),
    (
        "what nginx reads as robots.txt, and a proxy may not",
        lambda w: [],
        "/closed/x/..%2f..%2frobots.txt",
        "GET",
        401,
        "auth.required",
    ),
    ("robots.txt, HEAD", lambda w: [], "/robots.txt", "HEAD", 200, None),
    ("robots.txt with a bad signature", lambda w: flipped(w.sign("/robots.txt")), "/robots.txt", "GET", 401, "sig.invalid"),
    ("the public policy", lambda w: [], "/.well-known/imagxp-policy.json", "GET", 200, None),
    ("where it is off", lambda w: [], "/off", "GET", 200, None),
    ("another path than was signed", lambda w: w.sign("/page"), "/closed/page", "GET", 403, "claim.resource_mismatch"),
    ("another query than was signed", lambda w: w.sign("/page?a=1"), "/page?a=2", "GET", 403, "claim.resource_mismatch"),
    (
        "another site than was signed",
        lambda w: w.sign(origin="https://evil.example"),
        "/page",
        "GET",
        403,
        "claim.resource_mismatch",
    ),
    (
        "another scheme than was signed",
        lambda w: w.sign(origin="http://pub.example"),
        "/page",
        "GET",
        403,
        "claim.resource_mismatch",
    ),
    ("another method than was signed", lambda w: w.sign(method="HEAD"), "/page", "GET", 403, "claim.method_mismatch"),
    ("a method that agents may not use", lambda w: w.sign(method="DELETE"), "/page", "DELETE", 403, "method.not_allowed"),
    ("a purpose that is denied", lambda w: w.sign(purpose="CRAWL_TRAINING"), "/page", "GET", 403, "policy.purpose_denied"),
    ("a purpose that is not listed", lambda w: w.sign(purpose="QUOTATION"), "/page", "GET", 403, "policy.purpose_denied"),
    ("an agent that is banned", lambda w: w.sign(agent=w.agents["banned.example"]), "/page", "GET", 403, "policy.agent_denied"),
    ("an agent that nobody knows", lambda w: w.sign(agent=w.stranger), "/page", "GET", 503, "identity.manifest_needed"),
    ("a signature that is altered", lambda w: flipped(w.sign()), "/page", "GET", 401, "sig.invalid"),
    ("a claim that is altered", lambda w: encoded(w.sign(), {"purpose": "SUMMARY"}), "/page", "GET", 401, "sig.invalid"),
    ("a claim in another's name", lambda w: encoded(w.sign(), {"agent_id": "other.example"}), "/page", "GET", 401, None),
    ("a short signature", lambda w: changed(w.sign(), "x-imagxp-signature", "00"), "/page", "GET", 400, "sig.malformed"),
    (
        "a signature with a comma",
        lambda w: changed(w.sign(), "x-imagxp-signature", "00,00"),
        "/page",
        "GET",
        400,
        "header.duplicate",
    ),
    ("no signature", lambda w: without(w.sign(), "x-imagxp-signature"), "/page", "GET", 400, "header.missing"),
    ("no payload", lambda w: without(w.sign(), "x-imagxp-payload"), "/page", "GET", 400, "header.missing"),
    ("no key hint", lambda w: without(w.sign(), "x-imagxp-public-key"), "/page", "GET", 200, None),
    ("a key hint that is none", lambda w: changed(w.sign(), "x-imagxp-public-key", "AAAA"), "/page", "GET", 400, "key.malformed"),
    ("two payloads", lambda w: [*w.sign(), ("x-imagxp-payload", "AAAA")], "/page", "GET", 400, "header.duplicate"),
    ("two payloads, other case", lambda w: [*w.sign(), ("X-IMAGXP-Payload", "AAAA")], "/page", "GET", 400, "header.duplicate"),
    (
        "two equal key hints",
        lambda w: w.sign() + [(n, v) for n, v in w.sign() if n == "x-imagxp-public-key"],
        "/page",
        "GET",
        400,
        "header.duplicate",
    ),
    (
        "a header in conflict",
        lambda w: [*w.sign(), ("x-imagxp-agent-id", "evil.example")],
        "/page",
        "GET",
        400,
        "header.conflict",
    ),
    (
        "payload that is no base64",
        lambda w: changed(w.sign(), "x-imagxp-payload", "!!!!"),
        "/page",
        "GET",
        400,
        "header.base64_invalid",
    ),
    ("payload that is no JSON", payload(b"{"), "/page", "GET", 400, "json.malformed"),
    ("payload with a member twice", payload(b'{"v":"1.1","v":"1.1"}'), "/page", "GET", 400, "json.duplicate_key"),
    ("payload that is nested", payload(b'{"a":' * 20 + b"1" + b"}" * 20), "/page", "GET", 400, "json.too_deep"),
    ("payload with a huge number", payload(b'{"a":1e999}'), "/page", "GET", 400, "json.number_range"),
    ("payload that is not UTF-8", payload(b'{"a":"\xff"}'), "/page", "GET", 400, "json.invalid_unicode"),
    ("payload that is an array", payload(b"[]"), "/page", "GET", 400, "json.malformed"),
    ("a payload that is too large", lambda w: changed(w.sign(), "x-imagxp-payload", "A" * 7000), "/page", "GET", 400, None),
    ("another version", lambda w: encoded(w.sign(), {"v": "9"}), "/page", "GET", 400, "claim.version_unsupported"),
    ("a time that is none", lambda w: encoded(w.sign(), {"ts": "yesterday"}), "/page", "GET", 400, "claim.ts_invalid"),
    ("a nonce that is too short", lambda w: encoded(w.sign(), {"nonce": "x"}), "/page", "GET", 400, "claim.nonce_invalid"),
    (
        "an agent that is no domain",
        lambda w: encoded(w.sign(), {"agent_id": "10.0.0.1"}),
        "/page",
        "GET",
        400,
        "claim.agent_id_invalid",
    ),
    ("a resource that is no URL", lambda w: encoded(w.sign(), {"resource": 7}), "/page", "GET", 400, "claim.resource_invalid"),
    ("a purpose that is none", lambda w: encoded(w.sign(), {"purpose": "FUN"}), "/page", "GET", 400, "claim.purpose_invalid"),
    ("a context that is none", lambda w: encoded(w.sign(), {"context": 1}), "/page", "GET", 400, "claim.context_invalid"),
    ("too old", lambda w: w.sign(now=ago(400)), "/page", "GET", 401, "time.expired"),
    ("almost too old", lambda w: w.sign(now=ago(250)), "/page", "GET", 200, None),
    ("from the future", lambda w: w.sign(now=ago(-120)), "/page", "GET", 401, "time.future"),
    ("a price that is not paid", lambda w: w.sign("/priced/page"), "/priced/page", "GET", 402, "payment.required"),
    ("a price that is paid", lambda w: w.sign("/priced/page", payment=visa(w)), "/priced/page", "GET", 200, None),
    (
        "too little is paid",
        lambda w: w.sign("/priced/page", payment=visa(w, "0.001")),
        "/priced/page",
        "GET",
        402,
        "payment.insufficient",
    ),
    ("a payment that is none", lambda w: w.sign("/priced/page", payment="x"), "/priced/page", "GET", 400, "payment.malformed"),
    (
        "two different payments",
        lambda w: [*w.sign("/priced/page", payment=visa(w)), ("x-imagxp-credential", "x.y.z")],
        "/priced/page",
        "GET",
        400,
        "header.conflict",
    ),
]


@pytest.mark.parametrize(("name", "headers", "path", "method", "status", "code"), CASES, ids=[case[0] for case in CASES])
def test_block(site, name, headers, path, method, status, code):
    answer = site.get(path, headers(site.world), method)
    assert answer.status == status, answer
    if code is not None:
        body = json.loads(answer.body)
        assert body["error"]["code"] == code
        assert len(body["error"]["trace_id"]) == 32
        assert answer["content-type"] == "application/json"
        assert answer["cache-control"] == "no-store"
        assert int(answer["content-length"]) == len(answer.body)
    if status == 401 and code is not None:
        assert answer["www-authenticate"] == "IMAGXP"
    if status == 503:
        assert int(answer["retry-after"]) > 0
    if status == 200 and not path.startswith(("/off", "/.well-known", "/robots")):
        assert answer["x-imagxp-content-origin"] == "HUMAN"


def test_an_offer_comes_with_402(site):
    offer = json.loads(site.get("/priced/page", site.world.sign("/priced/page")).body)["offer"]
    assert offer["price"] == "0.01"
    assert offer["brokers"][0]["issuer"] == "https://broker.example"


def test_a_visa_is_used_once(site):
    token = visa(site.world)
    assert site.get("/priced/page", site.world.sign("/priced/page", payment=token)).status == 200
    again = site.get("/priced/page", site.world.sign("/priced/page", payment=token))
    assert (again.status, again.code) == (402, "payment.already_used")


def test_an_agent_that_asks_too_often_is_told_to_wait(site):
    agent = site.world.agents["slow.example"]
    statuses = [site.get("/page", site.world.sign(agent=agent)) for _ in range(3)]
    assert [answer.status for answer in statuses] == [200, 200, 429]
    assert statuses[2].code == "rate.agent"
    assert 0 < int(statuses[2]["retry-after"]) <= 1800


def test_a_replay_is_refused(site):
    headers = site.world.sign()
    assert site.get("/page", headers).status == 200
    again = site.get("/page", headers)
    assert (again.status, again.code) == (409, "replay.nonce_seen")


def test_the_body_of_a_head_refusal_is_not_sent(site):
    answer = site.get("/closed/page", BROWSER, "HEAD")
    assert answer.status == 401
    assert answer.body == b""
    assert int(answer["content-length"]) > 50


def test_the_host_header_is_not_believed(site):
    headers = site.world.sign(origin="https://evil.example")
    assert site.get("/page", headers, host="evil.example").code == "claim.resource_mismatch"


def test_the_log_tells_the_verdict(site):
    headers = site.world.sign("/page?logged")
    trace = None
    assert site.get("/page?logged", headers).status == 200
    line = wait_for(lambda: next((line for line in site.log() if "?logged" in line), None), "the line of the log")
    _, status, outcome, code, visitor, agent, purpose, payment, key, trace = line.split("|")
    assert (status, outcome, code, visitor, agent) == ("200", "allow", "-", "verified_agent", AGENT)
    assert (purpose, payment, len(key), len(trace)) == ("RAG_RETRIEVAL", "not_required", 43, 32)


def test_trace_ids_are_unique(site):
    traces = {json.loads(site.get("/closed/page", BROWSER).body)["error"]["trace_id"] for _ in range(50)}
    assert len(traces) == 50


def test_a_signed_body_is_checked(site):
    good = b'{"question":1}'
    for body, status in ((good, 405), (b"another body", 400)):
        headers = site.world.sign(method="POST", content_digest=imagxp.content_digest(good))
        answer = site.get("/page", headers, "POST", body)
        # A static file takes no POST: whoever gets 405 has passed.
        assert answer.status == status, answer
    assert answer.code == "claim.digest_mismatch"


@pytest.mark.parametrize("length", [True, False])
def test_a_signed_body_that_does_not_tell_its_length_is_not_checked(site, length):
    body = b'{"question":1}'
    headers = dict(site.world.sign(method="POST", content_digest=imagxp.content_digest(body)))
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    # In chunks, unless it tells.
    connection.request("POST", "/page", body if length else iter([body]), headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    assert answer.status == (405 if length else 400)
    assert length or json.loads(said)["error"]["code"] == "claim.digest_mismatch"


def test_a_signed_body_that_would_go_to_disk_is_not_checked(site):
    body = b"x" * 300_000
    headers = site.world.sign(method="POST", content_digest=imagxp.content_digest(body))
    answer = site.get("/page", headers, "POST", body)
    assert answer.code == "claim.digest_mismatch"
