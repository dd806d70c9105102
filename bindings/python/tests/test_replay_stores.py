"""Replay stores that several processes share, on real instances of Redis and PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from databases import Database, authority, postgres, redis
from imagxp import (
    Identity,
    ImagxpError,
    PostgresReplayStore,
    PrivateKey,
    Publisher,
    RedisReplayStore,
    UsageError,
    issue_visa,
    manifest_url,
)
from imagxp.asgi import ImagxpMiddleware
from support import AGENT_UA, ORIGIN, SECRET, policy, respond, serving

Store = RedisReplayStore | PostgresReplayStore
RACER = Path(__file__).parent / "racer.py"


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, Database]]:
    with ExitStack() as stack:
        yield {"redis": stack.enter_context(redis()), "postgres": stack.enter_context(postgres())}


_names = iter(range(1000))


@pytest.fixture(params=["redis", "postgres"])
def make(request: pytest.FixtureRequest, databases: dict[str, Database]) -> Callable[..., Store]:
    """Makes stores that share one set of nonces, of their own for each test."""
    kind, name = request.param, f"n{next(_names)}"
    address = databases[kind].address

    def make(**options: Any) -> Store:
        options = {"name": name, "time_limit": 10, **options}
        return RedisReplayStore(address, **options) if kind == "redis" else PostgresReplayStore(address, **options)

    return make


def publisher(store: Store, *agents: Identity, **members: Any) -> Publisher:
    made = Publisher(policy(**members), secret=SECRET, replay_store=store)
    for agent in agents:
        made.supply(manifest_url(agent.agent_id), agent.manifest().to_json())
    return made


def signed(agent: Identity, **options: Any) -> list[tuple[str, str]]:
    return [*agent.sign("GET", ORIGIN + "/a", "RAG_RETRIEVAL", **options), AGENT_UA]


def code(site: Publisher, headers: Any) -> str | None:
    return site.verify("GET", "/a", headers).verdict.code


def race(kind: str, address: str, agent: Identity, how: list[list[str]]) -> list[list[str | None]]:
    """What each of several processes says of the same hundred requests."""
    given = {
        "policy": {"version": 1, "origins": [ORIGIN], "purposes": {"RAG_RETRIEVAL": {}}},
        "secret": SECRET.hex(),
        "manifest_url": manifest_url(agent.agent_id),
        "manifest": agent.manifest().to_dict(),
        "requests": [signed(agent) for _ in range(100)],
    }
    command = [sys.executable, str(RACER), kind, address]
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen([*command, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
            )
            for more in how
        ]
        pipes = [(racer.stdin, racer.stdout) for racer in racers]
        for to, _ in pipes:
            assert to is not None
            to.write(json.dumps({**given, "warmup": signed(agent)}) + "\n")
            to.flush()
        for _, out in pipes:
            assert out is not None
            assert json.loads(out.readline()) == [None]
        for to, _ in pipes:
            assert to is not None
            to.write("go\n")
            to.flush()
        return [json.loads(out.readline()) for _, out in pipes if out is not None]


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_two_processes_race_for_each_nonce_and_one_wins(kind: str, databases: dict[str, Database], agent: Identity) -> None:
    # The second works in a child of the process that made its store, as under a server that loads the site before it forks.
    one, other = race(kind, databases[kind].address, agent, [[], ["fork"]])
    assert [sorted(pair, key=str) for pair in zip(one, other, strict=True)] == [[None, "replay.nonce_seen"]] * 100


def test_without_a_shared_store_the_race_has_two_winners(agent: Identity) -> None:
    assert race("memory", "", agent, [[], []]) == [[None] * 100] * 2


def test_quotas(make: Callable[..., Store], agent: Identity) -> None:
    neighbour = Identity.generate("other.example.com")
    one, two = (publisher(make(max_per_agent=2), agent, neighbour) for _ in range(2))
    assert [code(one, signed(agent)), code(two, signed(agent)), code(one, signed(agent))] == [None, None, "replay.store_full"]
    assert code(two, signed(neighbour)) is None
    small = publisher(make(max_entries=3), agent, neighbour)
    # PostgreSQL counts all of them once a second.
    time.sleep(1.2)
    assert code(small, signed(neighbour)) == "replay.store_full"


def test_the_uses_of_a_visa_are_counted_over_processes(make: Callable[..., Store], agent: Identity) -> None:
    key = PrivateKey.generate()
    issuer = "https://broker.example"
    jwks = f"{issuer}/jwks.json"
    payment = {"required": True, "brokers": [{"issuer": issuer, "jwks_uri": jwks, "check": "offline"}]}
    purposes = {"RAG_RETRIEVAL": {"allow": True, "price": {"amount": "1", "currency": "USD"}}}
    sites = [publisher(make(), agent, payment=payment, purposes=purposes) for _ in range(2)]
    for site in sites:
        site.supply(jwks, json.dumps({"keys": [{**key.public_key.to_jwk(), "kid": key.public_key.thumbprint}]}))
    terms = {
        "issuer": issuer,
        "agent_id": agent.agent_id,
        "audience": ORIGIN,
        "jti": "visa-0001",
        "amount": "1",
        "currency": "USD",
    }
    visa = issue_visa(key, **terms, jkt=agent.key_id, max_uses=3)
    seen = [code(sites[use % 2], signed(agent, payment=visa)) for use in range(4)]
    assert seen == [None, None, None, "payment.already_used"]


@pytest.mark.parametrize("start", [redis, postgres])
def test_a_store_that_is_down_refuses_in_time_and_recovers(start: Any, agent: Identity) -> None:
    with start() as database:
        kind = RedisReplayStore if start is redis else PostgresReplayStore
        store: Store = kind(database.address, time_limit=2)
        site = publisher(store, agent)
        accepted = signed(agent)
        assert accepted_first(store, site, accepted)
        store.check()
        database.crash()
        begin = time.monotonic()
        for _ in range(100):
            verdict = site.verify("GET", "/a", signed(agent)).verdict
            assert (verdict.outcome, verdict.code, verdict.http) == ("undecided", "replay.store_error", 503)
        assert time.monotonic() - begin < 4, "who asks a store that is known to be down does not wait"
        with pytest.raises(ImagxpError) as error:
            store.check()
        assert error.value.code == "io.failed"
        assert "storage.unavailable" in str(error.value)
        database.start()
        assert patient(site, accepted) == "replay.nonce_seen", "what was accepted is remembered"
        assert accepted_first(store, site, signed(agent))


def accepted_first(store: Store, site: Publisher, headers: Any) -> bool:
    """Whether a request is accepted that nobody has shown before. An insertion that was given up may have been done: it is our own."""
    # PostgreSQL takes connections some time before it answers.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(ImagxpError):
            store.check()
            break
        time.sleep(0.05)
    answer = code(site, headers)
    if answer == "replay.store_error":
        return patient(site, headers) in (None, "replay.nonce_seen")
    return answer is None


def patient(site: Publisher, headers: Any) -> str | None:
    """Asks until there is an answer: connecting anew takes a moment."""
    deadline = time.monotonic() + 20
    while (answer := code(site, headers)) == "replay.store_error" and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def test_a_redis_that_hangs_stops_neither_threads_nor_the_loop(agent: Identity) -> None:
    async def content(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 200, b"content")

    with redis() as database:
        store = RedisReplayStore(database.address, time_limit=2)
        site = publisher(store, agent, unsigned="allow")
        assert accepted_first(store, site, signed(agent))
        with serving(ImagxpMiddleware(content, publisher=site), lifespan="off") as server:
            database.freeze(True)
            answers: list[tuple[int, float]] = []
            headers = signed(agent)
            begin = time.monotonic()
            waiting = threading.Thread(target=lambda: answers.append((get(server.listener, headers), time.monotonic() - begin)))
            waiting.start()
            time.sleep(0.2)
            quick = time.monotonic()
            browser = [("User-Agent", "Mozilla/5.0 Firefox/140.0"), ("Accept-Language", "en"), ("Sec-Fetch-Mode", "navigate")]
            assert get(server.listener, browser) == 200
            assert time.monotonic() - quick < 1
            assert not answers, "the agent still waits"
            turns, until = 0, time.monotonic() + 0.3
            while time.monotonic() < until:
                turns += 1
            assert turns > 1000
            waiting.join(timeout=10)
            ((status, took),) = answers
            assert status == 503
            assert took < 4
            database.freeze(False)
            assert patient(site, signed(agent)) is None


def get(listener: socket.socket, headers: list[tuple[str, str]]) -> int:
    """The status that a request is answered with."""
    with socket.create_connection(listener.getsockname(), timeout=10) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        client.sendall(f"GET /a HTTP/1.1\r\nHost: pub.example\r\nConnection: close\r\n{lines}\r\n".encode())
        return int(client.recv(4096).split()[1])


def test_entries_end_with_their_claims(agent: Identity) -> None:
    def ask(*words: str) -> list[bytes]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(database.address.removeprefix("redis+unix://"))
            client.sendall(" ".join(words).encode() + b"\r\n")
            return client.recv(65536).split(b"\r\n")

    with redis() as database:
        site = publisher(RedisReplayStore(database.address, name="site"), agent)
        assert patient(site, signed(agent)) is None
        # Its name is that of a keyed hash, in bytes that no word of this small client can hold: the one that is there is looked at.
        assert ask("EVAL", "\"return #redis.call('KEYS','{site}:replay:k:*')\"", "0")[0] == b":1"
        left = ask("EVAL", "\"return redis.call('PTTL',redis.call('KEYS','{site}:replay:k:*')[1])\"", "0")[0]
        assert 0 < int(left[1:]) < 15 * 60_000


def test_redis_over_tls_is_believed_by_its_authority_only(tmp_path: Path, agent: Identity) -> None:
    (tmp_path / "other").mkdir()
    ca, chain, key = authority(tmp_path)
    other, _, _ = authority(tmp_path / "other")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--tls-port", str(port), "--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with redis(*options):
        url = f"rediss://localhost:{port}"
        store = RedisReplayStore(url, ca_file=ca, time_limit=10)
        store.check()
        site = publisher(store, agent)
        headers = signed(agent)
        assert patient(site, headers) is None
        assert code(site, headers) == "replay.nonce_seen"
        # Another authority, that of the Internet, and a name that is not the certificate's.
        for address, file in [(url, other), (url, None), (url.replace("localhost", "127.0.0.1"), ca)]:
            with pytest.raises(ImagxpError, match=r"certificate|TLS|tls"):
                RedisReplayStore(address, ca_file=file, time_limit=5).check()
            closed = publisher(RedisReplayStore(address, ca_file=file, time_limit=5), agent)
            assert code(closed, signed(agent)) == "replay.store_error"
        with pytest.raises(ImagxpError):
            RedisReplayStore(url, ca_file=tmp_path / "nothing.pem")


def test_misuse(agent: Identity) -> None:
    for wrong in [
        lambda: RedisReplayStore("redis://:s3cret@["),
        lambda: PostgresReplayStore("nonsense s3cret"),
        lambda: RedisReplayStore("redis://localhost", name="A-b"),
        lambda: RedisReplayStore("redis://localhost", connections=0),
        lambda: RedisReplayStore("redis://localhost", time_limit=0),
        lambda: RedisReplayStore("redis://localhost", time_limit=-1),
        lambda: RedisReplayStore("redis://localhost", time_limit=float("nan")),
        # Without it each process would have keys of its own, and each would accept a copy.
        lambda: Publisher(policy(), replay_store=RedisReplayStore("redis://localhost")),
    ]:
        with pytest.raises(UsageError) as error:
            wrong()
        assert "s3cret" not in str(error.value)
    store = PostgresReplayStore("postgres://user:s3cret@127.0.0.1:1/x", time_limit=1)
    assert "s3cret" not in repr(store)
    site = publisher(store, agent)
    assert site.may_wait
    assert code(site, signed(agent)) == "replay.store_error"
    with redis("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru") as evicting:
        with pytest.raises(UsageError, match=r"maxmemory-policy is `allkeys-lru`"):
            RedisReplayStore(evicting.address).check()
        assert code(publisher(RedisReplayStore(evicting.address), agent), signed(agent)) == "replay.store_error"
