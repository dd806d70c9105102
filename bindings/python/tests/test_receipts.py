"""Of which page a receipt speaks: of the one that was served, whatever an agent has signed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgi_site import call, ok
from imagxp import Identity, SignedReceipt
from imagxp.asgi import ImagxpMiddleware
from support import AGENT_UA, ORIGIN, knowing

OTHER = "https://other.example"


def receipt_of(agent: Identity, site: Identity, claimed: str, path: str, host: str, **members: Any) -> str | None:
    """The URL of the receipt for a path that is asked for with a claim."""
    publisher = knowing(agent, now=None, provenance={"origin": "HUMAN"}, **members)
    app = ImagxpMiddleware(ok, publisher=publisher, identity=site)
    lines = [*agent.sign("GET", claimed, "RAG_RETRIEVAL"), AGENT_UA, ("Host", host)]
    headers = [(name.lower().encode(), value.encode()) for name, value in lines]
    start, _ = asyncio.run(call(app, {"type": "http", "path": path, "headers": headers}))
    assert start["status"] == 200
    sent = {name.decode(): value.decode() for name, value in start["headers"]}
    return SignedReceipt.from_headers(sent).verify(site.manifest()).url if "x-imagxp-provenance" in sent else None


@pytest.mark.parametrize(
    ("claimed", "host", "url"),
    [
        (ORIGIN + "/a", "pub.example", ORIGIN + "/a"),
        (ORIGIN + "/other", "pub.example", ORIGIN + "/a"),
        ("https://elsewhere.example/other", "pub.example", ORIGIN + "/a"),
        (ORIGIN + "/other", "inner.example", ORIGIN + "/a"),
        ("https://elsewhere.example/a", "inner.example", None),
    ],
)
def test_a_claim_that_nobody_compares_is_not_what_a_receipt_says(
    agent: Identity, claimed: str, host: str, url: str | None
) -> None:
    site = Identity.generate("pub.example")
    assert receipt_of(agent, site, claimed, "/a", host, resource_match="off") == url


@pytest.mark.parametrize("match", ["strict", "path", "off"])
@pytest.mark.parametrize(
    ("claimed", "host", "url"),
    [
        (ORIGIN, "pub.example", ORIGIN + "/a"),
        (ORIGIN, "PUB.example", ORIGIN + "/a"),
        # Some proxies tell a name of their own.
        (ORIGIN, "inner.example", ORIGIN + "/a"),
        # Which of the two was served?
        (ORIGIN, "other.example", None),
        (ORIGIN, "OTHER.example:443", None),
        (OTHER, "pub.example", None),
        (ORIGIN, "pub.example:443", ORIGIN + "/a"),
        # Our key is of the first.
        (OTHER, "other.example", None),
    ],
)
def test_of_several_origins_the_one_that_was_asked(agent: Identity, match: str, claimed: str, host: str, url: str | None) -> None:
    site = Identity.generate("pub.example")
    members = {"origins": [ORIGIN, OTHER], "resource_match": match}
    assert receipt_of(agent, site, claimed + "/a", "/a", host, **members) == url
