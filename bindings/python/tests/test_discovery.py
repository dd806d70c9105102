"""What a site asks, from Python."""

from __future__ import annotations

import imagxp
import pytest

PAGE = "https://pub.example/news/1"
ROBOTS = """IMAGXP-Policy: https://pub.example/p.json
User-agent: *
Disallow: /private/
Content-Usage: / train-ai=n
"""
POLICY = {
    "version": 1,
    "origins": ["https://pub.example"],
    "purposes": {"RAG_RETRIEVAL": {}, "SUMMARY": {}, "QUOTATION": {}, "CRAWL_TRAINING": {"allow": False}},
}


def test_robots() -> None:
    robots = imagxp.Robots.parse(ROBOTS)
    assert robots.allows("bot", "/news/1")
    assert not robots.allows("bot", "/private/x")
    assert robots.policy_urls("bot") == ("https://pub.example/p.json",)
    assert imagxp.Robots.from_answer(404, b"").allows("bot", "/private/x")
    assert not imagxp.Robots.from_answer(503, b"").allows("bot", "/")
    assert not imagxp.Robots.parse(b"\xff\nuser-agent: *\rdisallow: /").allows("bot", "/")
    assert repr(robots) == "Robots(rules)"


def test_link() -> None:
    assert imagxp.link_policy_url(["</p.json>; rel=imagxp-policy"], PAGE) == "https://pub.example/p.json"
    assert imagxp.link_policy_url(["nothing"], PAGE) is None


def test_a_report_names_who_said_what() -> None:
    report = imagxp.discover(
        PAGE,
        "bot",
        robots=ROBOTS,
        headers={"Content-Signal": "ai-train=yes, ai-input=yes"},
        rsl={"https://pub.example/l.xml": "<rsl"},
    )
    assert report.crawl_allowed
    assert report.has_errors
    assert report.state("CRAWL_TRAINING") == "conflicting"
    assert report.advice("EMBEDDING") == "refrain"
    assert report.advice("SUMMARY") == "go_ahead"
    assert report.policy_urls == ("https://pub.example/p.json",)
    assert report.license_urls == ()
    document = report.to_dict()
    assert document["statements"][0]["line"] == 4
    assert document["statements"][0]["words"] == "Content-Usage: / train-ai=n"
    assert {finding["source"] for finding in document["findings"]} == {"robots", "rsl"}
    assert "CRAWL_TRAINING=refrain" in repr(report)


def test_wrong_arguments() -> None:
    with pytest.raises(imagxp.UsageError):
        imagxp.discover("/relative", "bot")
    with pytest.raises(imagxp.UsageError):
        imagxp.discover(PAGE, "bot").advice("READING")
    with pytest.raises(TypeError):
        imagxp.discover(PAGE, "bot", robots=1)  # type: ignore[arg-type]


def test_what_a_policy_emits_is_read_back() -> None:
    policy = imagxp.Policy.from_dict(POLICY)
    headers = [tuple(line.split(": ", 1)) for line in policy.emit("headers", path="/news/1").splitlines()]
    report = imagxp.discover(
        PAGE,
        "bot",
        robots=policy.emit("robots"),
        headers=headers,
        rsl={"https://pub.example/license.xml": policy.emit("rsl")},
        policy=policy.public_json(),
    )
    assert not report.has_errors
    assert report.advice("CRAWL_TRAINING") == "refrain"
    assert report.advice("SUMMARY") == "go_ahead"
    assert report.license_urls == ("https://pub.example/license.xml",) * 2
    assert "License: https://pub.example/rsl.xml\n" in policy.emit("robots", rsl_url="/rsl.xml")
    with pytest.raises(imagxp.UsageError):
        policy.emit("robots", origin="https://other.example")
    with pytest.raises(imagxp.UsageError):
        policy.emit("toml")  # type: ignore[arg-type]
