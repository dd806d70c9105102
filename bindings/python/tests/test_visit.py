"""A visit that is driven by hand: what is remembered of a site when there was no turn to ask it."""

from __future__ import annotations

import json

from imagxp import Action, Agent, Caps, Identity, Visit, Wallet

OFFER = {
    "price": "1",
    "currency": "USD",
    "purposes": ["SUMMARY"],
    "brokers": [{"issuer": "https://broker.example", "token_endpoint": "https://broker.example/oauth/token"}],
}


def test_a_visit_that_has_no_turn_leaves_nothing_behind(agent: Identity) -> None:
    wallet = Wallet([Caps("USD", "1")])
    ours = Agent(agent, "SUMMARY", "TestBot", wallet=wallet, brokers=["https://broker.example"])

    def begin() -> tuple[Visit, Action]:
        visit = ours.visit("GET", "https://pub.example/a")
        return visit, visit.start()

    def end(visit: Visit) -> None:
        action = visit.busy("32 requests are under way")
        assert (action.kind, action.error.code) == ("refused", "io.failed")
        assert action.report is not None
        assert any(step["note"].endswith(": 32 requests are under way") for step in action.report["steps"])

    for answers in (["fetch_robots"], ["fetch_robots", "fetch_policy"], ["fetch_policy", "send"], ["send", "request_token"]):
        visit, action = begin()
        for kind in answers[:-1]:
            assert action.kind == kind
            action = visit.answered(402, [], json.dumps({"offer": OFFER})) if kind == "send" else visit.answered(404, [], b"")
        assert action.kind == answers[-1]
        end(visit)
    assert (wallet.spent("USD"), wallet.open) == ("0", ())
