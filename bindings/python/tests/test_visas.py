"""Visas and tokens: what a publisher needs, fetches, counts and binds before it lets a paid read pass."""

from __future__ import annotations

import json
from typing import Any

import imagxp
import pytest
from imagxp import Identity, Presented, PrivateKey, UsageError
from support import NOW, NOW_MS, ORIGIN, knowing, signed


def priced(broker: PrivateKey, **broker_options: Any) -> dict[str, Any]:
    return {
        "price": {"amount": "0.05", "currency": "EUR"},
        "payment": {
            "brokers": [{"issuer": "https://broker.example", "jwks_uri": "https://broker.example/jwks", **broker_options}]
        },
    }


def visa(broker: PrivateKey, agent: Identity, **options: Any) -> str:
    return imagxp.issue_visa(
        broker,
        **{
            "issuer": "https://broker.example",
            "audience": ORIGIN,
            "agent_id": agent.agent_id,
            "jkt": agent.key_id,
            "jti": "visa-0001",
            "amount": "0.05",
            "currency": "EUR",
            "now": NOW,
            **options,
        },
    )


def jwks(broker: PrivateKey) -> dict[str, Any]:
    return {"keys": [{**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}]}


def test_visas_are_needed_fetched_counted_and_bound(agent: Identity) -> None:
    broker = PrivateKey.generate()
    publisher = knowing(agent, **priced(broker))
    unpaid = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    assert (unpaid.code, unpaid.http, unpaid.payment.state) == ("payment.required", 402, "unpaid")
    assert unpaid.offer is not None
    assert (unpaid.offer["price"], unpaid.offer["currency"]) == ("0.05", "EUR")
    assert json.loads(unpaid.body())["offer"] == unpaid.offer

    token = visa(broker, agent)
    waiting = publisher.verify("GET", "/a", signed(agent, payment=token), now=NOW)
    assert [(need.kind, need.url) for need in waiting.verdict.needs] == [("jwks", "https://broker.example/jwks")]
    assert waiting.pending is not None
    publisher.supply("https://broker.example/jwks", jwks(broker), now=NOW)
    paid = publisher.resume(waiting.pending, now=NOW).verdict
    assert paid.is_allowed
    facts = (paid.payment.state, paid.payment.jti, paid.payment.issuer, paid.payment.amount, paid.payment.currency)
    assert facts == ("visa", "visa-0001", "https://broker.example", "0.05", "EUR")
    again = publisher.verify("GET", "/a", signed(agent, payment=token), now=NOW).verdict
    assert again.code == "payment.already_used"

    thief = Identity.generate("thief.example.com")
    knowing(thief, publisher=publisher)
    assert publisher.verify("GET", "/a", signed(thief, payment=token), now=NOW).verdict.code == "payment.wrong_holder"


@pytest.mark.parametrize(
    ("answer", "code"),
    [("accepted", None), ("refused", "payment.invalid_token"), ("unavailable", "payment.redeem_unavailable")],
)
def test_visas_are_redeemed_where_the_policy_says_so(agent: Identity, answer: Any, code: str | None) -> None:
    broker = PrivateKey.generate()
    publisher = knowing(agent, **priced(broker, check="redeem"))
    publisher.supply("https://broker.example/jwks", jwks(broker), now=NOW)
    waiting = publisher.verify("GET", "/a", signed(agent, payment=visa(broker, agent)), now=NOW)
    assert [need.kind for need in waiting.verdict.needs] == ["redeem"]
    assert waiting.pending is not None
    with pytest.raises(UsageError):
        waiting.pending.redeemed("perhaps")  # type: ignore[arg-type]
    waiting.pending.redeemed(answer)
    assert publisher.resume(waiting.pending, now=NOW).verdict.code == code


def test_a_broker_is_shown_the_key_that_the_request_did_not_bring(agent: Identity) -> None:
    broker = PrivateKey.generate()
    publisher = knowing(agent, **priced(broker, check="redeem"))
    publisher.supply("https://broker.example/jwks", jwks(broker), now=NOW)
    whole = signed(agent, payment=visa(broker, agent))
    lines = [(name, value) for name, value in whole if name != "x-imagxp-public-key"]
    assert len(lines) == len(whole) - 1
    waiting = publisher.verify("GET", "/a", lines, now=NOW)
    expected = Presented(lines, public_key=agent.public_key)
    assert expected != Presented(lines)
    assert publisher.presented(waiting.verdict, lines, now=NOW) == expected
    assert waiting.pending is not None
    waiting.pending.redeemed("accepted")
    paid = publisher.resume(waiting.pending, now=NOW).verdict
    assert publisher.presented(paid, lines, now=NOW) == expected
    unpaid = publisher.verify("GET", "/a", signed(agent), now=NOW).verdict
    for verdict, headers in ((unpaid, lines), (paid, signed(agent))):
        with pytest.raises(UsageError) as caught:
            publisher.presented(verdict, headers, now=NOW)
        assert caught.value.code == "usage.argument"


def test_tokens_are_verified(agent: Identity) -> None:
    broker = PrivateKey.generate()
    keys = imagxp.JwkSet.parse(jwks(broker))
    assert (len(keys), keys.kids, keys.skipped) == (1, (broker.public_key.thumbprint,), 0)
    token = visa(broker, agent, purposes=["SUMMARY"], max_uses=3)
    claims = imagxp.verify_token(token, keys, now=NOW, issuer="https://broker.example", typ="imagxp-visa+jwt")
    assert claims is not None
    assert (claims["sub"], claims["purposes"], claims["max_uses"]) == ("bot.example.com", ["SUMMARY"], 3)
    assert claims["exp"] - claims["iat"] == 600
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"now": NOW_MS + 700_000}, "payment.expired"),
        ({"audience": "https://other.example"}, "payment.wrong_audience"),
        ({"issuer": "https://other.example"}, "payment.invalid_token"),
    ]
    for options, code in refusals:
        with pytest.raises(imagxp.TokenError) as caught:
            imagxp.verify_token(token, keys, **{"now": NOW, **options})
        assert caught.value.code == code
    with pytest.raises(imagxp.TokenError):
        imagxp.verify_token(token[:-4], keys, now=NOW)
    for bad in ({"amount": "1e3"}, {"jti": "short"}, {"lifetime_s": 3601}, {"max_uses": 0}, {"purposes": ["READ"]}, {"jkt": "x"}):
        with pytest.raises(UsageError):
            visa(broker, agent, **bad)
