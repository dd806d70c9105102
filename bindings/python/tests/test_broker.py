"""The whole triangle with the real broker: deposit, 402, visa, content, redemption, feedback, statement."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from broker_service import Service, broker
from imagxp import (
    Agent,
    BrokerClient,
    BrokerError,
    Caps,
    Feedback,
    Fetcher,
    Identity,
    Need,
    Policy,
    Presented,
    Redeemer,
    UsageError,
    Wallet,
)
from imagxp.asgi import ImagxpMiddleware, ManifestApp
from support import Server, reserve, respond, serving


class Party:
    """A domain on this machine whose manifest the broker can fetch."""

    def __init__(self, service: Service) -> None:
        self.server = Server(self, lifespan="off")
        self.identity = Identity.generate(self.server.address, allow_loopback=True)
        self.client = BrokerClient(service.issuer, self.identity, allow_loopback=True)
        self.app: Any = ManifestApp(self.identity.manifest())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    @property
    def balance(self) -> str:
        accounts = self.client.account()["accounts"]
        return str(accounts[0]["balance"]) if accounts else "0"


class Site(Party):
    """A publisher whose pages cost 0.5 USD."""

    def __init__(
        self, service: Service, check: str, redeem: Any = None, redeemer: Any = None, others: Sequence[str] = ()
    ) -> None:
        super().__init__(service)
        self.brought: list[Presented] = []
        rules = {
            "version": 1,
            "origins": [self.server.origin, *others],
            "allow_loopback": True,
            "purposes": {"SUMMARY": {"allow": True, "price": {"amount": "0.5", "currency": "USD"}}},
            "payment": {
                "required": True,
                "brokers": [{"issuer": service.issuer, "jwks_uri": f"{service.issuer}/.well-known/jwks.json", "check": check}],
            },
        }
        redeem = redeem(self) if redeem else self.client if check == "redeem" else None
        self.policy = Policy.from_dict(rules)
        redeemer = redeemer and redeemer(self)
        guarded = ImagxpMiddleware(self._content, self.policy, redeem=redeem, redeemer=redeemer)
        self.app = ManifestApp(self.identity.manifest(), guarded)

    async def _content(self, scope: Any, receive: Any, send: Any) -> None:
        if any(name == b"x-imagxp-payment" for name, _ in scope["headers"]):
            self.brought.append(Presented(scope["headers"]))
        await respond(send, 200, b"content")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with broker(tmp_path_factory.mktemp("broker")) as service:
        yield service


@pytest.fixture
def agent(service: Service) -> Iterator[Party]:  # type: ignore[override]
    agent = Party(service)
    with serving(agent, agent.server.listener, lifespan="off"):
        service.operator.deposit(agent.identity.agent_id, "10", asset="USD", reference=agent.identity.agent_id)
        yield agent


def reader(agent: Party, service: Service) -> Agent:
    wallet = Wallet([Caps("USD", "1")])
    return Agent(agent.identity, "SUMMARY", "TestBot", wallet=wallet, brokers=[service.issuer], allow_loopback=True)


def test_deposit_402_visa_content_redemption_feedback_statement(service: Service, agent: Party) -> None:
    site = Site(service, "redeem")
    with serving(site, site.server.listener, lifespan="off"):
        page = reader(agent, service).read(site.server.origin + "/page")
        assert (page.status, page.body, page.report["payment"]["state"]) == (200, b"content", "bought")
        bought = agent.client.visas()["visas"][0]
        assert (bought["state"], bought["amount"], bought["publisher"]) == ("REDEEMED", "0.5", site.identity.agent_id)
        assert site.balance == "0"
        feedback = Feedback(page.url, Decimal("0.9"), "HIGH_QUALITY", jti=bought["jti"])
        visa = agent.client.feedback(feedback)
        assert (visa["state"], visa["released"], visa["fee"]) == ("RELEASED", "0.5", "0.01")
        assert (agent.balance, site.balance) == ("9.5", "0.49")
        with pytest.raises(BrokerError) as twice:
            agent.client.feedback(feedback)
        error = twice.value
        assert (error.code, error.status, error.unknown, error.transient) == ("feedback.already_given", 409, False, False)
        assert error.request_id
        assert error.idempotency_key
        assert pickle.loads(pickle.dumps(error)).args == error.args

        # Bad: withheld, contested, decided.
        reader(agent, service).read(site.server.origin + "/bad")
        jti = agent.client.visas(state="REDEEMED", limit=10)["visas"][0]["jti"]
        withheld = agent.client.feedback(Feedback(page.url, "0.1", "INACCURATE", jti=jti))
        assert withheld["state"] == "WITHHELD"
        assert site.client.contest(jti, "it is what it is")["state"] == "DISPUTED"
        assert service.operator.decide(jti, "refund", memo="no")["state"] == "REFUNDED"
        assert site.client.visa(jti)["state"] == "REFUNDED"

        # Both statements add up, and nobody reads another's.
        statement = agent.client.statement(asset="USD")
        assert (statement["opening"], statement["closing"]) == ("0", "9.5")
        assert site.client.statement(since="2020-01-01T00:00:00Z")["closing"] == "0.49"
        transfers = agent.client.transfers(limit=2)
        assert len(transfers["transfers"]) == 2
        assert agent.client.transfers(cursor=transfers["next_cursor"])["transfers"]
        with pytest.raises(BrokerError, match=r"account\.not_found"):
            agent.client.account(site.identity.agent_id)


def test_a_visa_that_the_broker_refuses_buys_nothing(service: Service, agent: Party) -> None:
    site = Site(service, "redeem")
    with serving(site, site.server.listener, lifespan="off"):
        visa = agent.client.issue(site.server.origin, "0.5", "USD", "SUMMARY")
        headers = [
            *agent.identity.sign("GET", f"{site.server.origin}/page", "SUMMARY", payment=visa["token"]),
            ("User-Agent", "test IMAGXP/1.0"),
        ]
        # Somebody has redeemed it already, perhaps another process of the site.
        assert site.client.redeem([Presented(headers)])[0]["accepted"]
        assert site.client.confirm(Presented(headers)) == "refused"
        answer = Fetcher(allow_loopback=True).send("GET", f"{site.server.origin}/page", headers=headers)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (402, "payment.invalid_token")
        assert site.brought == []


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("brings_key", [False, True])
def test_a_callable_redeems_a_visa_that_is_bound_to_a_key(
    service: Service, agent: Party, asynchronous: bool, brings_key: bool
) -> None:
    """The broker wants to see the signed request; the agent's key need not be in it."""

    def made(site: Site) -> Any:
        def redeem(need: Need, visa: str, presented: Presented) -> str:
            assert (need.url, visa) == (f"{service.issuer}/v1/visas/redeem", presented.visa)
            return site.client.confirm(presented)

        async def aredeem(need: Need, visa: str, presented: Presented) -> str:
            return await asyncio.to_thread(redeem, need, visa, presented)

        return aredeem if asynchronous else redeem

    site = Site(service, "redeem", redeem=made)
    with serving(site, site.server.listener, lifespan="off"):
        visa = agent.client.issue(site.server.origin, "0.5", "USD", "SUMMARY")
        url = f"{site.server.origin}/page"
        headers = [*agent.identity.sign("GET", url, "SUMMARY", payment=visa["token"]), ("User-Agent", "test IMAGXP/1.0")]
        if not brings_key:
            headers = [(name, value) for name, value in headers if name != "x-imagxp-public-key"]
        answer = Fetcher(allow_loopback=True).send("GET", url, headers=headers)
        assert answer.status == 200, answer.body
    assert agent.client.visa(visa["jti"])["state"] == "REDEEMED"


