"""Answers whose length nobody tells, and compressed ones: each client reads their beginning, and no more than it needs."""

from __future__ import annotations

from typing import Any

import pytest
from clients import Aiohttp, Broker, Client, Httpx, HttpxAsync, Recorder, RequestsAdapter, offer
from imagxp import Caps, Identity, ReadError, Wallet

paying = pytest.mark.parametrize("kind", [RequestsAdapter, Aiohttp, Httpx, HttpxAsync])


def options(broker: Broker) -> dict[str, Any]:
    """A wallet with enough for one page."""
    return {"wallet": Wallet([Caps("EUR", "0.05")]), "brokers": [broker.origin], "allow_loopback": True}


@paying
def test_a_broker_that_tells_no_length(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    broker.in_pieces = True
    server.answers = {"/p": [(402, offer(broker))]}
    assert kind(agent, **options(broker)).ask(("GET", server.origin + "/p")) == [(200, b"ok")]
    assert (len(server.requests), len(broker.sold)) == (2, 1)


@paying
@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_broker_that_says_too_much(
    agent: Identity, server: Recorder, broker: Broker, kind: type[Client], in_pieces: bool
) -> None:
    broker.in_pieces, broker.padding = in_pieces, 70_000
    server.answers = {"/p": [(402, offer(broker))]}
    given = options(broker)
    with pytest.raises(ReadError) as raised:
        kind(agent, **given).ask(("GET", server.origin + "/p"))
    assert (raised.value.code, given["wallet"].spent("EUR")) == ("spend.unknown", "0.05")
