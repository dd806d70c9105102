"""One Scrapy crawl as a process: reads `{settings, requests}` from standard input, prints `{items, stats, failures}`."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response

JOB = json.load(sys.stdin)
ITEMS: list[dict[str, Any]] = []
FAILURES: list[str] = []


class Probe(scrapy.Spider):
    """Asks for what it is told to, and tells what came."""

    name = "probe"
    handle_httpstatus_list = (400, 401, 402, 403, 404, 409)

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The requests."""
        for given in JOB["requests"]:
            body = given.get("body", "").encode()
            options = given.get("meta", {}).get("imagxp")
            if options and "feedback" in options:
                options["feedback"] = options["feedback"].encode()
            yield scrapy.Request(
                given["url"], self.parse, given.get("method", "GET"), body=body, meta=given.get("meta", {}), errback=self.failed
            )

    def parse(self, response: Response, **_: Any) -> Iterator[Any]:
        """An answer."""
        request = response.request
        assert request is not None
        left = [name.decode() for name in request.headers if name.lower().startswith(b"x-imagxp-")]
        meta = sorted(name for name in request.meta if "imagxp" in name)
        told = (response.headers.get("x-imagxp-feedback-status") or b"").decode() or None
        found = {"url": response.url, "status": response.status, "text": response.text, "left": left, "meta": meta, "told": told}
        ITEMS.append(found)
        for url in JOB.get("follow", {}).get(response.url, []):
            yield scrapy.Request(url, self.parse, meta=response.meta, errback=self.failed)

    def failed(self, failure: Any) -> None:
        """No answer."""
        FAILURES.append(failure.type.__name__)


process = CrawlerProcess({"LOG_LEVEL": "WARNING", "TELNETCONSOLE_ENABLED": False, **JOB["settings"]})
crawler = process.create_crawler(Probe)
process.crawl(crawler)
process.start()
assert crawler.stats is not None
stats = {name: value for name, value in crawler.stats.get_stats().items() if name.startswith("imagxp/")}
print(json.dumps({"items": ITEMS, "failures": FAILURES, "stats": stats}))
