"""Fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asgi_site import Domain
from clients import Broker, Recorder
from imagxp import Identity
from support import serving


@pytest.fixture(params=["ES256", "EdDSA"])
def identity(request: pytest.FixtureRequest) -> Identity:
    """An agent with a new key, of either algorithm."""
    return Identity.generate("bot.example.com", request.param)


@pytest.fixture
def agent() -> Identity:
    """An agent with a new P-256 key."""
    return Identity.generate("bot.example.com")


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder, recorder.listener, lifespan="off"):
        yield recorder


@pytest.fixture
def elsewhere() -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder, recorder.listener, lifespan="off"):
        yield recorder


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    with serving(broker, broker.listener, lifespan="off"):
        yield broker


@pytest.fixture
def domain() -> Iterator[Domain]:
    domain = Domain()
    with serving(domain, domain.listener, lifespan="off"):
        yield domain
