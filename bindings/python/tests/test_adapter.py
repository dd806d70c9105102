"""The adapter of requests: what it refuses, and what is one read."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import requests
from clients import Broker, Recorder, RequestsAdapter, offer
from imagxp import Caps, Identity, UsageError, Wallet
from imagxp.requests import ImagxpAdapter
from urllib3.util.retry import Retry

# What the guide recommends.
ONLY_CONNECTING = Retry(connect=3, read=False, status=0, other=0, respect_retry_after_header=False)


@pytest.mark.parametrize(
    "retries",
    [
        3,
        Retry(3),
        Retry(0, status=1),
        Retry(connect=1, read=False, status_forcelist=[503]),
        Retry(connect=3, read=False),
        Retry(connect=3, read=False, status=0, other=0),
        Retry(connect=3, read=False, respect_retry_after_header=False),
    ],
    ids=repr,
)
def test_an_adapter_that_would_repeat_signatures_is_refused(agent: Identity, retries: Any) -> None:
    with pytest.raises(UsageError, match="twice"):
        ImagxpAdapter(agent, "SUMMARY", max_retries=retries)


def test_an_adapter_is_not_pickled(agent: Identity) -> None:
    """What comes back from `HTTPAdapter`'s way has neither key nor wallet."""
    with requests.Session() as session:
        session.mount("https://", ImagxpAdapter(agent, "SUMMARY"))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(session, protocol)
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.copy(session.get_adapter("https://"))


@pytest.mark.parametrize("retries", [0, ONLY_CONNECTING], ids=repr)
@pytest.mark.parametrize("status", [413, 429, 503])
def test_a_signature_is_not_repeated_after_a_while(agent: Identity, server: Recorder, status: int, retries: Any) -> None:
    """`Retry-After` of such an answer is for the caller, and so is the answer."""
    server.headers = [(b"retry-after", b"0")]
    server.answers = {"/p": [(status, b"later")] * 4}
    assert RequestsAdapter(agent, max_retries=retries).ask(("GET", server.origin + "/p")) == [(status, b"later")]
    assert len(server.requests) == 1


def test_a_request_of_requests_that_is_sent_again_is_another_read(agent: Identity, server: Recorder, broker: Broker) -> None:
    wallet = Wallet([Caps("EUR", "0.05")])
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", ImagxpAdapter(agent, "SUMMARY", wallet=wallet, brokers=[broker.origin], allow_loopback=True))
        prepared = session.prepare_request(requests.Request("GET", server.origin + "/a"))
        server.moved = {"/a": "/b"}
        for number in (1, 2):
            server.answers = {"/a": [(402, offer(broker))], "/b": [(402, offer(broker))]}
            assert session.send(prepared).status_code == 402
            assert len(broker.sold) == number
