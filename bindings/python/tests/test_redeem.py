"""While a broker is asked about a visa (`check: redeem`): others are served, and what is no word of a broker opens nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from imagxp import BrokerClient, Need, Presented
from imagxp.gate import Gate
from publishing import Site, World
from support import BROWSER, policy, serving, until

KINDS = ["asgi", "wsgi"]


class Stalled(World):
    """A broker that takes what it is asked and does not answer; its keys it has published."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/v1/visas/redeem":
            await super().__call__(scope, receive, send)
            return
        self.asked += 1
        while (await receive())["type"] != "http.disconnect":
            pass


@pytest.fixture
def world() -> Iterator[Stalled]:
    world = Stalled()
    with serving(world, world.listener, lifespan="off"):
        yield world


def paid_site(world: World, adapter: str, more: Callable[[Site], dict[str, Any]]) -> Site:
    broker = {"issuer": world.issuer, "jwks_uri": world.issuer + "/jwks.json", "check": "redeem"}
    return Site(world, adapter, more=more, payment={"brokers": [broker]})


def reason(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error", {}).get("code")


UNAVAILABLE = (503, "payment.redeem_unavailable")


@pytest.mark.parametrize(("adapter", "turns"), [("asgi", 32), ("wsgi", 4)])
def test_a_broker_that_stalls_holds_up_nobody_else(
    world: Stalled, adapter: str, turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    def more(site: Site) -> dict[str, Any]:
        broker = BrokerClient(world.issuer, site.identity, allow_loopback=True)
        # With a log every verdict, of browsers too, waits in a thread.
        return {"redeem": broker, "audit": lambda record, reason: None}

    site = paid_site(world, adapter, more)
    with site.server, ThreadPoolExecutor(turns + 4) as readers:
        assert site.read("/a").status_code == 200
        visas = [world.visa(site.origin) for _ in range(turns + 4)]
        begun = time.monotonic()
        waiting = [readers.submit(site.read, "/premium/a", payment=visa) for visa in visas[:turns]]
        until(lambda: world.asked >= turns)
        waiting += [readers.submit(site.read, "/premium/a", payment=visa) for visa in visas[turns:]]
        slowest, end = 0.0, time.monotonic() + 3
        while time.monotonic() < end:
            before = time.monotonic()
            assert site.ask("/a", BROWSER).status_code == 200
            slowest = max(slowest, time.monotonic() - before)
        assert [reason(page.result()) for page in waiting] == [UNAVAILABLE] * (turns + 4)
        passed = time.monotonic() - begun
    assert slowest < 4, slowest
    assert 4.5 < passed < 20, passed
    # For the others there was no turn.
    assert world.asked == turns
    assert caplog.text.count("requests wait for brokers already") == 4


@pytest.mark.parametrize("adapter", KINDS)
def test_as_many_wait_as_the_site_says(world: Stalled, adapter: str) -> None:
    answer, asking = threading.Event(), threading.Semaphore(0)

    def redeem(need: Need, visa: str, presented: Presented) -> str:
        asking.release()
        assert answer.wait(20)
        return "accepted"

    site = paid_site(world, adapter, lambda site: {"redeem": redeem, "max_redeeming": 2})
    with site.server, ThreadPoolExecutor(2) as readers:
        waiting = [readers.submit(site.read, "/premium/a", payment=world.visa(site.origin)) for _ in range(2)]
        assert all(asking.acquire(timeout=20) for _ in range(2))
        third = world.visa(site.origin)
        assert reason(site.read("/premium/a", payment=third)) == UNAVAILABLE
        answer.set()
        assert [page.result().status_code for page in waiting] == [200, 200]
        # The turns are free again, and the visa was not used up.
        for visa in (third, world.visa(site.origin), world.visa(site.origin)):
            assert site.read("/premium/a", payment=visa).status_code == 200


@pytest.mark.parametrize("answer", ["accepted", "refused", "unavailable", "perhaps", True, None, OSError])
@pytest.mark.parametrize("adapter", KINDS)
def test_whatever_is_no_word_opens_nothing(world: Stalled, adapter: str, answer: Any) -> None:
    shown: list[tuple[str, str, str]] = []

    def redeem(need: Need, visa: str, presented: Presented) -> Any:
        shown.append((need.url, visa, presented.visa))
        if answer is OSError:
            raise OSError("the broker is down")
        return answer

    site = paid_site(world, adapter, lambda site: {"redeem": redeem})
    with site.server:
        visa = world.visa(site.origin)
        found = reason(site.read("/premium/a", payment=visa))
    assert found == {"accepted": (200, None), "refused": (402, "payment.invalid_token")}.get(str(answer), UNAVAILABLE)
    assert shown == [(f"{world.issuer}/v1/visas/redeem", visa, visa)]


def test_a_callable_that_takes_too_little_is_told_at_once() -> None:
    for wrong in (lambda need, visa: "accepted", lambda: "accepted", 1):
        with pytest.raises(TypeError):
            Gate(policy(), redeem=wrong)  # type: ignore[arg-type]
    for count in (0, -1):
        with pytest.raises(TypeError, match="max_redeeming"):
            Gate(policy(), max_redeeming=count)
    for right in (lambda *given: "accepted", lambda need, visa, presented, more=None: "accepted", None):
        Gate(policy(), redeem=right)