def test_visas_are_redeemed_in_the_background(service: Service, agent: Party) -> None:
    site = Site(service, "offline")
    outcomes: list[tuple[Presented, Any, Any]] = []
    with serving(site, site.server.listener, lifespan="off"):
        ours = reader(agent, service)
        for path in ("/a", "/b", "/c"):
            assert ours.read(site.server.origin + path).status == 200
        states = {visa["state"] for visa in agent.client.visas()["visas"]}
        assert states == {"ISSUED"}

        redeemer = Redeemer(site.client, lambda *outcome: outcomes.append(outcome), capacity=4, interval=600)
        for presented in [*site.brought, site.brought[0]]:
            redeemer.push(presented)
        with pytest.raises(BrokerError, match=r"redeemer\.full"):
            redeemer.push(site.brought[0])
        assert redeemer.tally["waiting"] == 4
        assert redeemer.flush()
        assert redeemer.tally == {"waiting": 0, "accepted": 3, "refused": 1, "failed": 0}
        assert redeemer.close() == 0
        with pytest.raises(BrokerError, match=r"redeemer\.closed"):
            redeemer.push(site.brought[0])
    assert [presented.visa for presented, _, _ in outcomes] == [visa.visa for visa in [*site.brought, site.brought[0]]]
    assert [result["accepted"] for _, result, _ in outcomes] == [True, True, True, False]
    assert outcomes[3][1]["error"]["code"] == "visa.state"
    assert {visa["state"] for visa in agent.client.visas()["visas"]} == {"REDEEMED"}


