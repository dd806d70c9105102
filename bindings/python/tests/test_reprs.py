"""Reprs go to logs and error trackers: no visa, proof or assertion is in one."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import httpx
import imagxp.httpx
import pytest
from imagxp import Identity, client, gate

TOKEN = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.c2VjcmV0"
HEADERS = [("x-imagxp-payment", TOKEN)]
BODY = TOKEN.encode()
NOTHING = cast(Any, None)


def call(*_: Any, **__: Any) -> None:
    """What a step calls."""


def steps() -> list[Any]:
    """One of each thing that holds a secret."""
    options = client.Options("SUMMARY", visa=TOKEN, proof=TOKEN, feedback=BODY)
    return [
        options,
        client.Send(HEADERS),
        client.Call(partial(call, visa=TOKEN)),
        client.AskBroker("POST", "https://broker.example", HEADERS, BODY),
        client.BrokerAnswer(200, BODY),
        client.Bought(TOKEN, NOTHING),
        imagxp.httpx._Sign(httpx.Request("GET", "https://pub.example"), options, TOKEN),
        gate.Incoming("GET", "/", "/", [(b"x-imagxp-payment", BODY)], bool),
        gate.Call(partial(call, HEADERS), waits=False),
        gate.AskBroker(NOTHING, NOTHING, TOKEN, NOTHING),
    ]


@pytest.mark.parametrize("thing", steps(), ids=lambda thing: f"{type(thing).__module__}.{type(thing).__name__}")
def test_no_token_is_in_a_repr(thing: Any) -> None:
    assert type(thing).__name__ in repr(thing)
    assert TOKEN not in repr(thing)


def test_no_token_is_in_what_an_exchange_yields(agent: Identity) -> None:
    options = client.Options("SUMMARY", visa=TOKEN)
    exchange = client.Client(agent, "SUMMARY").exchange("GET", "https://pub.example/", options, None)
    signing = next(exchange)
    assert isinstance(signing, client.Call)
    sending = exchange.send(signing.act())
    assert isinstance(sending, client.Send)
    assert TOKEN in dict(sending.headers).values()
    assert TOKEN not in repr([signing, sending])
