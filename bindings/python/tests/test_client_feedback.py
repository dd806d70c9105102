"""Feedback that goes with a read: sent once, however often the read is, and told of in the answer that is handed back."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from clients import crawl
from imagxp import Feedback, Identity, Wallet
from imagxp.aiohttp import ImagxpMiddleware
from imagxp.httpx import ImagxpAuth as HttpxImagxpAuth
from imagxp.requests import ImagxpAuth
from market import Broker, Site, caps
from support import serving

STATUS = "x-imagxp-feedback-status"


@pytest.fixture
def site(agent: Identity) -> Iterator[tuple[Site, Broker]]:
    broker = Broker(agent)
    site = Site(agent, broker)
    with (
        serving(broker, broker.server.listener, lifespan="off"),
        serving(site, site.server.listener, lifespan="off"),
    ):
        yield site, broker


def by_httpx(agent: Identity, url: str, feedback: bytes, paying: dict[str, Any]) -> tuple[int, str | None]:
    extensions = {"imagxp": {"feedback": feedback}}
    with httpx.Client(auth=HttpxImagxpAuth(agent, "SUMMARY", **paying), trust_env=False, follow_redirects=True) as client:
        answer = client.get(url, extensions=extensions)
    return answer.status_code, answer.headers.get(STATUS)


def by_aiohttp(agent: Identity, url: str, feedback: bytes, paying: dict[str, Any]) -> tuple[int, str | None]:
    origin = url.rpartition("/")[0]
    middleware = ImagxpMiddleware(agent, "SUMMARY", origins=[origin], feedback=feedback, **paying)

    async def get() -> tuple[int, str | None]:
        async with aiohttp.ClientSession(middlewares=[middleware]) as session, session.get(url) as answer:
            return answer.status, answer.headers.get(STATUS)

    return asyncio.run(get())


def by_requests(agent: Identity, url: str, feedback: bytes, _: dict[str, Any]) -> tuple[int, str | None]:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = ImagxpAuth(agent, "SUMMARY", origins=[url.rpartition("/")[0]], feedback=feedback)
        answer = session.get(url, timeout=10)
    return answer.status_code, answer.headers.get(STATUS)


def by_scrapy(agent: Identity, url: str, feedback: bytes, paying: dict[str, Any]) -> tuple[int, str | None]:
    with tempfile.TemporaryDirectory() as folder:
        return by_crawl(agent, url, feedback, paying, Path(folder) / "key.pem")


def by_crawl(agent: Identity, url: str, feedback: bytes, paying: dict[str, Any], key_file: Path) -> tuple[int, str | None]:
    agent.save(key_file)
    settings = {
        "DOWNLOADER_MIDDLEWARES": {"imagxp.scrapy.ImagxpMiddleware": 950},
        "IMAGXP_AGENT_ID": agent.agent_id,
        "IMAGXP_KEY_FILE": str(key_file),
        "IMAGXP_PURPOSE": "SUMMARY",
        "IMAGXP_CAPS": [{"currency": "USD", "per_request": "0.05"}],
        "IMAGXP_BROKERS": paying["brokers"],
        "IMAGXP_ALLOW_LOOPBACK": True,
    }
    found = crawl([{"url": url, "meta": {"imagxp": {"feedback": feedback.decode()}}}], **settings)
    (item,) = found["items"]
    return item["status"], item["told"]


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (by_httpx, "/paid"),
        (by_httpx, "/moved"),
        (by_aiohttp, "/paid"),
        (by_aiohttp, "/moved"),
        (by_requests, "/moved"),
        (by_scrapy, "/paid"),
        (by_scrapy, "/moved"),
    ],
)
def test_feedback_is_sent_once_in_a_read(agent: Identity, site: tuple[Site, Broker], ask: Any, path: str) -> None:
    publisher, broker = site
    feedback = Feedback(publisher.url("/a"), "0.75", "HIGH_QUALITY").sign(agent)
    paying = {"wallet": Wallet([caps()]), "brokers": [broker.issuer], "allow_loopback": True}
    assert ask(agent, publisher.url(path), feedback, paying) == (200, "accepted")
    assert len(publisher.feedback) == 1
    sent = [headers for _, headers in publisher.requests]
    assert len(sent) >= 2
    assert [("x-imagxp-feedback" in headers) for headers in sent] == [True] + [False] * (len(sent) - 1)