@pytest.mark.parametrize("check", ["offline", "redeem"])
def test_the_middleware_hands_visas_to_a_redeemer_once(service: Service, agent: Party, check: str) -> None:
    redeemers: list[Redeemer] = []
    outcomes: list[Any] = []

    def made(site: Site) -> Redeemer:
        redeemers.append(Redeemer(site.client, lambda *outcome: outcomes.append(outcome), interval=600, capacity=2))
        return redeemers[0]

    site = Site(service, check, redeemer=made)
    with serving(site, site.server.listener, lifespan="off"):
        ours = reader(agent, service)
        # One more than there is room for: it is served all the same.
        assert [ours.read(f"{site.server.origin}/{page}").status for page in range(3)] == [200] * 3
        assert redeemers[0].close() == 0
    # Where the broker was asked before, there is nothing left to redeem.
    expected = {"offline": [(True, None)] * 2, "redeem": []}[check]
    assert [(result["accepted"], error) for _, result, error in outcomes] == expected
    states = [visa["state"] for visa in agent.client.visas()["visas"]]
    assert sorted(states[:3]) == {"offline": ["ISSUED", "REDEEMED", "REDEEMED"], "redeem": ["REDEEMED"] * 3}[check]


@pytest.mark.parametrize("check", ["offline", "redeem"])
def test_an_agent_need_not_bring_its_key(service: Service, agent: Party, check: str) -> None:
    redeemers: list[Redeemer] = []

    def made(site: Site) -> Redeemer:
        redeemers.append(Redeemer(site.client, lambda *_: None, interval=600))
        return redeemers[0]

    site = Site(service, check, redeemer=made)
    with serving(site, site.server.listener, lifespan="off"):
        url = f"{site.server.origin}/page"
        visa = agent.client.issue(site.server.origin, "0.5", "USD", "SUMMARY")
        whole = [*agent.identity.sign("GET", url, "SUMMARY", payment=visa["token"]), ("User-Agent", "test IMAGXP/1.0")]
        headers = [(name, value) for name, value in whole if name != "x-imagxp-public-key"]
        assert len(headers) == len(whole) - 1
        answer = Fetcher(allow_loopback=True).send("GET", url, headers=headers)
        assert answer.status == 200, answer.body
        assert redeemers[0].close() == 0
    assert agent.client.visa(visa["jti"])["state"] == "REDEEMED"


@pytest.mark.parametrize("check", ["offline", "redeem"])
def test_each_host_is_paid_by_its_own_name(service: Service, agent: Party, check: str) -> None:
    """A visa for the second host of a policy, sent to the first: servers verify a path, and what is paid for is what was signed."""
    www = Party(service)
    redeemers: list[Redeemer] = []

    def made(site: Site) -> list[Redeemer]:
        redeemers.extend(Redeemer(party.client, lambda *_: None, interval=600) for party in (site, www))
        return redeemers

    site = Site(service, check, lambda site: [site.client, www.client], made, others=[www.server.origin])
    with serving(site, site.server.listener, lifespan="off"), serving(www, www.server.listener, lifespan="off"):
        bought = []
        for party in (site, www):
            visa = agent.client.issue(party.server.origin, "0.5", "USD", "SUMMARY")
            signed = agent.identity.sign("GET", f"{party.server.origin}/page", "SUMMARY", payment=visa["token"])
            headers = [*signed, ("User-Agent", "test IMAGXP/1.0")]
            answer = Fetcher(allow_loopback=True).send("GET", f"{site.server.origin}/page", headers=headers)
            assert answer.status == 200, answer.body
            bought.append((visa["jti"], "REDEEMED", party.identity.agent_id))
        assert [redeemer.close() for redeemer in redeemers] == [0, 0]
        found = [agent.client.visa(jti) for jti, _, _ in bought]
    assert [(visa["jti"], visa["state"], visa["publisher"]) for visa in found] == bought

    # Who is not paid for an origin is told before anything is served.
    few: list[dict[str, Any]] = [{"redeem": site.client}, {"redeem": [www.client]}, {"redeemer": redeemers[0]}]
    for given in [*few, {"redeemer": redeemers[1:]}, {"redeemer": {service.issuer: redeemers[0]}}]:
        with pytest.raises(TypeError, match=r"by its own name: http://127\.0\.0\.1:\d+ has no \w+ at http"):
            ImagxpMiddleware(site._content, site.policy, **given)
    others: list[dict[str, Any]] = [{"redeem": []}, {"redeem": [redeemers[0]]}, {"redeemer": [site.client]}]
    for wrong in others:
        with pytest.raises(TypeError, match=r"BrokerClient|Redeemer"):
            ImagxpMiddleware(site._content, site.policy, **wrong)
    assert [site.client.is_paid_for(f"{origin}/page") for origin in site.policy.origins] == [True, False]
    assert not service.operator.is_paid_for(site.policy.origins[0])


