"""Fetches: one for all who wait, within a deadline, by every rule, and nobody else is held up."""

import concurrent.futures
import http.client
import json
import socket
import subprocess
import threading
import time

import imagxp
import pytest
from instance import wait_for
from servers import Manifests, Names
from world import BASE, BROWSER, World

LOOPBACK = {**BASE, "origins": ["http://127.0.0.1"], "allow_loopback": True}
REQUESTS = "imagxp_manifest_request /imagxp-fetch; imagxp_jwks_request /imagxp-fetch; include {snippets}/imagxp-fetch.conf;"
# With the deadlines of the shipped snippet, for servers that stall.
HURRIED = "imagxp_manifest_timeout 1500ms;" + REQUESTS.replace("{snippets}", "{shipped}")


@pytest.fixture
def world(tmp_path, manifests):
    world = World(tmp_path / "world", LOOPBACK)
    name = f"127.0.0.1:{manifests.port}"
    world.agent = imagxp.Identity.generate(name, allow_loopback=True)
    manifests.document = (
        world.agent.manifest().to_json().encode()
        if isinstance(world.agent.manifest().to_json(), str)
        else world.agent.manifest().to_json()
    )
    return world


def site(world, **options):
    options.setdefault("server", REQUESTS)
    text = world.http(**options)
    return "\n".join(line for line in text.splitlines() if "imagxp_manifest_file" not in line)


def sign(world, path="/page", **more):
    return world.sign(path, origin="http://127.0.0.1", **more)


def together(nginx, count, headers):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: nginx.get("/page", headers()), range(count)))


def test_a_manifest_is_fetched_once_for_all_who_wait(start, world, manifests):
    def late(handler):
        wait_for(lambda: True if manifests.seen.wait(0.01) else None, "everybody has asked")
        handler.answer(200, manifests.document)

    manifests.seen = threading.Event()
    manifests.behave = late
    nginx = start(site(world))
    timer = threading.Timer(0.5, manifests.seen.set)
    timer.start()
    answers = together(nginx, 20, lambda: sign(world))
    timer.join()
    assert [answer.status for answer in answers] == [200] * 20
    assert len(manifests.requests) == 1
    assert nginx.get("/page", sign(world)).status == 200
    assert len(manifests.requests) == 1


def test_nothing_of_the_reader_reaches_the_agents_server(start, world, manifests):
    nginx = start(site(world))
    assert (
        nginx.get("/page", [*sign(world), ("Cookie", "secret=1"), ("Authorization", "Bearer x"), ("Range", "bytes=0-1")]).status
        == 206
    )
    path, headers = manifests.requests[0]
    assert path == "/.well-known/imagxp-agent.json"
    assert {name.lower() for name, _ in headers} == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_workers_share_what_one_has_fetched(start, world, manifests):
    nginx = start(site(world), workers=3)
    statuses = [nginx.get("/page", sign(world)).status for _ in range(60)]
    assert statuses == [200] * 60
    assert len(manifests.requests) == 1
    nginx.reload()
    assert nginx.get("/page", sign(world)).status == 200
    assert len(manifests.requests) == 1


@pytest.mark.parametrize(
    ("behave", "status", "code"),
    [
        (lambda h: h.answer(404, b""), 401, "identity.not_found"),
        (lambda h: h.answer(410, b""), 401, "identity.not_found"),
        (lambda h: h.answer(500, b""), 503, "identity.fetch_failed"),
        (lambda h: h.answer(302, b"", [("Location", "http://127.0.0.1/")]), 401, "identity.redirect"),
        (lambda h: h.answer(200, b"not json"), 401, "identity.manifest_invalid"),
        (lambda h: h.answer(200, b"{}"), 401, "identity.manifest_invalid"),
        (lambda h: h.answer(200, b" " * 20_000), 401, "identity.manifest_invalid"),
        (lambda h: h.answer(200, b" " * 200_000), 401, "identity.manifest_invalid"),
        (lambda h: h.answer(200, b"{}", [("Content-Encoding", "gzip")]), 401, "identity.manifest_invalid"),
        (lambda h: h.answer(403, b""), 401, "identity.manifest_invalid"),
        (lambda h: h.answer(200, b"", [("X-Accel-Redirect", "/page")]), 401, "identity.manifest_invalid"),
        (lambda h: h.connection.close(), 503, "identity.fetch_failed"),
        (lambda h: h.connection.sendall(b"nonsense\r\n\r\n"), 503, "identity.fetch_failed"),
    ],
)
def test_an_answer_that_is_none(start, world, manifests, behave, status, code):
    manifests.behave = behave
    nginx = start(site(world))
    answer = nginx.get("/page", sign(world))
    assert (answer.status, answer.code) == (status, code)
    # It is remembered, and the agent's server is left alone.
    assert nginx.get("/page", sign(world)).code == code
    assert len(manifests.requests) == 1


