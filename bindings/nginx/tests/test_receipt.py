"""Provenance receipts: what was sent, signed, as a header or as a trailer; verified by the library's own reader."""

import hashlib
import http.client
import json
import subprocess

import imagxp
import pytest
from instance import Nginx
from test_phases import upstream  # noqa: F401 (a fixture)
from world import AGENT, BASE, BROWSER, World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("receipt"), {**BASE, "provenance": {"origin": "HUMAN"}})
    world.site = imagxp.Identity.generate("pub.example")
    return world


@pytest.fixture
def site(start, world, tmp_path):
    key = imagxp.PrivateKey.generate()
    world.write("key.pem", key.to_pem())
    world.publisher = imagxp.Identity("pub.example", key)
    return start(
        world.http(
            server=f"imagxp_provenance_key {world.folder}/key.pem; gzip_types text/plain; default_type text/plain;",
            locations="location /ssi { ssi on; ssi_types *; }",
        )
    )


def verify(world, headers, url, body, agent=AGENT):
    receipt = imagxp.SignedReceipt.from_headers(list(headers)).verify(world.publisher.manifest())
    assert receipt.url == url
    assert receipt.content_sha256 == hashlib.sha256(body).digest()
    assert receipt.agent_id == agent
    assert receipt.origin == "HUMAN"


def test_a_small_file_has_its_receipt_in_a_header(site, world):
    answer = site.get("/page", world.sign())
    assert answer.body == b"a page\n"
    assert int(answer["content-length"]) == 7
    verify(world, answer.headers, "https://pub.example/page", answer.body)


def test_what_was_compressed_is_what_is_hashed(site, world, start):
    nginx = start(
        world.http(
            server=f"imagxp_provenance_key {world.folder}/key.pem; gzip on; gzip_types *; gzip_min_length 1; default_type text/plain;"
        )
    )
    raw = nginx.raw(
        (
            "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n"
            + "".join(f"{n}: {v}\r\n" for n, v in world.sign("/large"))
            + "\r\n"
        ).encode(),
        wait=False,
    )
    body, trailers = chunked(raw)
    assert body[:2] == b"\x1f\x8b"
    verify(world, trailers, "https://pub.example/large", body)