def test_what_cannot_be_presented_is_reported(service: Service, agent: Party, caplog: pytest.LogCaptureFixture) -> None:
    with reserve() as nobody:
        gone = BrokerClient(f"http://127.0.0.1:{nobody.getsockname()[1]}", agent.identity, allow_loopback=True)
    visa = agent.client.issue("http://127.0.0.1:1", "0.5", "USD", "SUMMARY")
    headers = agent.identity.sign("GET", "http://127.0.0.1:1/", "SUMMARY", payment=visa["token"])
    outcomes: list[tuple[Presented, Any, Any]] = []

    def take(*outcome: Any) -> None:
        outcomes.append(outcome)
        raise RuntimeError("the site's own fault")

    redeemer = Redeemer(gone, take, interval=0)
    redeemer.push(Presented(headers))
    assert redeemer.close(0.3) == 1
    ((presented, result, error),) = outcomes
    assert (presented, result, error.code) == (Presented(headers), None, "broker.unreachable")
    assert "on_outcome failed" in caplog.text


def test_one_key_is_one_purchase(service: Service, agent: Party) -> None:
    before = agent.client.account()["accounts"][0]["available"]
    bought = [agent.client.issue("http://127.0.0.1:9", "0.25", "USD", "SUMMARY", key="purchase-0000-0001") for _ in range(3)]
    assert len({visa["jti"] for visa in bought}) == 1
    after = agent.client.account()["accounts"][0]["available"]
    assert Decimal(before) - Decimal(after) == Decimal("0.25")
    with pytest.raises(BrokerError, match=r"idempotency\.mismatch"):
        agent.client.issue("http://127.0.0.1:9", "0.26", "USD", "SUMMARY", key="purchase-0000-0001")
    with pytest.raises(BrokerError, match=r"account\.insufficient"):
        agent.client.issue("http://127.0.0.1:9", "1000", "USD", "SUMMARY")
    assert agent.client.metadata()["issuer"] == agent.client.issuer == service.issuer


def test_misuse(service: Service, agent: Party) -> None:
    shown = Presented(agent.identity.sign("GET", "http://127.0.0.1:9/", "SUMMARY", payment="a.b.c"))
    for wrong in [
        lambda: BrokerClient("http://broker.example", agent.identity),
        lambda: BrokerClient(service.issuer, agent.identity),
        lambda: BrokerClient(service.issuer, agent.identity, fetcher=Fetcher(), allow_loopback=True),
        lambda: BrokerClient.operator(service.issuer, "a b", allow_loopback=True),
        lambda: agent.client.redeem([]),
        lambda: agent.client.visa("../x"),
        lambda: agent.client.issue("http://127.0.0.1:9", "1e3", "USD", "SUMMARY"),
        lambda: agent.client.issue("http://127.0.0.1:9", "1", "USD", "READING"),
        lambda: agent.client.feedback(Feedback("https://pub.example/", "1", "OTHER")),
        lambda: service.operator.account(),
        lambda: Presented([("x-imagxp-payload", "p")]),
        lambda: agent.client.confirm(shown, within=-1),
        lambda: Redeemer(agent.client, print, batch=0),
        lambda: Redeemer(agent.client, print, interval=-1),
        lambda: Redeemer(service.operator, print),
    ]:
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(TypeError):
        Redeemer(agent.client, None)  # type: ignore[arg-type]
    stranger = BrokerClient.operator(service.issuer, "imagxp_op_none", allow_loopback=True)
    with pytest.raises(BrokerError, match=r"auth\.token_invalid"):
        stranger.account("pub.example")
    assert "imagxp_op" not in repr(stranger)


def test_others_run_while_one_waits(tmp_path: Path) -> None:
    with reserve() as slow:
        client = BrokerClient(
            f"http://127.0.0.1:{slow.getsockname()[1]}", Identity.generate("bot.example.com"), attempts=1, allow_loopback=True
        )
        ended: list[str] = []

        def ask() -> None:
            with pytest.raises(BrokerError) as error:
                client.account()
            ended.append(error.value.code)

        thread = threading.Thread(target=ask)
        thread.start()
        connection, _ = slow.accept()
        turns, until = 0, time.monotonic() + 0.3
        while time.monotonic() < until:
            turns += 1
        assert turns > 1000
        assert not ended
        connection.close()
        thread.join(timeout=10)
        assert ended == ["broker.unreachable"]
