"""Who waits for brokers and strangers, and who gets which visa: others are served, and what is no word of a broker opens nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import imagxp
import pytest
from imagxp import BrokerClient, Identity, Need, Presented, Redeemer
from imagxp.gate import Gate
from publishing import Site, World
from support import AGENT_UA, BROWSER, address, policy, reserve, serving, until

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


def test_strangers_whose_manifests_do_not_come_hold_up_nobody_else(world: Stalled) -> None:
    """Under WSGI the threads are the server's: four may wait for what strangers' domains do not send."""
    silent = [reserve() for _ in range(7)]
    strangers = [Identity.generate(address(listener), allow_loopback=True) for listener in silent]
    site = Site(world, "wsgi")

    def ask(stranger: Identity) -> tuple[int, str | None]:
        signed = [*stranger.sign("GET", site.origin + "/a", "RAG_RETRIEVAL"), AGENT_UA]
        return reason(site.ask("/a", signed))

    with site.server, ThreadPoolExecutor(4) as readers:
        assert site.read("/a").status_code == 200
        waiting = [readers.submit(ask, stranger) for stranger in strangers[:4]]
        connections = [listener.accept()[0] for listener in silent[:4]]
        # There is no turn left, and nobody waits for one.
        assert [ask(stranger) for stranger in strangers[4:]] == [(503, "identity.fetch_busy")] * 3
        assert site.read("/a").status_code == 200, "who is known is not shut out"
        # Nor is a key set that a known agent's visa needs.
        assert reason(site.read("/premium/a", payment=world.visa(site.origin))) == (200, None)
        assert [each.result() for each in waiting] == [(503, "identity.fetch_failed")] * 4
        # The turns are free again: this one is waited for.
        time.sleep(2)
        assert ask(strangers[4]) == (503, "identity.fetch_failed")
    for connection in (*connections, *silent):
        connection.close()


def test_each_redeemer_gets_the_visas_of_its_broker(world: Stalled, caplog: pytest.LogCaptureFixture) -> None:
    other = World()
    with serving(other, other.listener, lifespan="off"):
        brokers = [{"issuer": each.issuer, "jwks_uri": each.issuer + "/jwks.json", "check": "offline"} for each in (world, other)]
        both: dict[str, Redeemer] = {}

        def made(issuer: str, site: Site) -> Redeemer:
            return Redeemer(BrokerClient(issuer, site.identity, allow_loopback=True), lambda *_: None, interval=600)

        def one(site: Site) -> dict[str, Any]:
            both["one"] = made(world.issuer, site)
            return {"redeemer": both["one"]}

        def each(site: Site) -> dict[str, Any]:
            both.update({issuer: made(issuer, site) for issuer in (world.issuer, other.issuer)})
            return {"redeemer": {issuer: both[issuer] for issuer in (world.issuer, other.issuer)}}

        def visa_of(broker: World, site: Site) -> str:
            # The agent is of the first world, whoever sells.
            return imagxp.issue_visa(
                broker.bank,
                issuer=broker.issuer,
                audience=site.origin,
                agent_id=world.agent.agent_id,
                jti=f"visa-{time.monotonic_ns()}",
                amount="0.05",
                currency="EUR",
                allow_loopback=True,
            )

        for more in (one, each):
            site = Site(world, "wsgi", more=more, payment={"brokers": brokers})
            with site.server:
                for broker in (world, other, other):
                    assert site.read("/premium/a", payment=visa_of(broker, site)).status_code == 200
        assert both["one"].tally["waiting"] == 1
        assert caplog.text.count(f"visas of {other.issuer} are accepted and not redeemed") == 1
        assert [both[issuer].tally["waiting"] for issuer in (world.issuer, other.issuer)] == [1, 2]
        assert both["one"].issuer == world.issuer
        with pytest.raises(TypeError, match="presents to"):
            Gate(policy(), redeemer={other.issuer: both["one"]})


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
        for name in ("max_redeeming", "max_fetching"):
            with pytest.raises(TypeError, match=name):
                Gate(policy(), **{name: count})  # type: ignore[arg-type]
    for right in (lambda *given: "accepted", lambda need, visa, presented, more=None: "accepted", None):
        Gate(policy(), redeem=right)
