"""Answers whose length nobody tells, and compressed ones: each client reads their beginning, and no more than it needs."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest
import requests
from clients import Aiohttp, Broker, Client, Httpx, HttpxAsync, Recorder, RequestsAdapter, offer
from imagxp import Caps, Identity, ReadError, Wallet
from imagxp.httpx import ImagxpAuth
from imagxp.requests import ImagxpAdapter

paying = pytest.mark.parametrize("kind", [RequestsAdapter, Aiohttp, Httpx, HttpxAsync])
sent = pytest.mark.parametrize(("in_pieces", "gzipped"), [(False, False), (True, False), (False, True), (True, True)])
LONG = random.Random(1).randbytes(1_000_000)


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


@paying
def test_a_broker_that_refuses(agent: Identity, server: Recorder, broker: Broker, kind: type[Client]) -> None:
    """The answer is the page's, not the broker's."""
    broker.status = 400
    server.answers = {"/p": [(402, offer(broker)), (402, offer(broker))]}
    given = options(broker)
    client = kind(agent, **given)
    assert client.ask(("GET", server.origin + "/p")) == [(402, offer(broker))]
    assert [type(reason) for reason in client.reasons] == [ReadError]
    assert (len(broker.requests), given["wallet"].spent("EUR")) == (1, "0")


@paying
@sent
def test_an_offer_however_it_is_sent(
    agent: Identity, server: Recorder, broker: Broker, kind: type[Client], in_pieces: bool, gzipped: bool
) -> None:
    server.in_pieces, server.gzipped = in_pieces, gzipped
    server.answers = {"/p": [(402, offer(broker))]}
    assert kind(agent, **options(broker)).ask(("GET", server.origin + "/p")) == [(200, b"ok")]
    assert (len(server.requests), len(broker.sold)) == (2, 1)


@paying
@sent
@pytest.mark.parametrize("answer", [b"", b"no offer", b" " * 70_000, LONG], ids=["empty", "short", "bomb", "long"])
def test_what_is_not_bought_is_read_from_the_start(
    agent: Identity, server: Recorder, broker: Broker, kind: type[Client], in_pieces: bool, gzipped: bool, answer: bytes
) -> None:
    server.in_pieces, server.gzipped = in_pieces, gzipped
    server.answers = {"/p": [(402, answer)]}
    client = kind(agent, **options(broker))
    assert client.ask(("GET", server.origin + "/p"), ("GET", server.origin + "/q")) == [(402, answer), (200, b"ok")]
    assert [type(reason) for reason in client.reasons[:1]] == [ReadError]
    assert len(server.requests) == 2


@sent
def test_streams_remain_streams(agent: Identity, server: Recorder, broker: Broker, in_pieces: bool, gzipped: bool) -> None:
    """The connections are given back, and cookies are kept."""
    server.in_pieces, server.gzipped = in_pieces, gzipped
    server.answers = {"/p": [(402, LONG), (402, LONG)]}
    with httpx.Client(auth=ImagxpAuth(agent, "SUMMARY", **options(broker)), trust_env=False) as client:
        with client.stream("GET", server.origin + "/p") as response:
            assert not response.is_stream_consumed
            assert b"".join(response.iter_bytes()) == LONG
        with client.stream("GET", server.origin + "/p") as response:
            assert next(response.iter_bytes())
        assert client.get(server.origin + "/q").content == b"ok"
    server.answers = {"/p": [(402, LONG), (402, LONG)]}
    server.cookie = b"session=1"
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", ImagxpAdapter(agent, "SUMMARY", pool_maxsize=1, pool_block=True, **options(broker)))
        with session.get(server.origin + "/p", stream=True, timeout=10) as answer:
            assert b"".join(answer.iter_content(1000)) == LONG
            assert session.cookies.get_dict() == {"session": "1"}
        with session.get(server.origin + "/p", stream=True, timeout=10) as answer:
            assert next(answer.iter_content(1000)) == LONG[:1000]
        assert session.get(server.origin + "/q", timeout=10).content == b"ok"


def test_a_hook_that_has_read_the_offer(agent: Identity, server: Recorder, broker: Broker) -> None:
    server.in_pieces = True
    server.answers = {"/p": [(402, offer(broker))]}
    auth = ImagxpAuth(agent, "SUMMARY", **options(broker))
    with httpx.Client(auth=auth, trust_env=False, event_hooks={"response": [lambda response: response.read()]}) as client:
        assert client.get(server.origin + "/p").content == b"ok"
