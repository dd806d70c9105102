"""Reads a site from its first page on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.http import Response


class Articles(scrapy.Spider):
    """Follows links within one site, and yields what became of each page."""

    name = "articles"
    # Refusals are results too.
    handle_httpstatus_list = (401, 402, 403, 409, 429, 503)

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.url = url

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The first page."""
        yield scrapy.Request(self.url)

    def parse(self, response: Response, **_: Any) -> Iterator[Any]:
        """One page."""
        if response.status != 200:
            yield {"url": response.url, "status": response.status, "code": response.json()["error"]["code"]}
            return
        yield {"url": response.url, "status": response.status, "title": response.css("h1::text").get()}
        yield from response.follow_all(css="a")