@pytest.mark.parametrize("how", ["stall", "drip"])
def test_a_server_that_stalls_holds_up_nobody_else(start, world, manifests, how):
    manifests.behave = getattr(manifests, how)
    nginx = start(site(world, server=HURRIED.replace("1500ms", "10s")))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        begin = time.monotonic()
        waiting = [pool.submit(nginx.get, "/page", sign(world)) for _ in range(8)]
        wait_for(lambda: manifests.requests, "the fetch")
        others = [nginx.get("/page", BROWSER).status for _ in range(200)]
        answered_meanwhile = sum(not one.done() for one in waiting)
        statuses = [one.result() for one in waiting]
        took = time.monotonic() - begin
    assert others == [200] * 200
    assert answered_meanwhile == 8
    assert [(one.status, one.code) for one in statuses] == [(503, "identity.fetch_failed")] * 8
    assert len(manifests.requests) == 1
    assert 2 < took < 30


def test_a_reader_who_goes_away_leaves_the_others_waiting(start, world, manifests):
    manifests.behave = lambda handler: (
        manifests.stall(handler) if len(manifests.requests) < 2 else handler.answer(200, manifests.document)
    )
    nginx = start(site(world))
    lines = "".join(f"{name}: {value}\r\n" for name, value in sign(world))
    carrier = socket.create_connection(("127.0.0.1", nginx.port))
    carrier.sendall(f"GET /page HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
    wait_for(lambda: manifests.requests, "the fetch")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        others = [pool.submit(nginx.get, "/page", sign(world)) for _ in range(4)]
        time.sleep(0.5)
        carrier.close()
        assert [other.result().status for other in others] == [200] * 4
    assert len(manifests.requests) == 2


def test_everybody_may_go_away(start, world, manifests):
    manifests.behave = manifests.stall
    nginx = start(site(world, server=HURRIED))
    for _ in range(5):
        lines = "".join(f"{name}: {value}\r\n" for name, value in sign(world))
        with socket.create_connection(("127.0.0.1", nginx.port)) as reader:
            reader.sendall(f"GET /page HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
            time.sleep(0.1)
    assert nginx.get("/page", BROWSER).status == 200


def test_a_reload_and_an_end_while_somebody_waits(start, world, manifests):
    manifests.behave = manifests.stall
    nginx = start(site(world, server=HURRIED))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(nginx.get, "/page", sign(world)) for _ in range(4)]
        wait_for(lambda: manifests.requests, "the fetch")
        nginx.reload()
        assert {one.result().status for one in waiting} == {503}
        again = [pool.submit(lambda: nginx.raw(b"GET /page HTTP/1.0\r\n\r\n")) for _ in range(2)]
        assert all(b"401" in one.result() for one in again)


def test_keys_of_brokers_are_fetched_too(start, world, manifests):
    broker = imagxp.PrivateKey.generate()
    url = f"http://127.0.0.1:{manifests.port}/jwks.json"
    issuer = f"http://127.0.0.1:{manifests.port}"
    policy = {
        **LOOPBACK,
        "price": {"amount": "0.01", "currency": "USD"},
        "payment": {"brokers": [{"issuer": issuer, "jwks_uri": url}]},
    }
    world.write("policy.json", json.dumps(policy))
    keys = json.dumps({"keys": [{**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}]}).encode()
    manifests.behave = lambda handler: handler.answer(
        200, keys if handler.path == "/jwks.json" else manifests.document, [("Cache-Control", "max-age=600")]
    )
    nginx = start(site(world))
    visa = imagxp.issue_visa(
        broker,
        issuer=issuer,
        audience="http://127.0.0.1",
        agent_id=world.agent.agent_id,
        jti="12345678",
        amount="0.01",
        currency="USD",
        allow_loopback=True,
    )
    answer = nginx.get("/page", sign(world, payment=visa))
    assert answer.status == 200, answer
    assert [path for path, _ in manifests.requests] == ["/.well-known/imagxp-agent.json", "/jwks.json"]


def test_http2_waits_too(start, world, manifests):
    nginx = start(site(world).replace("listen 127.0.0.1:{port};", "listen 127.0.0.1:{port} http2;"))
    command = ["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_code}", f"http://127.0.0.1:{nginx.port}/page"]
    for name, value in sign(world):
        command += ["-H", f"{name}: {value}"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout == "a page\n200"


def test_keep_alive_goes_on_after_a_wait(start, world):
    nginx = start(site(world))
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)
    for _ in range(3):
        connection.request("GET", "/page", headers=dict(sign(world)))
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"a page\n")
    connection.close()


