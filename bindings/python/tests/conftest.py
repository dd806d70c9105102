"""Fixtures."""

from __future__ import annotations

import pytest
from imagxp import Identity


@pytest.fixture(params=["ES256", "EdDSA"])
def identity(request: pytest.FixtureRequest) -> Identity:
    """An agent with a new key, of either algorithm."""
    return Identity.generate("bot.example.com", request.param)


@pytest.fixture
def agent() -> Identity:
    """An agent with a new P-256 key."""
    return Identity.generate("bot.example.com")
