"""Replay stores: the one in memory, those written in Python, and what becomes of a request when they do not answer."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from imagxp import Identity, MemoryReplayStore, Publisher, ReplayStore
from imagxp.replay import Insert
from support import NOW, NOW_MS, SECRET, knowing, policy, signed


class SharedStore:
    """A replay store as a site might write it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[bytes, int] = {}
        self.calls: list[tuple[Any, ...]] = []

    def insert_if_absent(self, key: bytes, agent: bytes, expires_at: int, now: int, /) -> Insert:
        with self.lock:
            self.calls.append(("insert", key, agent, expires_at, now))
            if key in self.entries:
                return "seen"
            self.entries[key] = expires_at
            return "fresh"

    def seen(self, key: bytes, now: int, /) -> bool:
        self.calls.append(("seen", key, now))
        return key in self.entries

    def horizon(self) -> int | None:
        return None


def test_a_store_in_python_is_used_and_shared(agent: Identity) -> None:
    store = SharedStore()
    assert isinstance(store, ReplayStore)
    first, second = (knowing(agent, publisher=Publisher(policy(), secret=SECRET, replay_store=store)) for _ in range(2))
    assert first.may_wait
    headers = signed(agent)
    assert first.verify("GET", "/a", headers, now=NOW).verdict.is_allowed
    assert second.verify("GET", "/a", headers, now=NOW).verdict.code == "replay.nonce_seen"
    (kind, key, by, expires_at, now), *_ = [call for call in store.calls if call[0] == "insert"]
    assert (kind, len(key), len(by), now) == ("insert", 16, 16, NOW_MS)
    assert NOW_MS + 300_000 < expires_at <= NOW_MS + 600_000, "until the claim has expired, and a margin"
    other = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    assert other.verify("GET", "/a", headers, now=NOW).verdict.is_allowed, "another secret, other keys"


@pytest.mark.parametrize("method", ["insert_if_absent", "seen", "horizon"])
@pytest.mark.parametrize("how", ["raises", "answers nonsense", "exits"])
def test_a_broken_store_fails_closed_and_is_logged(
    agent: Identity, caplog: pytest.LogCaptureFixture, method: str, how: str
) -> None:
    store = SharedStore()

    def broken(*_: Any) -> Any:
        if how == "raises":
            raise ConnectionError("redis is down")
        if how == "exits":
            raise SystemExit(3)
        return "yes"

    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    setattr(store, method, broken)
    with caplog.at_level(logging.ERROR, logger="imagxp"):
        verdict = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    assert (verdict.outcome, verdict.code, verdict.http) == ("undecided", "replay.store_error", 503)
    assert not store.entries
    assert any(method in record.getMessage() and record.exc_info for record in caplog.records)
    delattr(store, method)
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.is_allowed, "it recovers"


@pytest.mark.parametrize(
    ("answer", "code"), [("full", "replay.store_full"), ("error", "replay.store_error"), ("seen", "replay.nonce_seen")]
)
def test_every_answer_of_a_store(agent: Identity, answer: Insert, code: str) -> None:
    store = SharedStore()
    store.insert_if_absent = lambda *_: answer  # type: ignore[assignment,method-assign]
    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.code == code


def test_the_horizon_of_a_store_counts(agent: Identity) -> None:
    store = SharedStore()
    store.horizon = lambda: NOW_MS + 300_000  # type: ignore[method-assign]
    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    assert publisher.verify("GET", "/a", signed(agent), now=NOW).verdict.code == "time.expired"
    assert publisher.verify("GET", "/a", signed(agent, now=NOW_MS + 1), now=NOW).verdict.is_allowed


def test_what_is_no_store() -> None:
    for store in (object(), {}, "memory"):
        with pytest.raises(TypeError):
            Publisher(policy(), replay_store=store)  # type: ignore[arg-type]


def test_the_store_in_memory_has_limits_and_can_be_shared(agent: Identity) -> None:
    store = MemoryReplayStore(max_entries=2)
    assert bool(store)
    first, second = (knowing(agent, publisher=Publisher(policy(), secret=SECRET, replay_store=store)) for _ in range(2))
    assert not first.may_wait
    headers = signed(agent)
    assert first.verify("GET", "/a", headers, now=NOW).verdict.is_allowed
    assert second.verify("GET", "/a", headers, now=NOW).verdict.code == "replay.nonce_seen"
    assert second.verify("GET", "/a", signed(agent), now=NOW).verdict.is_allowed
    assert first.verify("GET", "/a", signed(agent), now=NOW).verdict.code == "replay.store_full"
    assert len(store) == 2
    quota = knowing(agent, publisher=Publisher(policy(), replay_store=MemoryReplayStore(max_per_agent=1)))
    codes_seen = [quota.verify("GET", "/a", signed(agent), now=NOW).verdict.code for _ in range(2)]
    assert codes_seen == [None, "replay.store_full"]
    for bad in ({"max_entries": -1}, {"max_per_agent": 2**40}):
        with pytest.raises(OverflowError):
            MemoryReplayStore(**bad)


def test_a_slow_store_does_not_stop_other_threads(agent: Identity) -> None:
    """A store that waits for a network must not hold up verifications on other threads, nor deadlock with them."""

    everybody = threading.Barrier(10)

    class Slow(SharedStore):
        def seen(self, key: bytes, now: int, /) -> bool:
            # Goes on only when all ten wait here at once.
            everybody.wait(30)
            return super().seen(key, now)

    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=Slow()))
    with ThreadPoolExecutor(10) as pool:
        tasks = [pool.submit(publisher.verify, "GET", f"/{n}", signed(agent, f"/{n}"), now=NOW) for n in range(10)]
        assert all(task.result(timeout=60).verdict.is_allowed for task in tasks)


def test_one_nonce_passes_once_in_many_threads(agent: Identity) -> None:
    for publisher in (knowing(agent), knowing(agent, publisher=Publisher(policy(), replay_store=SharedStore()))):
        for round_ in range(20):
            headers = signed(agent, f"/{round_}")
            barrier = threading.Barrier(8)

            def attempt(
                path: str = f"/{round_}", headers: Any = headers, publisher: Any = publisher, barrier: Any = barrier
            ) -> Any:
                barrier.wait()
                return publisher.verify("GET", path, headers, now=NOW).verdict.code

            with ThreadPoolExecutor(8) as pool:
                found = Counter(future.result() for future in [pool.submit(attempt) for _ in range(8)])
            assert found == {None: 1, "replay.nonce_seen": 7}


def test_explaining_spends_nothing(agent: Identity) -> None:
    store = SharedStore()
    publisher = knowing(agent, publisher=Publisher(policy(), replay_store=store))
    headers = signed(agent)
    for _ in range(3):
        explanation = publisher.explain("GET", "/a", headers, now=NOW)
        assert explanation.verdict.is_allowed
    assert not store.entries
    assert [step.number for step in explanation.steps] == sorted(step.number for step in explanation.steps)
    assert explanation.to_dict()["verdict"]["outcome"] == "allow"
    assert {step.result for step in explanation.steps} <= {"passed", "skipped"}
    refused = publisher.explain("GET", "/\x1b[2Jb", headers, now=NOW)
    last = refused.steps[-1]
    assert (last.result, last.name) == ("failed", "claim: resource")
    assert "\x1b" not in str(refused)
    assert "claim.resource_mismatch" in str(refused)