def named(tmp_path, addresses, **options):
    """A site for public agents, and a name server that says where they are."""
    world = World(tmp_path / "named")
    names = Names(addresses)
    text = "\n".join(
        line
        for line in world.http(more=f"\nresolver 127.0.0.1:{names.port} valid=1s ipv6=off;", **options).splitlines()
        if "imagxp_manifest_file" not in line
    )
    return world, names, text


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["192.168.1.1"],
        ["0.0.0.0"],  # noqa: S104 (an address that is refused)
        ["93.184.216.34", "10.0.0.1"],
        ["100.64.0.1"],
        ["224.0.0.1"],
    ],
)
def test_private_addresses_are_not_connected_to(start, tmp_path, addresses):
    world, names, text = named(tmp_path, {"bot.example.com": addresses}, server=REQUESTS)
    nginx = start(text)
    answer = nginx.get("/page", world.sign())
    assert (answer.status, answer.code) == (401, "identity.address_denied")
    assert names.asked == ["bot.example.com"]
    names.close()


def test_a_name_that_does_not_exist(start, tmp_path):
    world, names, text = named(tmp_path, {}, server=REQUESTS)
    answer = start(text).get("/page", world.sign())
    assert (answer.status, answer.code) == (503, "identity.fetch_failed")
    names.close()


def test_no_resolver_is_said_and_fails_closed(start, tmp_path):
    world, names, text = named(tmp_path, {}, server=REQUESTS)
    names.close()
    nginx = start("\n".join(line for line in text.splitlines() if "resolver 127" not in line))
    assert nginx.get("/page", world.sign()).code == "identity.fetch_failed"
    assert "no resolver defined to resolve bot.example.com" in nginx.errors()


def test_no_location_is_said_and_fails_closed(start, world):
    nginx = start(site(world, server=""))
    assert nginx.get("/page", sign(world)).code == "identity.manifest_needed"
    assert "neither imagxp_manifest_request nor imagxp_manifest_file" in nginx.errors()


@pytest.mark.parametrize("certificate", ["bot.example.com", "evil.example.com", "untrusted"])
def test_the_certificate_must_be_the_agents(start, tmp_path, certificate):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    name = "bot.example.com" if certificate == "untrusted" else certificate
    for file in ("ca", "other"):
        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            f"{file}.key",
            "-out",
            f"{file}.pem",
            "-subj",
            f"/CN={file}",
            "-days",
            "1",
        )
    openssl(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "site.key",
        "-out",
        "site.csr",
        "-subj",
        f"/CN={name}",
    )
    (tmp_path / "san").write_text(f"subjectAltName=DNS:{name}\n")
    signer = "other" if certificate == "untrusted" else "ca"
    openssl(
        "x509",
        "-req",
        "-in",
        "site.csr",
        "-CA",
        f"{signer}.pem",
        "-CAkey",
        f"{signer}.key",
        "-CAcreateserial",
        "-out",
        "site.pem",
        "-days",
        "1",
        "-extfile",
        "san",
    )
    manifests = Manifests(tls=(tmp_path / "site.pem", tmp_path / "site.key"))
    # The snippet as it is, but that this machine plays the address which the module has checked, and that the test's authority is trusted.
    from instance import SNIPPETS

    snippet = (SNIPPETS / "imagxp-fetch.conf").read_text()
    changed = snippet.replace("$imagxp_fetch_address$imagxp_fetch_uri", f"127.0.0.1:{manifests.port}$imagxp_fetch_uri").replace(
        "/etc/ssl/certs/ca-certificates.crt", str(tmp_path / "ca.pem")
    )
    assert changed.count("127.0.0.1") == 1
    (tmp_path / "snippet.conf").write_text(changed + "log_format fetch '$imagxp_fetch_address $imagxp_fetch_url';")
    server = f"imagxp_manifest_request /imagxp-fetch; include {tmp_path}/fetch.conf;"
    (tmp_path / "fetch.conf").write_text(changed)
    world, names, text = named(tmp_path, {"bot.example.com": ["93.184.216.34"]}, server=server)
    document = world.agent.manifest().to_json()
    manifests.document = document if isinstance(document, bytes) else document.encode()
    answer = start(text).get("/page", world.sign())
    if certificate == "bot.example.com":
        assert answer.status == 200, answer
        assert dict(manifests.requests[0][1])["Host"] == "bot.example.com"
    else:
        assert (answer.status, answer.code) == (503, "identity.fetch_failed")
        assert manifests.requests == []
    manifests.close()
    names.close()
