"""The guarded fetcher from Python: addresses, names and certificates, limits, failures, forks; and the resolver on top of it."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imagxp import Fetcher, FetchError, Identity, ImagxpError, Publisher, Resolver, is_public_address
from support import MANIFEST_PATH, NameServer, policy, reserve, respond, serving, signed, until

REPOSITORY = Path(__file__).parents[3]


def vectors(name: str) -> Any:
    """A file of the shared test data; missing, it is an error in CI and skipped elsewhere."""
    path = Path(os.environ.get("IMAGXP_VECTORS", REPOSITORY.parent / "shared" / "vectors")) / name
    if path.exists():
        return json.loads(path.read_text())
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing")
    pytest.skip(f"SKIPPED: {name} is missing")


def test_addresses_of_the_shared_list() -> None:
    data = vectors("imagxp/ssrf_ips.json")
    for address in data["deny"]:
        assert not is_public_address(address), address
    for address in data["allow"]:
        assert is_public_address(address), address


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "192.88.99.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "localhost",
    "0177.0.0.1",
    "2130706433",
    "0x7f000001",
]


@pytest.mark.parametrize("address", [*PRIVATE, ""])
def test_addresses_that_are_refused(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public_address(address)


def certificate(folder: Path, name: str) -> tuple[str, str, bytes]:
    """The paths of a certificate for a name and of its key, and the authority that signed it (PEM)."""
    now = datetime.datetime.now(datetime.UTC)

    def issued(subject: str, key: ec.EllipticCurvePrivateKey, ca: bool) -> x509.Certificate:
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        return (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(authority, hashes.SHA256())
        )

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    paths = folder / "cert.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    paths[0].write_bytes(issued(name, key, ca=False).public_bytes(pem))
    paths[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(paths[0]), str(paths[1]), issued("authority", authority, ca=True).public_bytes(pem)


@pytest.fixture
def names() -> Iterator[NameServer]:
    """Every name is this machine."""
    server = NameServer("127.0.0.1")
    yield server
    server.close()


@pytest.fixture
def secure(tmp_path: Path, names: NameServer) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """An https server for bot.example.com: how a fetcher gets there, and what it was asked."""
    cert, key, root = certificate(tmp_path, "bot.example.com")
    asked: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)
        headers = [(b"cache-control", b"max-age=120"), (b"set-cookie", b"a=b"), (b"x-two", b"1"), (b"x-two", b"2")]
        await respond(send, 402 if scope["method"] == "POST" else 200, b"{}", headers)

    listener = reserve()
    options = {
        "roots": root,
        "only_given_roots": True,
        "nameservers": [names.address],
        "allow_addresses": ["127.0.0.1"],
        "allowed_port": listener.getsockname()[1],
    }
    with serving(app, listener, lifespan="off", ssl_certfile=cert, ssl_keyfile=key):
        yield options, asked


def failure(fetcher: Fetcher, url: str) -> str:
    """Why a manifest cannot be fetched."""
    with pytest.raises(FetchError) as caught:
        fetcher.get(url, "manifest")
    return caught.value.failure


def test_https_to_the_checked_address_with_the_names_certificate(
    secure: Any, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, asked = secure
    # No proxy from the environment.
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    fetcher = Fetcher(**options)
    first = fetcher.get("https://bot.example.com/m", "manifest")
    assert (first.status, first.body, first.max_age, first.address) == (200, b"{}", 120, "127.0.0.1")
    assert [value for name, value in first.headers if name == "x-two"] == ["1", "2"]
    assert first.header("X-Two") == "1"
    # The second name is not in the certificate, and no connection of the first is kept for it.
    with pytest.raises(FetchError) as caught:
        fetcher.get("https://other.example.com/m", "manifest")
    assert (caught.value.code, caught.value.failure, caught.value.sent) == ("identity.fetch_failed", "failed", False)
    assert fetcher.get("https://bot.example.com/m", "manifest").status == 200
    headers = [dict(scope["headers"]) for scope in asked]
    assert headers[0][b"host"] == b"bot.example.com"
    assert b"cookie" not in headers[1], "no state between fetches"
    assert names.asked == ["bot.example.com", "other.example.com", "bot.example.com"]


def test_a_certificate_that_nobody_vouches_for(secure: Any) -> None:
    options, asked = secure
    del options["roots"], options["only_given_roots"]
    assert failure(Fetcher(**options), "https://bot.example.com/m") == "failed"
    assert not asked


def test_any_request_with_the_same_guard(secure: Any) -> None:
    options, asked = secure
    fetcher = Fetcher(**options)
    answer = fetcher.send("POST", "https://bot.example.com/t", headers=[("X-A", "1"), ("x-a", "2")], body=b"body")
    assert (answer.status, answer.body) == (402, b"{}")
    lines = [value for name, value in asked[0]["headers"] if name == b"x-a"]
    assert (asked[0]["method"], lines) == ("POST", [b"1", b"2"])
    for name in ("host", "transfer-encoding", "content-length", "a b"):
        with pytest.raises(FetchError) as caught:
            fetcher.send("GET", "https://bot.example.com/t", headers={name: "x"})
        assert (caught.value.failure, caught.value.sent) == ("invalid", False)
    assert len(asked) == 1


def test_the_fetchers_own_check_of_addresses(secure: Any) -> None:
    options, asked = secure
    urls = [
        "https://127.0.0.1/m",
        "https://localhost/m",
        "http://bot.example.com/m",
        "ftp://bot.example.com/m",
        "https://[::1]/m",
        "https://bot.example.com:8443/m",
    ]
    strict = Fetcher(nameservers=options["nameservers"])
    assert [failure(strict, url) for url in urls if "localhost" not in url] == ["address_denied"] * 5
    assert failure(strict, "https://localhost/m") in ("address_denied", "failed")
    loopback = Fetcher(allow_loopback=True, nameservers=options["nameservers"])
    for url in ("http://169.254.169.254/m", "https://10.0.0.1/m", "https://bot.example.com/m"):
        assert failure(loopback, url) == "address_denied"
    for url in ("nonsense", "https:///m", "https://a@bot.example.com/m"):
        assert failure(strict, url) == "invalid"
    assert not asked


def test_what_a_fetcher_needs() -> None:
    for options in ({"roots": b"none"}, {"only_given_roots": True}, {"nameservers": ["x"]}, {"allow_addresses": ["x"]}):
        with pytest.raises(ImagxpError) as caught:
            Fetcher(**options)  # type: ignore[arg-type]
        assert caught.value.code == "usage.argument"
    with pytest.raises(ImagxpError):
        Fetcher().get("https://bot.example.com/", "x")  # type: ignore[arg-type]


def test_an_error_survives_a_pickle() -> None:
    with pytest.raises(FetchError) as caught:
        Fetcher().get("https://127.0.0.1/")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.failure, again.status) == (str(caught.value), "address_denied", None)


def test_too_many_fetches_at_once_are_refused() -> None:
    release = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not release.is_set():
            await asyncio.sleep(0.01)
        await respond(send, 200, b"{}")

    fetcher = Fetcher(allow_loopback=True)

    def one(url: str) -> str:
        try:
            return fetcher.get(url, "document").body.decode()
        except FetchError as error:
            # The others still wait.
            release.set()
            return error.failure

    with serving(app, lifespan="off") as server, ThreadPoolExecutor(33) as threads:
        begin = time.perf_counter()
        first = list(threads.map(one, [f"{server.origin}/{number}" for number in range(33)]))
        second = list(threads.map(one, [f"{server.origin}/again/{number}" for number in range(100)]))
        allowed = 50 + 50 * (time.perf_counter() - begin)
    assert (first.count("busy"), first.count("{}")) == (1, 32)
    assert set(second) == {"busy", "{}"}
    assert 50 <= 32 + second.count("{}") <= allowed, "50 at once, and what the time in between gave back"


def test_one_fetch_per_url_and_the_interpreter_goes_on() -> None:
    fetched = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(1)
        await respond(send, 200, b"{}")

    fetcher = Fetcher(allow_loopback=True)
    with serving(app, lifespan="off") as server, ThreadPoolExecutor(20) as threads:
        running = [threads.submit(fetcher.get, f"{server.origin}/m", "jwks") for _ in range(20)]
        begin = time.perf_counter()
        turns = 0
        while time.perf_counter() - begin < 0.2:
            turns += 1
            time.sleep(0.001)
        assert turns > 3, "this thread was held up"
        assert {future.result().body for future in running} == {b"{}"}
    assert fetched == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_both_sides_of_a_fork() -> None:
    """A child does not inherit what its parent has in flight, and needs no thread that only the parent has."""
    gate = threading.Event()
    fetched = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal fetched
        fetched += 1
        first = fetched == 1
        while first and not gate.is_set():
            await asyncio.sleep(0.01)
        await respond(send, 200, b"{}")

    fetcher = Fetcher(allow_loopback=True)
    with serving(app, lifespan="off") as server, ThreadPoolExecutor(1) as threads:
        url = f"{server.origin}/m"
        parents = threads.submit(fetcher.get, url, "jwks")
        until(lambda: fetched > 0)
        child = os.fork()
        if child == 0:
            # Nothing of pytest's may run here, and a child that hangs ends.
            try:
                signal.alarm(60)
                os._exit(0 if fetcher.get(url, "jwks").body == b"{}" else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert not parents.done(), "the child did not wait for its parent's fetch"
        gate.set()
        assert parents.result().body == b"{}"


@pytest.fixture
def agents_domain(tmp_path: Path, names: NameServer) -> Iterator[tuple[Identity, dict[str, Any], list[str]]]:
    """An agent whose manifest is on an https server."""
    identity = Identity.generate("bot.example.com")
    cert, key, root = certificate(tmp_path, "bot.example.com")
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await respond(send, 200, identity.manifest().to_json())

    listener = reserve()
    options = {
        "roots": root,
        "nameservers": [names.address],
        "allow_addresses": ["127.0.0.1"],
        "allowed_port": listener.getsockname()[1],
    }
    with serving(app, listener, lifespan="off", ssl_certfile=cert, ssl_keyfile=key):
        yield identity, options, asked


def test_a_resolver_verifies_strangers(agents_domain: Any) -> None:
    identity, options, asked = agents_domain
    resolver, publisher = Resolver(Fetcher(**options)), Publisher(policy())
    for _ in range(3):
        verification = resolver.verify(publisher, "GET", "/a", signed(identity, now=None))
        assert (verification.verdict.outcome, verification.verdict.binding) == ("allow", "domain")
        assert verification.pending is None
    assert asked == [MANIFEST_PATH]


def test_a_resolver_tells_why_not(agents_domain: Any, names: NameServer) -> None:
    identity, options, asked = agents_domain
    names.addresses = [*names.addresses, *NameServer("10.0.0.1").addresses]
    resolver, publisher = Resolver(Fetcher(**options)), Publisher(policy())
    headers = signed(identity, now=None)
    pending = publisher.verify("GET", "/a", headers)
    with pytest.raises(ImagxpError) as caught:
        resolver.supply(publisher, pending.verdict.needs[0])
    assert caught.value.code == "identity.address_denied"
    verification = resolver.resume(publisher, pending.pending)
    assert verification.verdict.code == "identity.address_denied"
    assert not asked
    assert Resolver(None).verify(publisher, "GET", "/a", headers).verdict.code == "identity.address_denied"
