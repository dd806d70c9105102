"""A site with several hosts: each has a manifest and an account of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from imagxp import BrokerClient, Identity, Need, Policy, Presented, Redeemer, Rotation, Verdict
from imagxp.gate import Gate
from publishing import Site, World
from servers import ADAPTERS
from support import MANIFEST_PATH, policy, serving


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with serving(world, world.listener, lifespan="off"):
        yield world


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_each_host_has_a_manifest_of_its_own(world: World, adapter: str, tmp_path: Path) -> None:
    www = Rotation.create(tmp_path / "keys", "www.pub.example")
    development = Identity.generate("127.0.0.1:1", allow_loopback=True)
    manifest = [Identity.generate("pub.example").manifest(), www, development.manifest()]
    site = Site(world, adapter, more=lambda site: {"manifest": manifest}, unsigned="deny")

    def agent_of(host: str) -> Any:
        found: httpx.Response = site.ask(MANIFEST_PATH, {"host": host, "x-forwarded-host": "www.pub.example"})
        assert found.status_code == 200
        return found.json()["agent_id"]

    with site.server:
        for host, expected in (
            ("pub.example", "pub.example"),
            ("www.pub.example", "www.pub.example"),
            ("WWW.pub.example:443", "www.pub.example"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("127.0.0.1:2", "pub.example"),
            ("other.example", "pub.example"),
        ):
            assert agent_of(host) == expected, host


def test_what_is_no_manifest_is_told_at_once() -> None:
    manifest = Identity.generate("pub.example").manifest()
    wrongs: list[Any] = [[], [manifest, 1], "keys"]
    for wrong in wrongs:
        with pytest.raises(TypeError, match="manifest is a Manifest or a Rotation"):
            Gate(policy(), manifest=wrong)


def test_an_origin_where_nobody_is_paid_needs_no_client() -> None:
    issuer = "https://broker.example"
    client = BrokerClient(issuer, Identity.generate("pub.example"))
    brokers = [{"issuer": issuer, "jwks_uri": f"{issuer}/jwks.json"}]

    def start(*origins: str) -> None:
        document = {"version": 1, "origins": origins, "purposes": {}, "payment": {"brokers": brokers}, "allow_loopback": True}
        redeemer = Redeemer(client, lambda *_: None)
        Gate(Policy.from_dict(document), redeem=client, redeemer=redeemer)
        redeemer.close(0)

    for other in ("http://localhost:3000", "https://127.0.0.2", "http://[::1]:3000", "https://192.0.2.1"):
        start("https://pub.example", other)
    remedy = "a list with one for that host, or take the origin out of the policy"
    with pytest.raises(TypeError, match=remedy):
        start("https://pub.example", "https://www.pub.example")
    with pytest.raises(TypeError, match=remedy):
        start("http://localhost:3000")


@pytest.mark.parametrize(
    ("adapter", "form"), [("wsgi", "plain"), ("wsgi", "named"), ("wsgi", "other"), ("wsgi", "all"), ("asgi", "asynchronous")]
)
def test_a_callable_that_takes_four_arguments_gets_the_verdict(world: World, adapter: str, form: str) -> None:
    told: list[Any] = []

    def plain(need: Need, visa: str, presented: Presented, found: Verdict) -> str:
        told.append(found.resource)
        return "accepted"

    def named(need: Need, visa: str, presented: Presented, verdict: Verdict | None = None) -> str:
        return plain(need, visa, presented, verdict)  # type: ignore[arg-type]

    def other(need: Need, visa: str, presented: Presented, within: int = 3) -> str:
        told.append(within)
        return "accepted"

    def everything(*given: Any) -> str:
        told.append(len(given))
        return "accepted"

    async def asynchronous(need: Need, visa: str, presented: Presented, verdict: Verdict) -> str:
        return plain(need, visa, presented, verdict)

    redeem = {"plain": plain, "named": named, "other": other, "all": everything, "asynchronous": asynchronous}[form]
    broker = {"issuer": world.issuer, "jwks_uri": world.issuer + "/jwks.json", "check": "redeem"}
    site = Site(world, adapter, more=lambda site: {"redeem": redeem}, payment={"brokers": [broker]})
    with site.server:
        assert site.read("/premium/a", payment=world.visa(site.origin)).status_code == 200
    assert told == {"other": [3], "all": [3]}.get(form, [f"{site.origin}/premium/a"])
