"""The fetcher's own rules: addresses, names and certificates, limits, single flight."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imagxp.fetch import Fetched, Fetcher, FetchError, SingleFlight, _max_age, is_public_address
from support import reserve, respond, serving

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


@pytest.mark.parametrize(
    ("lines", "age"),
    [
        ([], None),
        (["public"], None),
        (["max-age=60"], 60),
        (["public, Max-Age=60"], 60),
        (['max-age="60"'], 60),
        (["s-maxage=5"], None),
        (["max-age=60, max-age=30"], 30),
        (["max-age=60", "no-store"], 0),
        (["no-cache, max-age=60"], 0),
        (["max-age=-1"], None),
        (["max-age=9999999999"], 2**32 - 1),
        (["max-age=99999999999999"], None),
        (["max-age=٦٠"], None),
    ],
)
def test_max_age(lines: list[str], age: int | None) -> None:
    assert _max_age(lines) == age


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = str(folder / "cert.pem"), str(folder / "key.pem")
    Path(paths[0]).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    Path(paths[1]).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


class Local(Fetcher):
    """A fetcher for which every name is this machine, and this machine a public address: TLS and HTTP stay real."""

    async def _resolve(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    def _may_connect(self, address: str) -> bool:
        return address == "127.0.0.1"


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[int, ssl.SSLContext, list[Any]]]:
    """An https server for bot.example.com; its port, a context that trusts it, and what it was asked."""
    cert, key = certificate(tmp_path, "bot.example.com")
    asked: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)
        await respond(send, 200, b"{}", [(b"cache-control", b"max-age=120"), (b"set-cookie", b"a=b")])

    listener = reserve()
    with serving(app, listener, lifespan="off", ssl_certfile=cert, ssl_keyfile=key):
        yield listener.getsockname()[1], ssl.create_default_context(cafile=cert), asked


def fetch_all(fetcher: Fetcher, *urls: str) -> list[Any]:
    """What becomes of each URL, one after the other."""

    async def run() -> list[Any]:
        results: list[Any] = []
        for url in urls:
            try:
                results.append(await fetcher.fetch(url, "manifest"))
            except FetchError as error:
                results.append(error.failure)
        await fetcher.aclose()
        return results

    return asyncio.run(run())


def test_https_to_the_checked_address_with_the_names_certificate(secure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port, context, asked = secure
    # No proxy from the environment.
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    url = f"https://bot.example.com:{port}/m"
    results = fetch_all(Local(ssl_context=context), url, f"https://other.example.com:{port}/m", url)
    # The second name is not in the certificate, and no connection of the first is kept for it.
    assert results == [Fetched(b"{}", 120), "failed", Fetched(b"{}", 120)]
    first, second = asked
    assert dict(first["headers"])[b"host"] == f"bot.example.com:{port}".encode()
    assert b"cookie" not in dict(second["headers"]), "no state between fetches"


def test_a_certificate_that_nobody_vouches_for(secure: Any) -> None:
    port, _, asked = secure
    assert fetch_all(Local(), f"https://bot.example.com:{port}/m") == ["failed"]
    assert not asked


def test_the_fetchers_own_check_of_addresses() -> None:
    urls = [
        "https://127.0.0.1/m",
        "https://localhost/m",
        "http://bot.example.com/m",
        "ftp://bot.example.com/m",
        "https://[::1]/m",
    ]
    assert fetch_all(Fetcher(), *urls) == ["address_denied"] * 5
    assert fetch_all(Fetcher(allow_loopback=True), "http://169.254.169.254/m", "https://10.0.0.1/m") == ["address_denied"] * 2
    assert fetch_all(Fetcher(), "https://no-such-name.invalid/m", "nonsense", "https:///m")[0] == "failed"


def test_too_many_fetches_at_once_are_refused() -> None:
    release = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not release.is_set():
            await asyncio.sleep(0.01)
        await respond(send, 200, b"{}")

    async def run(origin: str) -> tuple[list[Any], Any]:
        fetcher = Fetcher(allow_loopback=True)
        tasks = [asyncio.create_task(fetcher.fetch(f"{origin}/{number}", "jwks")) for number in range(33)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        refused = [error.failure for task in done if isinstance(error := task.exception(), FetchError)]
        release.set()
        fetched = [await task for task in tasks if task not in done]
        # A second allows 50; 33 were asked for, one of which was not let in.
        results = await asyncio.gather(*(fetcher.fetch(origin, "jwks") for _ in range(32)), return_exceptions=True)
        await fetcher.aclose()
        return [*refused, len(fetched)], results

    with serving(app, lifespan="off") as server:
        first, results = asyncio.run(run(server.origin))
    assert first == ["busy", 32]
    busy = [result for result in results if isinstance(result, FetchError)]
    assert {error.failure for error in busy} == {"busy"}
    assert 5 <= len(busy) <= 15, "50 in a second, and what the moment in between gave back"


def test_single_flight() -> None:
    async def run() -> None:
        flights, calls = SingleFlight(), 0
        gate = asyncio.Event()

        async def call() -> None:
            nonlocal calls
            calls += 1
            await gate.wait()

        waiting = [asyncio.create_task(flights.run("a", call)) for _ in range(5)]
        other = asyncio.create_task(flights.run("b", call))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert calls == 2
        waiting[0].cancel()
        gate.set()
        results = await asyncio.gather(*waiting, other, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, *[type(None)] * 5]
        await flights.run("a", call)
        assert calls == 3, "what is finished is not kept"

        async def fails() -> None:
            raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011
            await flights.run("a", fails)
        await flights.run("a", call)

    asyncio.run(run())