def chunked(raw):
    """Body and trailers of a chunked answer."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"chunked" in head
    assert b"trailer: x-imagxp-provenance" in head.lower()
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            break
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body, [tuple(line.decode().split(": ", 1)) for line in rest.split(b"\r\n") if line]


def test_a_large_file_has_its_receipt_in_a_trailer(site, world):
    raw = site.raw(
        (
            "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            + "".join(f"{n}: {v}\r\n" for n, v in world.sign("/large"))
            + "\r\n"
        ).encode(),
        wait=False,
    )
    body, trailers = chunked(raw)
    assert body == (world.folder / "html/large").read_bytes()
    verify(world, trailers, "https://pub.example/large", body)


@pytest.mark.parametrize("path", ["/page", "/large"])
def test_an_agent_that_requires_receipts_reads_it(tmp_path, path):
    world = World(tmp_path / "world")
    http = world.http(
        server=f"imagxp_provenance_key {world.folder}/key.pem;",
        locations="location = /.well-known/imagxp-agent.json { imagxp off; }",
    )
    nginx = Nginx(tmp_path / "nginx", http)
    name = f"127.0.0.1:{nginx.port}"
    publisher = imagxp.Identity.generate(name, allow_loopback=True)
    publisher.save(world.folder / "key.pem")
    policy = {**BASE, "origins": [f"http://{name}"], "allow_loopback": True, "provenance": {"origin": "HUMAN"}}
    world.write("policy.json", json.dumps(policy))
    world.write("html/.well-known/imagxp-agent.json", publisher.manifest().to_json())
    agent = imagxp.Agent(world.agent, "RAG_RETRIEVAL", "TestBot", receipts="require", allow_loopback=True)
    with nginx:
        page = agent.read(f"http://{name}{path}")
    assert page.body == (world.folder / f"html{path}").read_bytes()
    assert page.report["receipt"]["state"] == "verified"
    assert nginx.crashed() == []


def test_http_1_0_has_no_trailers(site, world):
    raw = site.raw(
        ("GET /large HTTP/1.0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in world.sign("/large")) + "\r\n").encode(), wait=False
    )
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"provenance" not in head.lower()
    assert body == (world.folder / "html/large").read_bytes()


def test_http2_has_trailers(start, world, site):
    text = world.http(server=f"imagxp_provenance_key {world.folder}/key.pem;").replace(
        "listen 127.0.0.1:{port};", "listen 127.0.0.1:{port} http2;"
    )
    nginx = start(text)
    command = ["curl", "-s", "-v", "--http2-prior-knowledge", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/large"]
    for name, value in world.sign("/large"):
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    values = dict(line[2:].split(": ", 1) for line in done.stderr.splitlines() if line.startswith("< x-imagxp-"))
    verify(world, values.items(), "https://pub.example/large", (world.folder / "html/large").read_bytes())


@pytest.mark.parametrize(
    ("path", "headers", "method"),
    [
        ("/page", "browser", "GET"),
        ("/page", "signed", "HEAD"),
        ("/nothing", "signed", "GET"),
        ("/closed/page", "browser", "GET"),
    ],
)
def test_who_gets_none(site, world, path, headers, method):
    answer = site.get(path, BROWSER if headers == "browser" else world.sign(path, method=method), method)
    assert answer["x-imagxp-provenance"] is None


def test_a_proxied_answer(start, world, site, upstream):  # noqa: F811 (the fixture)
    nginx = start(
        world.http(server=f"imagxp_provenance_key {world.folder}/key.pem;", location=f"proxy_pass http://127.0.0.1:{upstream};")
    )
    answer = nginx.get("/x?y=1", world.sign("/x?y=1"))
    verify(world, answer.headers, "https://pub.example/x?y=1", answer.body)


def receipt_of(start, world, policy, claimed, host):
    """The URL of the receipt for `/page` that is asked for with a claim."""
    world.write("off.json", json.dumps({**BASE, "provenance": {"origin": "HUMAN"}, **policy}))
    text = world.http(server=f"imagxp_provenance_key {world.folder}/key.pem;").replace("policy.json", "off.json")
    nginx = start(text)
    lines = [*world.agent.sign("GET", claimed, "RAG_RETRIEVAL"), ("User-Agent", "test IMAGXP/1.0"), ("Host", host)]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    raw = nginx.raw(f"GET /page HTTP/1.1\r\nConnection: close\r\n{head}\r\n".encode(), wait=False)
    head = raw.partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 200"), raw
    headers = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n")[1:]]
    if "x-imagxp-provenance" not in dict(headers):
        return None
    return imagxp.SignedReceipt.from_headers(headers).verify(world.publisher.manifest()).url


@pytest.mark.parametrize("claimed", ["https://pub.example/other", "https://elsewhere.example/page"])
def test_a_claim_that_nobody_compares_is_not_what_a_receipt_says(start, world, site, claimed):
    assert receipt_of(start, world, {"resource_match": "off"}, claimed, "pub.example") == "https://pub.example/page"


@pytest.mark.parametrize(
    ("claimed", "host", "url"),
    [
        ("https://pub.example", "pub.example", "https://pub.example/page"),
        ("https://pub.example", "PUB.example", "https://pub.example/page"),
        # Some proxies tell a name of their own.
        ("https://pub.example", "inner.example", "https://pub.example/page"),
        # Which of the two was served?
        ("https://pub.example", "other.example", None),
        ("https://pub.example", "OTHER.example:443", None),
        ("https://pub.example", "pub.example:443", "https://pub.example/page"),
        ("https://other.example", "pub.example", None),
    ],
)
def test_of_several_origins_the_one_that_was_asked(start, world, site, claimed, host, url):
    several = {"origins": ["https://pub.example", "https://other.example"]}
    assert receipt_of(start, world, several, f"{claimed}/page", host) == url


def test_an_assembled_page(site, world):
    world.write("html/ssi", 'one <!--#include virtual="/page" --> two\n')
    raw = site.raw(
        (
            "GET /ssi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            + "".join(f"{n}: {v}\r\n" for n, v in world.sign("/ssi"))
            + "\r\n"
        ).encode(),
        wait=False,
    )
    body, trailers = chunked(raw)
    assert body == b"one a page\n two\n"
    verify(world, trailers, "https://pub.example/ssi", body)


def test_keep_alive_after_a_receipt(site, world):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    for path in ("/page", "/large", "/page", "/large"):
        connection.request("GET", path, headers=dict(world.sign(path)))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read() == (world.folder / f"html{path}").read_bytes()
    connection.close()
